"""What the engines that read a Hugging Face checkpoint have in common: sizes before the load, tokenizer, facts, a fresh start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from touchstone.checkpoints import synthetic
from touchstone.checkpoints.shape import ON_DEVICE_ONLY, SHAPES
from touchstone.measure.devices import Device
from touchstone.measure.engines import Footprint, Sizes, Vocabulary
from touchstone.measure.engines.checkpoint_facts import DTYPE_BYTES, CheckpointFacts, facts_of_shape, read_checkpoint
from touchstone.measure.engines.tokenizers import CheckpointTokenizer
from touchstone.plan import ChatMessage, Target
from touchstone.record import EngineFacts


class CheckpointEngine:
    """A model in a directory, or one of the shapes that have no files and get random weights on the device."""

    def __init__(self, target: Target, device: Device) -> None:
        self.device = device
        self._target = target
        shape = SHAPES[target.model] if target.model in ON_DEVICE_ONLY else None
        self._directory = synthetic.ensure_tokenizer(target.model) if shape else Path(target.model)
        self._has_files = shape is None
        # Left to themselves, engines run in 16 bits, whatever the file holds.
        self._expected_dtype = "fp16" if target.dtype == "auto" else target.dtype
        self._checkpoint: CheckpointFacts = facts_of_shape(shape) if shape else read_checkpoint(self._directory)

    def model_files(self) -> Sequence[str]:
        return self._checkpoint.files

    def footprint(self) -> Footprint:
        """Sizes of the share of one device."""
        ways = self._target.options.tensor_parallel or 1
        cached = self._checkpoint.kv_bytes_per_token(DTYPE_BYTES[self._expected_dtype])
        return Footprint(self._checkpoint.weight_bytes(self._expected_dtype) // ways, None if cached is None else cached // ways,
                         self._checkpoint.max_positions)

    @cached_property
    def _tokenizer(self) -> CheckpointTokenizer:
        return CheckpointTokenizer(self._directory, trust_remote_code=self._target.options.trust_remote_code)

    def vocabulary(self) -> Vocabulary:
        return self._tokenizer.vocabulary()

    def encode(self, text: str, *, special: bool) -> list[int]:
        return self._tokenizer.encode(text, special=special)

    def encode_chat(self, messages: Sequence[ChatMessage]) -> list[int]:
        return self._tokenizer.encode_chat(messages)

    def keeps(self, prompt: Sequence[int]) -> bool:  # noqa: ARG002 - token ids are taken as they are
        return True

    def _sequence_tokens(self, sizes: Sizes) -> int:
        """The longest sequence to make room for: what the user says, else what the plan needs and the model can."""
        most = self._checkpoint.max_positions
        needed = sizes.sequence_tokens if most is None else min(sizes.sequence_tokens, most)
        return self._target.options.max_sequence_tokens or needed

    def _engine_facts(self, engine: str, version: str, dtype: str, options: Mapping[str, object]) -> EngineFacts:
        """Weights by the checkpoint's files in the ``dtype`` that the engine says it holds them in: engines repack what they load."""
        checkpoint, quantized = self._checkpoint, self._target.options.quantization is not None and not self._checkpoint.packed
        return EngineFacts(
            engine=engine, version=version, device=self.device.torch_name, device_name=str(self.device.identity()["name"]),
            model=self._target.model, random_weights=not self._has_files or synthetic.is_random(self._directory),
            dtypes=checkpoint.dtypes(dtype), weight_bytes=checkpoint.weight_bytes(dtype), parameters=checkpoint.parameters,
            kv_bytes_per_token=checkpoint.kv_bytes_per_token(DTYPE_BYTES[dtype]),
            options={"weights_from": "checkpoint before quantisation" if quantized else "checkpoint", **options},
            memory_total_bytes=self.device.memory().device_total,
            read_bytes_per_step=None if quantized else checkpoint.read_bytes_per_step(dtype),
        )
