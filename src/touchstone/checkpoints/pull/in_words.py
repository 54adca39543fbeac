"""The troubles of a pull as errors that say what happened and what to do next."""

from __future__ import annotations

from collections.abc import Mapping

from touchstone.checkpoints.pull.child import Asked
from touchstone.checkpoints.pull.conversation import HubTroubleError, Library
from touchstone.checkpoints.pull.hubs import public
from touchstone.errors import DataError, NotReadyError, TouchstoneError, UsageError

RETRIED = frozenset({"server", "timeout", "incomplete", "network", "unreachable"})
"""Troubles that may pass by themselves."""

_CUT = NotReadyError("{hub} broke off {file} again and again: {detail}.", "What was fetched is kept: the same command goes on with it.")
_OTHER = NotReadyError("The library of {hub} failed: {detail}.", "Try again, or update it: pip install -U 'llm-touchstone[{extra}]'")
_ERRORS: Mapping[str, TouchstoneError] = {
    "no_model": NotReadyError("{hub} has no model {model} that it shows us.",
                              "Check the name. If it is private, put your token into {variable}; if it is on another hub, name that with --hub."),
    "no_revision": NotReadyError("{model} has no revision {revision} on {hub}: {detail}.", "Give another --revision, or none for the newest."),
    "no_file": DataError("{hub} lists {file} but does not have it.", "The model was changed just now, or is damaged there. Try again."),
    "gated": NotReadyError("{model} is given out by {hub} only to those whom its owner let in.",
                           "Accept its terms on {endpoint}/{model}, and put the token of that account into {variable}."),
    "unauthorized": NotReadyError("{hub} does not accept the token, or wants one (401).",
                                  "Put a valid token into {variable}, or name the variable that holds it with --token-env."),
    "forbidden": NotReadyError("{hub} does not let this account have {model} (403).",
                               "Ask for access on {endpoint}/{model}, and put the token of that account into {variable}."),
    "refused": UsageError("The library of {hub} refuses this request: {detail}.", "Check the name, the revision and --endpoint."),
    "library": NotReadyError("The library that speaks with {hub} cannot be used: {detail}.", "pip install 'llm-touchstone[{extra}]'"),
    "offline": NotReadyError("{model} is not on this machine, and a variable such as HF_HUB_OFFLINE forbids asking {hub}.",
                             "Unset it, or pull on a machine with a network and copy the directory."),
    "unreachable": NotReadyError("{endpoint} cannot be reached: {detail}.",
                                 "Check the network and HTTPS_PROXY, or name a mirror with --endpoint. What was fetched is kept."),
    "tls": NotReadyError("{endpoint} shows no certificate that can be trusted: {detail}.",
                         "Behind a proxy that opens connections, put its CA file into SSL_CERT_FILE and REQUESTS_CA_BUNDLE."),
    **dict.fromkeys(RETRIED - {"unreachable"}, _CUT),
    "disk_full": NotReadyError("The disk is full: {detail}.", "Make room, or choose another place with --output-dir. What was fetched is kept."),
    "not_writable": NotReadyError("The destination cannot be written: {detail}.", "Choose another place with --output-dir."),
    "wrong_hash": DataError("{hub} sends {file} with a content that is not the one it announces. It was deleted.",
                            "Try again later, or take another hub or mirror."),
}
"""By the words of ``trouble``; their fields are filled in by :func:`in_words`."""


def in_words(trouble: HubTroubleError, library: Library, asked: Asked) -> TouchstoneError:
    """The error to show for ``trouble``."""
    hub, error = library.hub, _ERRORS.get(trouble.kind, _OTHER)
    return type(error)(error.message, error.cure, model=asked.model, hub=hub.title, endpoint=public(library.endpoint), revision=asked.revision,
                       detail=" ".join(trouble.detail.split()).rstrip("."), file=trouble.file or asked.model, variable=hub.token_variable,
                       extra=hub.extra)
