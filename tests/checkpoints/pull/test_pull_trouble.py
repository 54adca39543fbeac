"""What the libraries raise becomes one word, and every word a sentence that says what to do."""

from __future__ import annotations

import errno
import re
import socket
import ssl

import pytest
import requests

from touchstone.checkpoints.pull import in_words as words
from touchstone.checkpoints.pull import trouble
from touchstone.checkpoints.pull.child import Asked, NoRevisionError
from touchstone.checkpoints.pull.conversation import HubTroubleError, Library
from touchstone.checkpoints.pull.hubs import HUBS
from touchstone.report.i18n import translator


def answered(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} for url", response=response)


def raised_from(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def in_arguments(*errors: BaseException) -> Exception:
    """As requests wraps urllib3 wraps the socket: each is only an argument of the next."""
    wrapped: BaseException = errors[-1]
    for error in reversed(errors[:-1]):
        wrapped = type(error)(*error.args, wrapped)
    return wrapped


@pytest.mark.parametrize(("error", "kind"), [
    (ModuleNotFoundError("No module named 'x'"), "library"),
    (raised_from(RuntimeError("wrapped"), ImportError("libfoo.so")), "library"),
    (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
    (raised_from(RuntimeError("Download failed"), OSError(errno.EDQUOT, "Disk quota exceeded")), "disk_full"),
    (PermissionError(errno.EACCES, "Permission denied"), "not_writable"),
    (in_arguments(requests.ConnectionError(), ConnectionRefusedError(errno.ECONNREFUSED, "refused")), "unreachable"),
    (in_arguments(requests.ConnectionError(), socket.gaierror(-2, "Name or service not known")), "unreachable"),
    (in_arguments(requests.exceptions.SSLError(), ssl.SSLCertVerificationError(1, "certificate verify failed")), "tls"),
    (in_arguments(requests.ConnectionError(), ssl.SSLEOFError(8, "EOF occurred")), "network"),
    (requests.exceptions.ChunkedEncodingError("IncompleteRead"), "network"),
    (ConnectionResetError(errno.ECONNRESET, "reset"), "network"),
    (requests.exceptions.ReadTimeout("slow"), "timeout"),
    (TimeoutError("slow"), "timeout"),
    (OSError("File size check failed. Please retry"), "incomplete"),
    (answered(401), "unauthorized"), (answered(403), "forbidden"), (answered(404), "no_model"), (answered(429), "server"), (answered(503), "server"),
    (answered(418), "other"), (NoRevisionError("main"), "no_revision"), (ValueError("x is not within the white list."), "refused"),
    (KeyError("data"), "other"),
])
def test_the_word_is_that_of_the_cause(error, kind):
    assert trouble.described(error)["kind"] == kind
    about_file = raised_from(trouble.WithFileError("a/b.bin"), error)
    assert trouble.described(about_file)["kind"] == kind
    assert trouble.described(about_file)["file"] == "a/b.bin"


def test_an_error_that_is_its_own_cause_ends():
    error = ValueError("round")
    error.__cause__ = error.__context__ = error
    assert trouble.described(error)["kind"] == "other"


def test_a_long_text_is_cut():
    assert len(trouble.described(ValueError("x" * 10**6))["detail"]) < 1000


@pytest.mark.parametrize("kind", sorted({*trouble._GRAVITY, *words.RETRIED, "never heard of"}))
def test_every_word_is_a_sentence_with_a_cure(kind):
    library = Library(HUBS["hf"], "https://me:secret@mirror", {})
    asked = Asked("listing", HUBS["hf"].adapter, library.endpoint, "org/name", "main")
    error = words.in_words(HubTroubleError(kind, "{odd} detail\nof two lines.", "model.bin"), library, asked)
    for lang in ("en", "zh"):
        said = error.render(translator(lang))
        assert "secret" not in said
        assert "\n" not in said
        assert not re.search(r"\{(?!odd\})\w+\}", said)
    assert error.cure
    assert error.exit_code in {2, 3}


def test_every_word_has_its_sentence():
    assert set(trouble._GRAVITY) - set(words._ERRORS) == {"other"}
    assert set(trouble._BY_NAME.values()) | set(trouble._BY_STATUS.values()) | set(trouble._BY_ERRNO.values()) <= set(trouble._GRAVITY)
