"""Fetches the files of a listing into a partial directory, going on where a cut left off, until every one is what the hub announced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from touchstone.checkpoints.pull import destination as place
from touchstone.checkpoints.pull.child import Asked
from touchstone.checkpoints.pull.conversation import HubTroubleError, Library
from touchstone.checkpoints.pull.in_words import RETRIED, in_words
from touchstone.checkpoints.pull.listing import HubFile, Listing
from touchstone.checkpoints.pull.record import PulledFile
from touchstone.checkpoints.pull.verify import check_file
from touchstone.clock import sleep

Progress = Callable[[str, Mapping[str, object]], None]
"""Told what happens: a kind (asking, note, waiting, bytes, retry, checking) and its values."""

_PAUSES_S = (1.0, 2.0, 5.0, 10.0)
_HEADWAY_BYTES = 16 << 20
"""An attempt that brought this much more than any before it does not count as failed."""


def answer_of(library: Library, asked: Asked, progress: Progress) -> Mapping[str, Any]:
    """What the hub answers, asked twice where it may only have been busy. Raises the error to show."""
    try:
        return library.ask(asked)
    except HubTroubleError as trouble:
        if trouble.kind not in RETRIED or trouble.kind == "unreachable":
            raise in_words(trouble, library, asked) from trouble
        progress("retry", {"detail": trouble.detail, "pause_s": _PAUSES_S[0]})
    sleep(_PAUSES_S[0])
    try:
        return library.ask(asked)
    except HubTroubleError as trouble:
        raise in_words(trouble, library, asked) from trouble


@dataclass(frozen=True)
class Fetching:
    """One pull's fetching, into ``partial``."""

    library: Library
    asked: Asked
    partial: Path
    progress: Progress

    def fetch(self, listing: Listing) -> tuple[PulledFile, ...]:
        """Every file of ``listing``, checked. Raises :class:`touchstone.errors.TouchstoneError`; what is sound stays in ``partial``."""
        place.check_space(self.partial, listing)
        self._download(listing, listing.files)
        checked, wrong = self._check(listing.files, listing.total_bytes)
        if wrong:
            place.discard(self.partial, [file.name for file in wrong])
            self._download(listing, wrong)
            again, still = self._check(wrong, sum(file.bytes for file in wrong))
            if still:
                place.discard(self.partial, [file.name for file in still])
                raise in_words(HubTroubleError("wrong_hash", file=still[0].name), self.library, self.asked)
            checked |= again
        return tuple(checked[file.name] for file in listing.files)

    def _download(self, listing: Listing, files: Sequence[HubFile]) -> None:
        asked = replace(self.asked, do="fetch", commit=listing.revision or self.asked.revision, partial=str(self.partial),
                        files=tuple((file.name, file.bytes) for file in files))
        failures, most = 0, place.size_of(self.partial)
        while (trouble := self._attempt(asked, listing.total_bytes)) is not None:
            has = place.size_of(self.partial)
            failures = 1 if has >= most + _HEADWAY_BYTES else failures + 1
            most = max(most, has)
            if trouble.kind not in RETRIED or failures > len(_PAUSES_S):
                raise in_words(trouble, self.library, asked) from trouble
            self.progress("retry", {"detail": trouble.detail, "pause_s": _PAUSES_S[failures - 1]})
            sleep(_PAUSES_S[failures - 1])

    def _attempt(self, asked: Asked, total: int) -> HubTroubleError | None:
        """Fetch until all is there, or say what went wrong."""
        def tick() -> None:
            self.progress("bytes", {"done": min(place.size_of(self.partial), total), "total": total})

        try:
            self.library.ask(asked, tick)
        except HubTroubleError as trouble:
            return trouble
        tick()
        return None

    def _check(self, files: Sequence[HubFile], total: int) -> tuple[dict[str, PulledFile], list[HubFile]]:
        """Those that are what the hub announced, by name, and those that are not."""
        checked: dict[str, PulledFile] = {}
        done = 0

        def read(count: int) -> None:
            nonlocal done
            done += count
            self.progress("checking", {"done": done, "total": total})

        for file in files:
            found = check_file(self.partial / file.name, file, read)
            if found is not None:
                checked[file.name] = found
        return checked, [file for file in files if file.name not in checked]
