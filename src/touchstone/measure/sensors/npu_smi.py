"""Ascend NPUs through npu-smi: one long ``info watch`` for what changes fast, and now and then ``info`` for memory and processes.

What a call costs is published nowhere, so each is timed, and calls are kept so far apart that they stay a small share of the time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from touchstone.clock import now_ns
from touchstone.device_list import DeviceList, DeviceReading
from touchstone.measure.sensors import NoReadingsError, Watched
from touchstone.measure.sensors.terminal_stream import TerminalStream
from touchstone.message import say
from touchstone.record import DeviceSample
from touchstone.smi import read_listing
from touchstone.units import seconds

_PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/local/Ascend/driver/tools")
_CALL_LIMIT_S = 30.0
_WATCHED_COLUMNS = "ptaicmb"
SLOW_PERIOD_S, FAST_PERIOD_S = 5.0, 1.0
"""How often ``info`` is called beside a watch that speaks, and where none does."""
_LEAST_REST = 10
"""A call is followed by a rest of at least so many times its own length."""


@dataclass(frozen=True)
class _Chip:
    """A die: the number programs use, and where npu-smi has it.

    ``power_of`` are the dies that its power is of: a card of several dies has one figure, which stands in the row of its first.
    """

    index: int
    npu_id: int | None
    chip_id: int | None
    power_of: tuple[int, ...]

    def is_of(self, npu_id: int | None, chip_id: int | None) -> bool:
        return (self.npu_id, self.chip_id or 0) == (npu_id, chip_id or 0)


class NpuSmi:
    """The NPUs of a run. Its threads wait for npu-smi, so that nobody else has to."""

    name = "npu-smi"

    def __init__(self, watched: Watched, tool: str | None = None) -> None:
        self._watched = watched
        self._tool = tool or _found()
        self._samples: deque[DeviceSample] = deque()
        self._calls_ns: list[int] = []
        self._end, self._problem = threading.Event(), ""
        listing = self._listed()
        self._chips = self._chosen(listing)
        self._take(listing, self._at_ns)
        self._streams = self._opened_streams()
        self._watches = [_Watch(stream, chip, watched.launch, self._samples) for stream, chip in zip(self._streams, self._chips, strict=False)]
        self._threads = [threading.Thread(target=one, daemon=True) for one in (*(watch.follow for watch in self._watches), self._poll)]
        for thread in self._threads:
            thread.start()

    def read(self) -> Sequence[DeviceSample]:
        found = [self._samples.popleft() for _ in range(len(self._samples))]
        if not found and self._problem and not any(watch.speaks for watch in self._watches):
            raise NoReadingsError(say("npu-smi no longer answers: {error}", error=self._problem))
        return found

    def facts(self) -> Mapping[str, object]:
        calls = list(self._calls_ns)
        return {"devices": [vars(chip) for chip in self._chips], "watch": [watch.rows > 0 for watch in self._watches],
                "calls": len(calls), "call_s": round(seconds(sum(calls)) / len(calls), 4)}

    def close(self) -> None:
        self._end.set()
        for stream in self._streams:
            stream.close()
        for thread in self._threads:
            thread.join(timeout=1.0)
        for stream in self._streams:
            stream.hang_up()

    def _opened_streams(self) -> list[TerminalStream]:
        try:
            return [TerminalStream([self._tool, *_watch_arguments(chip)]) for chip in self._chips]
        except OSError:  # what was called a moment ago; the calls go on, and say what is wrong
            return []

    def _listed(self) -> DeviceList:
        """One call of ``npu-smi info``, timed. Raises :class:`NoReadingsError`."""
        started_ns = now_ns()
        try:
            done = subprocess.run([self._tool, "info"], capture_output=True, timeout=_CALL_LIMIT_S, check=False, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError) as error:
            raise NoReadingsError(say("npu-smi cannot be run: {error}", error=_words(str(error)))) from error
        ended_ns = now_ns()
        self._calls_ns.append(ended_ns - started_ns)
        self._at_ns = (started_ns + ended_ns) // 2
        text = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
        listing = read_listing(text)
        if not listing.devices:
            raise NoReadingsError(say("npu-smi lists no device: {text}", text=_words(text) or "-"))
        return listing

    def _chosen(self, listing: DeviceList) -> tuple[_Chip, ...]:
        found = {device.index if device.index is not None else place: device for place, device in enumerate(listing.devices)}
        missing = [device for device in self._watched.devices if int(device) not in found]
        if missing:
            raise NoReadingsError(say("npu-smi lists no device {missing}; it lists {listed}", missing=", ".join(missing),
                                      listed=", ".join(map(str, found))))
        return tuple(_chip(int(device), found) for device in self._watched.devices)

    def _take(self, listing: DeviceList, at_ns: int) -> None:
        for chip in self._chips:
            device = next((one for one in listing.devices if chip.is_of(one.npu_id, one.chip_id)), None)
            if device is not None:
                pids = [one.pid for one in listing.processes if chip.is_of(one.npu_id, one.chip_id)]
                self._samples.append(_sample(device, chip, at_ns, self._watched.launch, self._watched.own.others(pids)))

    def _poll(self) -> None:
        while not self._end.wait(self._rest_s()):
            self._problem = self._polled()

    def _polled(self) -> str:
        """Take a listing; says what was wrong with it, or nothing."""
        try:
            self._take(self._listed(), self._at_ns)
        except NoReadingsError as error:
            return str(error)
        return ""

    def _rest_s(self) -> float:
        enough = self._watches and all(watch.speaks and len(watch.chip.power_of) == 1 for watch in self._watches)
        period_s = SLOW_PERIOD_S if enough else FAST_PERIOD_S
        return max(period_s, _LEAST_REST * seconds(self._calls_ns[-1]))


class _Watch:
    """Turns the rows of one ``npu-smi info watch`` into samples, each stamped when it came."""

    def __init__(self, stream: TerminalStream, chip: _Chip, launch: int, samples: deque[DeviceSample]) -> None:
        self._stream, self.chip, self._launch, self._samples = stream, chip, launch, samples
        self.rows = 0
        self.speaks = False

    def follow(self) -> None:
        """Read until the stream ends. Its first line of words is the header, which gives the rows their meaning."""
        header = ""
        for line in self._stream:
            at_ns = now_ns()
            if any(letter.isalpha() for letter in line):
                header = line
                continue
            for device in read_listing(f"{header}\n{line}\n").devices if header else ():
                # Whose power a row of a die shows, where a card has several, is written nowhere.
                told = device if len(self.chip.power_of) == 1 else replace(device, power_w=None)
                self._samples.append(_sample(told, self.chip, at_ns, self._launch, None))
                self.rows += 1
                self.speaks = True
        self.speaks = False


def _chip(index: int, found: Mapping[int, DeviceReading]) -> _Chip:
    one = found[index]
    card = sorted(place for place, device in found.items() if device.npu_id == one.npu_id)
    told = [place for place in card if found[place].power_w is not None]
    shared = one.npu_id is not None and len(card) > 1 and len(told) == 1
    return _Chip(index, one.npu_id, one.chip_id, tuple(card) if shared else (index,))


def _watch_arguments(chip: _Chip) -> list[str]:
    place = ["-i", str(chip.npu_id if chip.npu_id is not None else chip.index), "-c", str(chip.chip_id or 0)]
    return ["info", "watch", *place, "-d", "1", "-s", _WATCHED_COLUMNS]


def _sample(device: DeviceReading, chip: _Chip, at_ns: int, launch: int, others: int | None) -> DeviceSample:
    return DeviceSample(
        at_ns=at_ns, launch=launch, kind="npu", index=chip.index, memory_used_bytes=device.memory_used_bytes, power_w=device.power_w,
        temperature_c=device.temperature_c, utilization_percent=device.utilization_percent, other_processes=others)


def _found() -> str:
    tool = shutil.which("npu-smi") or next((path for place in _PLACES if os.access(path := str(Path(place) / "npu-smi"), os.X_OK)), None)
    if tool is None:
        raise NoReadingsError(say("npu-smi is not here (inside a container it must be mounted: -v /usr/local/bin/npu-smi:/usr/local/bin/npu-smi)"))
    return tool


def _words(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:200]
