"""``touchstone`` and ``python -m touchstone``: runs the command line and turns every ending into an exit code."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. 0 done, 1 our fault, 2 usage, 3 target not ready or bad data, 130 interrupted."""
    try:
        from touchstone.cli import run_command_line
        from touchstone.cli.streams import ready

        ready()
        code = run_command_line(sys.argv[1:])
    except KeyboardInterrupt:  # while that was imported
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
