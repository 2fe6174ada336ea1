"""Commands of runbooks: they end by themselves, at their deadline, or with their worker; nothing of them is left."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from blocks.clients.runbook import Ran, run_command
from tests.conftest import eventually
from tests.runbook_job import work

SPAWN = multiprocessing.get_context("forkserver")


def run(script: str, *, timeout_s: float = 10, beats: int = 10_000) -> Ran:
    left = beats

    def beat() -> bool:
        nonlocal left
        left -= 1
        return left >= 0

    return run_command(["/bin/sh", "-c", script], timeout_s=timeout_s, beat=beat)


def alive(pid: str) -> bool:
    """Whether a process runs; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_says_how_it_ended_and_its_last_line() -> None:
    ran = run("echo first; echo 'последняя\a строка'; exit 3")
    assert (ran.code, ran.well, ran.last_line) == (3, False, "последняя строка")
    assert run("true").well
    assert run("kill -9 $$").code == 137


def test_a_command_that_cannot_be_started_says_so() -> None:
    ran = run_command(["/nowhere/to/be/found"], timeout_s=5, beat=lambda: True)
    assert (ran.code, ran.last_line) == (127, "cannot start: No such file or directory")


@pytest.mark.parametrize("how", ["deadline", "beat"])
def test_a_command_is_ended_with_everything_it_started(tmp_path: Path, how: str) -> None:
    marks = tmp_path / "pids"
    script = f"setsid sh -c 'echo $$ >> {marks}; sleep 60' & echo $$ >> {marks}; sleep 60"
    ran = run(script, timeout_s=1.5 if how == "deadline" else 60, beats=2 if how == "beat" else 10_000)
    assert (ran.code, ran.well) == (None, False)
    pids = marks.read_text().split()
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


def test_what_a_command_leaves_in_the_background_ends_with_it(tmp_path: Path) -> None:
    marks = tmp_path / "pids"
    assert run(f"setsid sh -c 'echo $$ > {marks}; sleep 60' & while [ ! -s {marks} ]; do sleep 0.05; done").well
    assert not alive(marks.read_text())


def test_a_command_ends_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    marks = tmp_path / "pids"
    worker = SPAWN.Process(target=work, args=(marks,))
    worker.start()
    eventually(lambda: marks.exists() and marks.read_text().strip() != "", within_s=60)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(10)
    eventually(lambda: not alive(marks.read_text()), within_s=30)
    time.sleep(3)
    assert not Path(f"{marks}.applied").exists()
