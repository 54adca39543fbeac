"""``touchstone`` and ``python -m touchstone``: runs the command line and turns every ending into an exit code."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line. 0 done, 1 our fault, 2 usage, 3 target not ready or bad data, 130 interrupted."""
    # Containers often have no locale; a report in Chinese must still come out whole.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    from touchstone.cli import run_command_line

    try:
        code = run_command_line(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


if __name__ == "__main__":
    main()
