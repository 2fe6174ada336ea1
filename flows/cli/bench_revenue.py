"""The revenue split of a month of millions of lines, beside DuckDB, polars and pandas doing the same exact work.

Every engine runs in a process of its own; all must find the same sums, the same differences and the same deltas.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from blocks.errors import Refused
from flows.cli.bench_revenue_engines import ENGINES, MONTH
from flows.cli.revenue_sample import Form, write_sample

CANONICAL, CSV, PARQUET = "canonical.parquet", "csv", "parquet"


class Measured(NamedTuple):
    """Medians of an engine's runs: seconds of processor and of clock, megabytes at the peak."""

    form: str
    engine: str
    cpu: float
    wall: float
    peak_mb: float
    ratio: float | None


def bench_revenue(
    folder: Path, lines: int, *, repeat: int, pandas: bool, say: Callable[[str], None]
) -> Iterator[Measured]:
    """Write a month into `folder` in three forms and run every engine on it. Raises Refused where they disagree."""
    forms: tuple[Form, ...] = ("canonical", "parquet", "csv")
    for form in forms:
        say(f"writing {lines} lines as {form}")
        write_sample(folder, lines, month=MONTH, form=form)
    for suffix in (CANONICAL, CSV, PARQUET):
        rows: list[Measured] = []
        digests: dict[bool, set[str]] = {False: set(), True: set()}
        for engine in ENGINES:
            if runs(engine, suffix, pandas=pandas):
                say(f"{suffix}: {engine}")
                row, found = measured(engine, folder, suffix, repeat)
                rows.append(row)
                if engine != "raw read":
                    digests[" and " in engine].add(found)
        if any(len(found) > 1 for found in digests.values()):
            raise Refused("bench", f"the engines disagree on {suffix}: {digests}")
        yield from _with_ratios(rows)


def runs(engine: str, form: str, *, pandas: bool) -> bool:
    """Peers read the canonical form as they would any Parquet; pandas reads decimals, so it gets the partner's form."""
    if engine.startswith("pandas"):
        return pandas and form != CANONICAL
    return engine == "raw read" or form != PARQUET or engine.startswith("ours")


def measured(engine: str, folder: Path, form: str, repeat: int) -> tuple[Measured, str]:
    """An engine's medians and the digest of what it found. Raises Refused when it fails."""
    runs, found = [], ""
    for _ in range(repeat):
        began = time.monotonic()
        command = [sys.executable, "-m", "flows.cli.bench_revenue_engines", engine, str(folder), form]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        peak, _, found = (child.stdout.read() if child.stdout else "").strip().partition(" ")
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise Refused("bench", f"{engine} failed on {form}")
        runs.append((usage.ru_utime + usage.ru_stime, time.monotonic() - began, int(peak) / 1024))
    cpu, wall, peak = (statistics.median(column) for column in zip(*runs, strict=True))
    return Measured(form, engine, round(cpu, 2), round(wall, 2), round(peak), None), found


def _with_ratios(rows: list[Measured]) -> Iterator[Measured]:
    """Each of ours with its processor time as a share of the fastest peer's that does the same."""
    for row in rows:
        same = [
            peer.cpu
            for peer in rows
            if not peer.engine.startswith(("ours", "raw")) and (" and " in peer.engine) == (" and " in row.engine)
        ]
        yield row._replace(ratio=round(row.cpu / min(same), 2)) if same and row.engine.startswith("ours") else row
