"""A stand-in for npu-smi: a script that prints what real ones printed (tests/data/sensors), a row of ``info watch`` every so often."""

import os
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data" / "sensors"
TABLE, WATCH, REFUSED = DATA / "info-24.1.rc2.1-910B3-8npu-procs.txt", DATA / "watch-910-9col.txt", DATA / "errors-container.txt"
POWER_W = (90.1, 90.2)
"""Of NPU 2 in the rows of WATCH."""

_SCRIPT = """#!/bin/bash
echo "$@" >> {place}/calls
case "$*" in
  "info") [ -e {place}/broken ] && {{ cat {refused}; exit 1; }}; cat {table} ;;
  "info watch "*) {watch} ;;
esac
"""
_ROWS = """echo $$ > {place}/watch.pid
  head -1 {rows}
  while true; do tail -n +2 {rows} | while IFS= read -r row; do echo "$row"; sleep {period_s}; done; done"""
_MISUNDERSTOOD = 'echo "Invalid option: watch"; exit 1'


class NpuSmi:
    """An executable ``npu-smi`` in a directory of its own."""

    def __init__(self, place, table=TABLE, watches=True, period_s=0.05):
        self.place = Path(place)
        self.tool = self.place / "npu-smi"
        watch = _ROWS.format(place=place, rows=WATCH, period_s=period_s) if watches else _MISUNDERSTOOD
        self.tool.write_text(_SCRIPT.format(place=place, refused=REFUSED, table=table, watch=watch), encoding="utf-8")
        self.tool.chmod(0o755)

    def breaks(self):
        """From now on ``info`` says what a container without rights is told."""
        (self.place / "broken").touch()

    def calls(self):
        """The arguments of every call so far."""
        path = self.place / "calls"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def watching(self):
        """Whether the process of ``info watch`` is alive."""
        try:
            os.kill(int((self.place / "watch.pid").read_text(encoding="ascii")), 0)
        except (OSError, ValueError):
            return False
        return True
