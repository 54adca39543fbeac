"""What somebody names to be compared → what enters the comparison: the directory of a run, or another tool's results."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from touchstone.errors import DataError

if TYPE_CHECKING:
    from touchstone.judge.compare.measured import Measured

_MOST_NAMED = 8


def measured_at(path: Path) -> list[Measured]:
    """The run in ``path``, or the results of every tool whose files lie there. Raises :class:`touchstone.errors.DataError`."""
    from touchstone.cli.results import read_results_at
    from touchstone.judge.compare.measured import measured_of
    from touchstone.judge.compare.results import measured_results
    from touchstone.run_directories import read_run
    from touchstone.store import HEADER

    if (path / HEADER).is_file():
        return [measured_of(read_run(path))]
    if path.is_file() and path.name == HEADER:
        return [measured_of(read_run(path.parent))]
    below = [header.parent for header in islice(path.glob(f"*/{HEADER}"), _MOST_NAMED)]
    if below:
        raise DataError("{path} is not a run, but holds runs.", "Name those that are meant, with commas between: {runs}", path=path, runs=",".join(map(str, sorted(below))))
    results = read_results_at(path)
    if not results:
        raise DataError("{path} is neither a run nor results of a tool that this version reads.",
                        "Give the directory that 'touchstone run -o' wrote, or a results file.", path=path)
    return [measured_results(one, str(path)) for one in results]


def side(texts: Iterable[str]) -> list[Measured]:
    """One side: each text is a path, or several with commas between. Raises :class:`touchstone.errors.DataError`."""
    paths = [Path(part) for text in texts for part in ([text] if Path(text).exists() else text.split(",")) if part]
    return [one for path in paths for one in measured_at(path)]
