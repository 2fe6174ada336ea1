"""Work in a process of its own that may be killed: the fork server has no threads to inherit."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from typing import Any

SPAWN = multiprocessing.get_context("forkserver")
JOBS = (
    "accounts",
    "acts",
    "ca",
    "certificate",
    "comms",
    "copies",
    "kill",
    "log",
    "log_reading",
    "purge",
    "revenue",
    "rotation",
    "ssl",
)
SPAWN.set_forkserver_preload([f"tests.{name}_job" for name in JOBS])


def lives(job: Callable[..., None], *arguments: Any) -> bool:
    """Do the work in a process of its own; whether it lived to the end. Any other end than SIGKILL fails."""
    process = SPAWN.Process(target=job, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), f"{job.__module__}{arguments[1:]} ended with {process.exitcode}"
    lived = process.exitcode == 0
    process.close()
    return lived
