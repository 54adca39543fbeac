"""What turns text into the token ids of a model and back, outside the engine: the checkpoint's own tokenizer, or the server's."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from touchstone.errors import EngineError, NotReadyError
from touchstone.measure.devices import installed
from touchstone.measure.engines import Vocabulary
from touchstone.measure.engines.gguf_facts import GgufFacts
from touchstone.measure.load.connection import Address
from touchstone.plan import ChatMessage

_ANSWER_S = 60.0


class Tokenizer(Protocol):
    """As :class:`touchstone.measure.engines.Engine` has it, and back to text."""

    def vocabulary(self) -> Vocabulary:
        """The tokenizer's size and special tokens."""

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Token ids of ``text``; with ``special``, as a prompt (BOS where the model has one)."""

    def encode_chat(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Token ids of a conversation through the chat template, ready for an answer."""

    def decode(self, tokens: Sequence[int], *, skip_special: bool) -> str:
        """The text of ``tokens``."""


class CheckpointTokenizer:
    """The tokenizer of a checkpoint directory, by the transformers library. Raises :class:`EngineError` where it cannot be loaded."""

    def __init__(self, directory: Path, *, trust_remote_code: bool = False) -> None:
        if installed("transformers") is None:
            raise NotReadyError("The prompts need the tokenizer in {path}, and the transformers library, which reads it, is not installed here.",
                                "pip install transformers", path=directory)
        import transformers

        self.directory = directory
        try:
            self.library = transformers.AutoTokenizer.from_pretrained(directory, trust_remote_code=trust_remote_code, local_files_only=True)
        except (OSError, ValueError) as error:
            raise EngineError("The tokenizer in {path} cannot be loaded: {why}.", "", path=directory,
                              why=(str(error).strip() or type(error).__name__).splitlines()[0]) from error
        self.library.padding_side = "left"  # a decoder continues from the right end of its prompt

    def vocabulary(self) -> Vocabulary:
        library = self.library
        empty = library("").input_ids
        bos = library.bos_token_id if empty[:1] == [library.bos_token_id] else None
        return Vocabulary(len(library), bos, frozenset(library.all_special_ids) | frozenset(library.added_tokens_decoder))

    def encode(self, text: str, *, special: bool) -> list[int]:
        return list(self.library(text, add_special_tokens=special).input_ids)

    def encode_chat(self, messages: Sequence[ChatMessage]) -> list[int]:
        if not self.library.chat_template:
            raise EngineError("{path} has no chat template.", "Use a chat model, or a suite without messages.", path=self.directory)
        rendered = self.library.apply_chat_template([message.model_dump() for message in messages], add_generation_prompt=True, tokenize=False)
        return list(self.library(rendered, add_special_tokens=False).input_ids)

    def decode(self, tokens: Sequence[int], *, skip_special: bool) -> str:
        return str(self.library.decode(list(tokens), skip_special_tokens=skip_special, clean_up_tokenization_spaces=False))


class LlamaCppTokenizer:
    """The tokenizer of a running llama.cpp server, with what its GGUF file says of the vocabulary."""

    def __init__(self, address: Address, gguf: GgufFacts, api_key: str | None = None) -> None:
        self._address, self._gguf = address, gguf
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {api_key}"} if api_key else {})}

    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self._gguf.vocabulary_size, self._gguf.bos_id, self._gguf.special_ids)

    def encode(self, text: str, *, special: bool) -> list[int]:
        return list(self._ask("/tokenize", {"content": text, "add_special": special, "parse_special": False})["tokens"])

    def encode_chat(self, messages: Sequence[ChatMessage]) -> list[int]:
        rendered = self._ask("/apply-template", {"messages": [message.model_dump() for message in messages]})["prompt"]
        tokens = self._ask("/tokenize", {"content": rendered, "add_special": False, "parse_special": True})["tokens"]
        bos = self._gguf.bos_id
        # Templates may or may not write the BOS themselves; the server adds one only to text, never to ids.
        return list(tokens) if bos is None or tokens[:1] == [bos] else [bos, *tokens]

    def decode(self, tokens: Sequence[int], *, skip_special: bool) -> str:
        kept = [token for token in tokens if not skip_special or token not in self._gguf.special_ids]
        return str(self._ask("/detokenize", {"tokens": kept})["content"])

    def _ask(self, path: str, body: object) -> Any:
        """http.client knows no proxies, which have no business here."""
        connection = http.client.HTTPConnection(self._address.host, self._address.port, timeout=_ANSWER_S)
        with contextlib.closing(connection):
            connection.request("POST", path, json.dumps(body), self._headers)
            return json.load(connection.getresponse())
