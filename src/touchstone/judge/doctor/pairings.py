"""The table of versions that were released for each other (``pairings.toml``)."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """The whole table."""
    rows: dict[str, Any] = tomllib.loads(resources.files("touchstone.judge.doctor").joinpath("pairings.toml").read_text(encoding="utf-8"))
    return rows


def numbers(version: str) -> tuple[int, ...]:
    """The release part of a version: ``2.5.1.post1+cpu`` is ``(2, 5, 1)``; empty where it does not begin with a number."""
    found = re.match(r"v?([0-9]{1,9}(?:\.[0-9]{1,9})*)", version)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def base(version: str) -> str:
    """The release part as text, as torch_npu shares it with its torch."""
    return ".".join(map(str, numbers(version)))


def public(version: str) -> str:
    """``version`` without what a builder added after a plus."""
    return version.partition("+")[0]


def cann_of(torch_npu: str) -> list[str]:
    """The releases of CANN that ``torch_npu`` was released or tested with, newest first."""
    found = [row["version"] for row in table()["cann"] if public(torch_npu) in row["torch_npu"]]
    tested = [row["cann"] for row in table()["vllm_ascend"] if row["torch_npu"] == public(torch_npu)]
    return list(dict.fromkeys(found + tested))


def torch_npu_of(cann: str) -> list[str]:
    """The releases of torch_npu for ``cann``, newest first."""
    found = [version for row in table()["cann"] if _same(row["version"], cann) for version in row["torch_npu"]]
    tested = [row["torch_npu"] for row in table()["vllm_ascend"] if _same(row["cann"], cann)]
    return list(dict.fromkeys(found + tested))


def paired(torch_npu: str, cann: str) -> bool:
    """Whether the table has this pair."""
    return any(_same(one, cann) for one in cann_of(torch_npu))


def driver_listed(driver: str, cann: str) -> bool:
    """Whether the table has ``driver`` for ``cann``."""
    return any(driver.lower().startswith(start.lower()) for row in table()["cann"] if _same(row["version"], cann) for start in row["driver"])


def pythons_of(torch: str) -> Sequence[str]:
    """The Python versions that torch_npu is released for with this torch; empty where the table does not know it."""
    rows: list[Sequence[str]] = [row["python"] for row in table()["torch"] if base(torch) in row["versions"]]
    return rows[0] if rows else ()


def vllm_ascend_row(version: str) -> dict[str, str] | None:
    """What this vllm-ascend was released for."""
    rows: list[dict[str, str]] = [row for row in table()["vllm_ascend"] if public(version) in row["versions"]]
    return rows[0] if rows else None


def oldest_driver(cuda: str) -> int | None:
    """The major version of the oldest NVIDIA driver that runs a CUDA of this version's major."""
    return next((row["driver"] for row in table()["cuda"] if (row["major"],) == numbers(cuda)[:1]), None)


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()
