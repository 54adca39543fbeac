"""What is asked of an engine: requests, and the batches that an in-process engine takes at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. ``temperature`` 0 is greedy."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    @property
    def greedy(self) -> bool:
        return self.temperature == 0


@dataclass(frozen=True)
class Request:
    """One prompt as token ids, special tokens included, and what is wanted back."""

    id: str
    prompt: tuple[int, ...]
    max_output_tokens: int
    stop_at_eos: bool = False
    sampling: Sampling = field(default_factory=Sampling)

    @property
    def input_tokens(self) -> int:
        """Length of the prompt as built, in tokens."""
        return len(self.prompt)

    @property
    def prompt_digest(self) -> str:
        """A short digest of the prompt, so that runs can be compared without storing it."""
        return hashlib.sha256(",".join(map(str, self.prompt)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Batch:
    """Requests that are handed to the engine in one call; all share length limit, stopping and sampling."""

    requests: tuple[Request, ...]

    @property
    def first(self) -> Request:
        return self.requests[0]

    @property
    def size(self) -> int:
        return len(self.requests)
