"""Pulls a checkpoint: what is here already first, else from the hub, at one commit, every file checked before any of it counts."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from touchstone.checkpoints.pull import destination as place
from touchstone.checkpoints.pull import local
from touchstone.checkpoints.pull.child import Asked, HubAnswer
from touchstone.checkpoints.pull.conversation import HubTroubleError, Library
from touchstone.checkpoints.pull.fetching import Fetching, Progress, answer_of
from touchstone.checkpoints.pull.hubs import Hub, endpoint_of, environment, public, recorded
from touchstone.checkpoints.pull.listing import check_request, choose, is_commit, read_listing
from touchstone.checkpoints.pull.record import PulledRecord, pulled_revision, write_record
from touchstone.checkpoints.pull.verify import damaged, incomplete
from touchstone.clock import wall_time
from touchstone.errors import DataError, NotReadyError, UsageError
from touchstone.message import say

_LOOKS_LIKE_A_PATH = re.compile(r"[/~.]|[A-Za-z]:")


@dataclass(frozen=True)
class PullRequest:
    """What is asked for. Without ``output_dir`` the copy goes into the cache; ``verify`` compares hashes of what is there already."""

    model: str
    hub: Hub
    revision: str | None = None
    output_dir: Path | None = None
    endpoint: str | None = None
    token_env: str | None = None
    offline: bool = False
    verify: bool = False


@dataclass(frozen=True)
class Pulled:
    """A whole checkpoint on this machine. ``source`` is directory, pulled, cache or hub: whence it was had this time."""

    path: Path
    record: PulledRecord
    source: str


def pull(request: PullRequest, progress: Progress = lambda *_: None) -> Pulled:
    """The checkpoint that ``request`` asks for. Raises :class:`touchstone.errors.TouchstoneError`; nothing half-done is left at its place."""
    given = _given_directory(request)
    if given is not None:
        return given
    check_request(request.model, request.revision)
    endpoint = endpoint_of(request.hub, request.endpoint)
    known = _pulled_before(request, progress)
    if known is not None:
        return known
    token = _token(request)
    where = _absolute(request.output_dir or local.default_place(request.hub.name, request.model, "-"))
    if request.output_dir is not None:
        place.check_free_name(where)
    library = Library(request.hub, endpoint, environment(request.hub, endpoint, where, token), token or os.environ.get(request.hub.token_variable))
    if request.offline:
        return _offline(request, library, progress)
    return _found_or_fetched(request, library, progress)


def _given_directory(request: PullRequest) -> Pulled | None:
    """MODEL itself where it is a directory with a checkpoint."""
    path = _absolute(request.model)
    if local.is_checkpoint(path):
        missing = str(say("the directory does not say where it is from"))
        record = pulled_revision(path) or PulledRecord(None, request.model, None, None, local.files_of(path), revision_missing=missing)
        return _sound(Pulled(path, record, "directory"), request)
    if _LOOKS_LIKE_A_PATH.match(request.model) and path.is_dir():
        raise UsageError("{path} is no checkpoint: it has neither config.json nor a .gguf file.", "Give another directory, or owner/name.", path=path)
    return None


def _absolute(path: str | Path) -> Path:
    try:
        return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - Path.expanduser raises for a user that is not there
    except FileNotFoundError as error:
        raise UsageError("The current directory is no longer there.", "Change to another one.") from error


def _pulled_before(request: PullRequest, progress: Progress) -> Pulled | None:
    """A copy that we pulled before, to the same place."""
    if request.output_dir is None:
        found = local.find_pulled(request.model, request.hub.name, request.revision)
        if found is None:
            return None
        progress("note", {"note": say("already here, pulled {when}; remove the directory to ask the hub again", when=found[1].pulled_at)})
        return _sound(Pulled(*found, "pulled"), request)
    path = _absolute(request.output_dir)
    record = pulled_revision(path)
    if record is None:
        return None
    asked = request.revision or request.hub.default_revision
    same = (record.hub, record.model) == (request.hub.name, request.model)
    if same and asked in {record.revision, record.revision_asked or request.hub.default_revision}:
        return _sound(Pulled(path, record, "pulled"), request)
    raise UsageError("{path} holds {model} of {hub} at {revision}.", "Choose another place with --output-dir, or remove it.", path=path,
                     model=record.model, hub=record.hub, revision=record.revision or record.revision_asked or "-")


def _sound(pulled: Pulled, request: PullRequest) -> Pulled:
    """``pulled`` if all its files are there in their size, and with --verify have their content."""
    broken = damaged(pulled.path, pulled.record.files, hashes=request.verify)
    if broken is not None:
        raise DataError("{path} is damaged: {file} is missing or not what it was.", "Remove the directory and pull again.",
                        path=pulled.path, file=broken)
    return pulled


def _token(request: PullRequest) -> str | None:
    if request.token_env is None:
        return None
    token = os.environ.get(request.token_env)
    if not token:
        raise UsageError("The variable {name} holds no token.", "export {name}=…", name=request.token_env)
    return token


def _question(do: str, request: PullRequest, library: Library) -> Asked:
    return Asked(do, request.hub.adapter, library.endpoint, request.model, request.revision or request.hub.default_revision)


def _cached(request: PullRequest, answer: HubAnswer, progress: Progress) -> Pulled | None:
    """The copy in the library's own cache, if it is whole: to complete one the hub's list is needed."""
    if not isinstance(answer.get("path"), str):
        return None
    path = Path(answer["path"])
    if not local.is_checkpoint(path) or incomplete(path) is not None:
        return None
    progress("note", {"note": say("found in the cache of the library of {hub}", hub=request.hub.title)})
    revision = answer.get("revision") if is_commit(answer.get("revision")) else None
    missing = None if revision else str(say("the library's cache does not say which commit it is of"))
    return Pulled(path, PulledRecord(request.hub.name, request.model, request.revision, revision, local.files_of(path), revision_missing=missing),
                  "cache")


def _offline(request: PullRequest, library: Library, progress: Progress) -> Pulled:
    cached = None
    if request.output_dir is None:
        with contextlib.suppress(HubTroubleError):  # without the library there is no cache of it
            cached = _cached(request, library.ask(_question("cached", request, library)), progress)
    if cached is None:
        raise NotReadyError("{model} is not on this machine, and --offline forbids asking {hub}.", "Leave out --offline to fetch it.",
                            model=request.model, hub=request.hub.title)
    return cached


def _found_or_fetched(request: PullRequest, library: Library, progress: Progress) -> Pulled:
    progress("asking", {"hub": request.hub.title, "endpoint": public(library.endpoint)})
    asked = _question("listing", request, library)
    if request.output_dir is not None:
        return _fetched(request, library, progress, answer_of(library, asked, progress))
    answer = answer_of(library, replace(asked, do="find"), progress)
    cached = _cached(request, answer, progress)
    if cached is not None:
        return cached
    return _fetched(request, library, progress, answer_of(library, asked, progress) if "path" in answer else answer)


def _fetched(request: PullRequest, library: Library, progress: Progress, answer: HubAnswer) -> Pulled:
    listing, notes = choose(read_listing(answer))
    if not listing.files:
        raise DataError("{model} has no files on {hub}.", "Check the name and the revision.", model=request.model, hub=request.hub.title)
    for note in (*notes, *([listing.unpinned] if listing.unpinned else [])):
        progress("note", {"note": note})
    asked = _question("fetch", request, library)
    named = listing.revision or asked.revision
    destination = _absolute(request.output_dir or local.default_place(request.hub.name, request.model, named))
    with place.locked(destination, lambda: progress("waiting", {"path": destination})) as partial:
        done = pulled_revision(destination)  # by another process while we waited, or of the same commit under another name
        if done is not None and done.revision == listing.revision and done.model == request.model:
            return _sound(Pulled(destination, done, "pulled"), request)
        place.check_free_name(destination)
        files = Fetching(library, asked, partial, progress).fetch(listing)
        record = PulledRecord(request.hub.name, request.model, request.revision, listing.revision, files, public(library.endpoint), wall_time(),
                              str(listing.unpinned) if listing.unpinned else None, recorded(library.variables))
        write_record(partial, record)
        place.install(partial, destination, frozenset(file.name for file in files))
    return Pulled(destination, record, "hub")
