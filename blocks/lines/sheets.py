"""Lists as XLSX workbooks: one sheet, with numbers and days in cells of their kind or as text."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

import blocks
from blocks.errors import Refused
from blocks.lines.headings import Batch
from blocks.lines.workbook_guard import Place, look_through

_SECONDS = 600
_MODULE = "blocks.lines.sheet_cells"
_ERROR = "an error value of a formula"


@dataclass(frozen=True)
class SheetList:
    """A list as the texts of its cells, and the cells with error values, which have no text."""

    texts: Path
    errors: tuple[Place, ...]

    def batches(self) -> Iterator[Batch]:
        """Its rows."""
        with pa.OSFile(str(self.texts)) as file, pa.ipc.open_stream(file) as stream:
            keys = stream.schema.names[1:-1]
            errors = [(row, keys[column] if column < len(keys) else "") for row, column in self.errors]
            for records in stream:
                faults = _told(records)
                while errors and errors[0][0] <= records["row"][-1].as_py():
                    faults[errors.pop(0)] = _ERROR
                yield Batch(records["row"].to_numpy(), {key: records[key] for key in keys}, faults)
            if errors:
                nothing = {key: pa.array([], pa.string()) for key in keys}
                yield Batch(np.empty(0, np.int64), nothing, dict.fromkeys(errors, _ERROR))


def _told(records: pa.RecordBatch) -> dict[tuple[int, str], str]:
    """What the process that read the sheet found."""
    told = zip(records["row"].to_pylist(), records["faults"].to_pylist(), strict=True)
    return {(row, column): reason for row, text in told if text for column, reason in json.loads(text).items()}


def open_workbook(source: Path, scratch: Path) -> SheetList:
    """Turn the sheet into text, in a process of its own with bounded memory. Raises Refused for what is no list."""
    errors = look_through(source)
    texts = scratch / "cells.arrow"
    root = Path(blocks.__file__).parents[1]
    command = [sys.executable, "-m", _MODULE, str(source.resolve()), str(texts.resolve())]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Refused("unreadable", "the workbook takes too long to read") from None
    if done.returncode:
        raise Refused("unreadable", "the workbook is damaged, or needs more memory than a list of lines may")
    if done.stdout:
        reason, text = json.loads(done.stdout)
        raise Refused(reason, text)
    return SheetList(texts, tuple(sorted(errors)))
