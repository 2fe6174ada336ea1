"""Processes that tests start, and ports and directories for them.

A process started here is ended by its own id, never by name, and does not outlive the test process:
the kernel signals it when the thread that started it ends (so start servers from the main thread).
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .requirements import require

NOBODY_ID = 65534
POLL_S = 0.02
STOP_DEADLINE_S = 10.0
LOG_TAIL_LINES = 40
# Below Linux's ephemeral range (32768 and up), so that no outgoing connection takes one first.
PORTS = range(15_000, 32_000)


class ProcessDiedError(Exception):
    """A process ended before it was told to; the message holds the end of its log."""


class NotReadyError(Exception):
    """What was waited for did not come about before the deadline."""


@dataclass(frozen=True)
class RunningProcess:
    """A process that has been started, with the log it writes."""

    name: str
    pid: int
    log: Path

    def ensure_alive(self) -> None:
        """Raise ProcessDiedError, with the log's tail, once the process has ended."""
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            kind = "signal" if ended.si_code != os.CLD_EXITED else "status"
            message = f"{self.name} ended early, {kind} {ended.si_status}\n{log_tail(self.log)}"
            raise ProcessDiedError(message)


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that is free and that no other caller on this machine gets.

    The claim is an abstract Unix socket, which the kernel drops when this process ends: parallel
    test workers never race for a port between choosing it and listening on it.
    """
    for _ in range(1000):
        port = secrets.choice(PORTS)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0dogovor-tests-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        claim.detach()  # open until this process ends
        return port
    message = "no free port found"
    raise NotReadyError(message)


def wait_until(ready: Callable[[], bool], deadline_s: float, what: str) -> None:
    """Poll `ready` until it is true; raise NotReadyError once `deadline_s` seconds have passed."""
    end = time.monotonic() + deadline_s
    while not ready():
        if time.monotonic() > end:
            message = f"{what}: not so after {deadline_s:g} s"
            raise NotReadyError(message)
        time.sleep(POLL_S)


def wait_tcp(host: str, port: int, deadline_s: float, process: RunningProcess | None = None) -> None:
    """Wait until `host:port` accepts a connection; fail at once if `process` ends first."""

    def accepts() -> bool:
        if process is not None:
            process.ensure_alive()
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_until(accepts, deadline_s, f"{host}:{port} accepts connections")


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment that owes nothing to the developer's shell (PGDATA, proxies, ...)."""
    path = os.environ.get("PATH", os.defpath)
    return {"HOME": str(home), "LANG": "C.UTF-8", "PATH": path, "TZ": "UTC"}


def log_tail(log: Path) -> str:
    """Return the last lines of `log`, or a note that there are none."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-LOG_TAIL_LINES:]) or f"({log.name} is empty)"


@contextmanager
def server_directory(prefix: str, owner_id: int | None = None) -> Iterator[Path]:
    """Yield a new directory that servers which drop root can reach, and remove it afterwards.

    As root the directory belongs to `owner_id` if given; else it stays the caller's. Its path is
    short, as Unix sockets need.
    """
    root = os.geteuid() == 0
    base = Path(tempfile.gettempdir())
    if root and not all(d.stat().st_mode & 0o001 for d in (base, *base.parents)):
        base = Path("/tmp")  # mkdtemp makes a new name in it
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    try:
        directory.chmod(0o755)
        if root and owner_id is not None:
            os.chown(directory, owner_id, owner_id)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def running(
    args: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user_id: int | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[RunningProcess]:
    """Run `args` in a process group of its own for as long as the context lasts.

    Leaving the context sends `stop_signal` to the process, then SIGKILL to whatever its group still
    holds after STOP_DEADLINE_S. A process found dead by then makes the test fail with the tail of
    `log`, which gets its output. `user_id` is who it runs as; only root may give it.
    """
    prefix = [require("setpriv", "util-linux"), f"--pdeathsig={stop_signal.name[3:]}"]
    if user_id is not None:
        prefix += [f"--reuid={user_id}", f"--regid={user_id}", "--clear-groups"]
    with log.open("ab") as output:
        child = subprocess.Popen(
            [*prefix, "--", *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    process = RunningProcess(Path(args[0]).name, child.pid, log)
    try:
        yield process
        process.ensure_alive()
    except ProcessDiedError:
        raise
    except Exception as error:
        error.add_note(f"log of {process.name}:\n{log_tail(log)}")
        raise
    finally:
        _stop(child, stop_signal)


def _stop(child: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    # The child stays unreaped until the end, so that its id cannot come to mean another process.
    def ended() -> bool:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    os.kill(child.pid, stop_signal)
    with suppress(NotReadyError):
        wait_until(ended, STOP_DEADLINE_S, "the process ended")
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
