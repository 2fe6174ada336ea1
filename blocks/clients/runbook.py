"""Commands of runbooks: started without a shell, watched while they run, ended with their children at a deadline."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

BEAT_SECONDS = 1.0
_TAIL_BYTES = 2000
_GUARD = str(Path(__file__).with_name("runbook_guard.py"))


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit code (None when it was ended by us), its seconds, the last line it printed."""

    code: int | None
    seconds: float
    last_line: str

    @property
    def well(self) -> bool:
        """Whether it ended by itself and with 0."""
        return self.code == 0


def run_command(argv: Sequence[str], *, timeout_s: float, beat: Callable[[], bool]) -> Ran:
    """Run a command for at most `timeout_s` seconds while `beat`, asked every second, says to go on.

    It runs under a guard, so that nothing it started outlives it or us. One that cannot be started ends with code 127.
    What it prints is not kept but for its last line, which is
    for people: a runbook prints no secret there.
    """
    began = time.monotonic()
    with TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - from the operator's catalogue, never from a form
            [sys.executable, _GUARD, str(os.getpid()), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        code = _wait(process, began + timeout_s, beat)
        seconds = time.monotonic() - began
        output.seek(max(output.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
        lines = output.read().decode("utf-8", "replace").strip().splitlines()
        return Ran(code, seconds, "".join(char for char in lines[-1] if char.isprintable())[:200] if lines else "")


def _wait(process: subprocess.Popen[bytes], until: float, beat: Callable[[], bool]) -> int | None:
    try:
        while True:
            left = until - time.monotonic()
            if left <= 0 or not beat():
                return None
            try:
                return process.wait(min(BEAT_SECONDS, left))
            except subprocess.TimeoutExpired:
                continue
    finally:
        process.terminate()  # the guard ends whatever the command started
        process.wait()
