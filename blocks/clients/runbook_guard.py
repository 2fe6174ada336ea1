"""The guard of a runbook's command: whatever the command started ends with it, and with whoever ordered it.

A worker that is killed cannot end its command; what a command leaves in the background outlives it. So each command
runs under this small process: it asks the kernel to be told of its parent's death, and to be given every orphan
below it. Run as a script: `guard.py PARENT_PID COMMAND...`; its exit code is the command's.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def descendants() -> list[int]:
    """The processes below this one; with the subreaper set, that is all the command started."""
    found = []
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with suppress(FileNotFoundError):
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def end_all() -> None:
    """Kill until nothing is left: a killed process hands its children to us."""
    while children := descendants():
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def main(parent: int, command: list[str]) -> int:
    """Run the command to its end, or to the end of `parent`."""
    libc = ctypes.CDLL(None, use_errno=True)

    def ended(_signal: int, _frame: FrameType | None) -> None:
        end_all()
        os._exit(137)

    signal.signal(signal.SIGTERM, ended)
    for option, value in ((PR_SET_PDEATHSIG, signal.SIGTERM), (PR_SET_CHILD_SUBREAPER, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        return 137
    try:
        code = subprocess.Popen(command, stdin=subprocess.DEVNULL).wait()  # noqa: S603 - from the operator's catalogue
    except OSError as error:
        sys.stdout.write(f"cannot start: {error.strerror}\n")
        code = 127
    end_all()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), sys.argv[2:]))
