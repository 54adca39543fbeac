"""What went wrong at a hub, as a word: the libraries wrap the same few causes in dozens of classes, three or four deep."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Mapping

_LONGEST = 400
_BY_NAME: Mapping[str, str] = {
    "NoRevisionError": "no_revision", "RevisionNotFoundError": "no_revision", "GatedRepoError": "gated",
    "RepositoryNotFoundError": "no_model", "NotExistError": "no_model", "EntryNotFoundError": "no_file", "RemoteEntryNotFoundError": "no_file",
    "OfflineModeIsEnabled": "offline", "FileIntegrityError": "wrong_hash", "FileSizeMismatchError": "incomplete",
    "AuthenticationError": "unauthorized", "PermissionDeniedError": "forbidden", "OMValidationError": "refused", "HFValidationError": "refused",
    "NameResolutionError": "unreachable", "ConnectTimeout": "unreachable", "ConnectTimeoutError": "unreachable",
}
_BY_STATUS: Mapping[int, str] = {401: "unauthorized", 403: "forbidden", 404: "no_model", 408: "server", 416: "incomplete", 429: "server"}
_BY_ERRNO: Mapping[int, str] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "disk_full"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR), "not_writable"),
    **dict.fromkeys((errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH), "unreachable"),
}
_GRAVITY = ("disk_full", "not_writable", "library", "offline", "tls", "no_revision", "gated", "unauthorized", "forbidden", "no_file", "no_model",
            "wrong_hash", "unreachable", "server", "timeout", "incomplete", "network", "refused", "other")
"""Where several words fit, the one nearest to the cause: what this machine lacks before what the hub said before how it was cut."""


class WithFileError(Exception):
    """Carries the name of the file that was being fetched; its cause is what happened."""


def described(error: BaseException) -> dict[str, str | None]:
    """``error`` as values: the word, the library's own text, and the file where there is one."""
    chain = list(_causes(error))
    words = [word for one in chain if (word := _word(one))]
    kind = min(words, key=_GRAVITY.index, default="other")
    told = next((one for one in chain if _word(one) == kind), chain[-1])
    file = next((str(one) for one in chain if isinstance(one, WithFileError)), None)
    return {"kind": kind, "detail": f"{type(told).__name__}: {told}"[:_LONGEST] if kind != "no_revision" else str(told)[:_LONGEST], "file": file}


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that it was raised from, through causes and through the arguments in which some libraries hide them."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, None if one.__suppress_context__ else one.__context__, getattr(one, "reason", None), *one.args]


def _word(error: BaseException) -> str | None:
    name = type(error).__name__
    status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "status_code", None)
    if isinstance(error, ImportError):
        return "library"
    if isinstance(error, ssl.SSLError):
        return "network" if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)) else "tls"
    if name in _BY_NAME:
        return _BY_NAME[name]
    if isinstance(status, int):
        return _BY_STATUS.get(status) or ("server" if status >= 500 else "other")
    if isinstance(error, OSError) and error.errno is not None and (isinstance(error, socket.gaierror) or error.errno in _BY_ERRNO):
        return _BY_ERRNO.get(error.errno, "unreachable")
    return _by_words(error, name)


def _by_words(error: BaseException, name: str) -> str | None:
    """For classes of libraries that are not imported here: by what their names and texts say."""
    text = str(error)
    if isinstance(error, TimeoutError) or "Timeout" in name or "DeadlineError" in name:
        return "timeout"
    if "size check failed" in text or "Consistency check failed" in text:
        return "incomplete"
    if "white list" in text or "WHITE_LIST" in text or "Insecure scheme" in text:
        return "refused"
    cut = ("ProtocolError", "ChunkedEncodingError", "IncompleteRead", "ReadError", "WriteError", "ConnectError", "NetworkError", "ProxyError")
    return "network" if isinstance(error, ConnectionError) or any(word in name for word in cut) else None
