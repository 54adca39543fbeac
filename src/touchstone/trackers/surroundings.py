"""The surroundings in which the library of a tracker works: silent, and with the variables that keep it modest."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def surroundings(variables: Mapping[str, str]) -> Iterator[None]:
    """Set ``variables`` that the user has not set, and swallow what is printed: standard output belongs to results."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)
