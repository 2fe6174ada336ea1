"""Starts the servers of a complex in the foreground of a developer's machine, and ends them with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import chown, which

from blocks.clients.comms.plan import Plan, Program
from blocks.errors import Refused, Transient

READY_S, STOP_S, POLL_S = 60.0, 10.0, 0.02
_TAIL_LINES = 20
_SHARED = "openssl.cnf"  # every server's, whatever it runs as


def write_files(home: Path, files: Mapping[str, str]) -> None:
    """Write configuration files below `home`, for nobody else to read; `launched` lets their servers read them."""
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)


@contextmanager
def launched(plan: Plan, programs: Sequence[Program]) -> Iterator[Mapping[str, subprocess.Popen[bytes]]]:
    """Run the programs until the context ends; yields when all of them take connections.

    Each is in a process group of its own, its output in `home/log/NAME.log`, and dies with this process. Raises Refused
    when a program is not installed, Transient with the end of its log when it ends or is not ready in time.
    """
    (plan.home / _SHARED).chmod(0o644)
    with ExitStack() as stack:
        running = {program.name: stack.enter_context(_running(plan, program)) for program in programs}
        for program in programs:
            _wait(plan, program, running[program.name])
        yield running


@contextmanager
def _running(plan: Plan, program: Program) -> Iterator[subprocess.Popen[bytes]]:
    executable = which(program.command[0], path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if executable is None:
        raise Refused("not_installed", f"{program.command[0]} is not installed: see tests/servers/install.sh")
    log = plan.home / "log" / f"{program.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    _give(plan.home, program)
    prefix = ["setpriv", f"--pdeathsig={program.stop.name[3:]}"]
    if program.user and os.geteuid() == 0:
        prefix += [f"--reuid={program.user}", f"--regid={program.user}", "--clear-groups"]
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(plan.home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "OPENSSL_CONF": str(plan.openssl),
        **program.environment,
    }
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 - our own server
            [*prefix, "--", executable, *program.command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=plan.home,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        _stop(child, program.stop)


def _give(home: Path, program: Program) -> None:
    for name in (*program.owns, *program.shares):
        (home / name).mkdir(parents=True, exist_ok=True)
    if not program.user or os.geteuid() != 0:
        return
    for name in program.owns:
        chown(home / name, program.user, program.user)
    for name in program.shares:
        chown(home / name, None, program.user)
        (home / name).chmod(0o2750)  # what we write there belongs to the server's group
    for name in set(program.reads) - {_SHARED}:
        chown(home / name, None, program.user)
        (home / name).chmod(0o640)


def _wait(plan: Plan, program: Program, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_S
    for port in program.ports:
        while not _accepts(plan.address, port):
            if child.poll() is not None or time.monotonic() > end:
                log = plan.home / "log" / f"{program.name}.log"
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
                raise Transient(f"{program.name} does not take connections on port {port}:\n{tail}")
            time.sleep(POLL_S)


def _accepts(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def _stop(child: subprocess.Popen[bytes], sign: signal.Signals) -> None:
    child.send_signal(sign)
    with suppress(subprocess.TimeoutExpired):
        child.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
