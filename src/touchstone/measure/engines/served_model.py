"""What is known of the model behind a server from its files: sizes before it is loaded, and the tokenizer that prompts are built with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from touchstone.checkpoints import synthetic
from touchstone.checkpoints.shape import ON_DEVICE_ONLY, SHAPES
from touchstone.errors import NotReadyError
from touchstone.measure.engines import Footprint
from touchstone.measure.engines.checkpoint_facts import DTYPE_BYTES, CheckpointFacts, facts_of_shape, read_checkpoint
from touchstone.measure.engines.gguf_facts import GgufFacts, read_gguf
from touchstone.measure.engines.llamacpp import check_dtype, gguf_path
from touchstone.measure.engines.tokenizers import CheckpointTokenizer, LlamaCppTokenizer, Tokenizer
from touchstone.measure.load.connection import Address
from touchstone.plan import Target

_AGREEMENT = 0.1
"""Engines pad and repack: far less than the factor of two between two types."""
_RUN_IN = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp16"}
"""What servers that are told nothing run a checkpoint of each dtype in: in 16 bits, whatever the file holds."""


@dataclass(frozen=True)
class ServedModel:
    """A model by its files: a GGUF file or a checkpoint directory. ``dtype`` is the one that weights and cache are counted in.

    ``dummy``: there are no weight files, and the server makes random weights.
    """

    path: Path
    dtype: str
    gguf: GgufFacts | None
    checkpoint: CheckpointFacts | None
    dummy: bool = False

    @property
    def random_weights(self) -> bool:
        """Whether we made the files."""
        return self.dummy or synthetic.is_random(self.path if self.path.is_dir() else self.path.parent)

    def files(self) -> Sequence[str]:
        """The files that hold the weights."""
        return [str(self.path)] if self.gguf else list(self.checkpoint.files) if self.checkpoint else []

    def footprint(self) -> Footprint:
        """Weights, cache per token, positions."""
        if self.gguf:
            values = self.gguf.kv_values_per_token
            return Footprint(sum(self.gguf.dtypes.values()), None if values is None else values * self.kv_value_bytes, self.gguf.max_positions)
        assert self.checkpoint is not None
        return Footprint(self.checkpoint.weight_bytes(self.dtype), self.checkpoint.kv_bytes_per_token(self.kv_value_bytes), self.checkpoint.max_positions)

    @property
    def kv_value_bytes(self) -> int:
        """Bytes of one value of the cache: llama.cpp keeps halves unless told otherwise, the others the dtype they compute in."""
        return DTYPE_BYTES.get(self.dtype, 2)

    def dtypes(self) -> Mapping[str, int]:
        """Bytes of weights by storage type."""
        if self.gguf:
            return self.gguf.dtypes
        assert self.checkpoint is not None
        return self.checkpoint.dtypes(self.dtype)

    def weights_from(self, logged_bytes: object, devices: int) -> str:
        """What the sizes by type rest on: the ``file`` that is served as it is, the server's ``log``, which agrees, or only the ``request``."""
        if self.gguf:
            return "file"
        expected = sum(self.dtypes().values()) / devices
        agrees = isinstance(logged_bytes, int) and abs(logged_bytes / expected - 1) <= _AGREEMENT
        return "log" if agrees else "request"

    @property
    def parameters(self) -> int | None:
        """The number of weights."""
        one = self.gguf or self.checkpoint
        return one.parameters if one else None

    def read_bytes_per_step(self) -> int | None:
        """All weights but the input embedding."""
        if self.gguf:
            return sum(self.gguf.dtypes.values()) - self.gguf.embedding_bytes
        assert self.checkpoint is not None
        return self.checkpoint.read_bytes_per_step(self.dtype)

    def tokenizer(self, address: Address, *, trust_remote_code: bool) -> Tokenizer:
        """llama.cpp's own, or that of the checkpoint's files."""
        if self.gguf:
            return LlamaCppTokenizer(address, self.gguf)
        return CheckpointTokenizer(self.path, trust_remote_code=trust_remote_code)


def model_of(target: Target) -> ServedModel:
    """The model of ``target`` by its files. Raises :class:`NotReadyError` or :class:`EngineError` where they do not say enough."""
    if target.engine == "llamacpp-server" or target.model.endswith(".gguf"):
        path = gguf_path(target)
        facts = read_gguf(path)
        check_dtype(target, path, facts)
        return ServedModel(path, target.dtype, facts, None)
    if target.model in ON_DEVICE_ONLY:
        directory = synthetic.ensure_tokenizer(target.model)
        return ServedModel(directory, _own_dtype(directory) if target.dtype == "auto" else target.dtype, None,
                           facts_of_shape(SHAPES[target.model]), dummy=True)
    path = Path(target.model)
    if not path.is_dir():
        raise NotReadyError("There is no checkpoint directory at {path}.", "Give the directory of the model that the server serves: its tokenizer "
                            "builds the prompts.", path=path)
    return ServedModel(path, _own_dtype(path) if target.dtype == "auto" else target.dtype, None, read_checkpoint(path))


def _own_dtype(directory: Path) -> str:
    """The dtype that a server which is told nothing runs the checkpoint in."""
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = {}
    said = config.get("dtype") or config.get("torch_dtype") if isinstance(config, dict) else None
    return _RUN_IN.get(str(said), "fp16")
