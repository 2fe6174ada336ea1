"""The worker of a runbook that is killed: it runs in a child of the fork server, so it imports nothing of pytest."""

from __future__ import annotations

from pathlib import Path

from blocks.clients.runbook import run_command


def work(marks: Path) -> None:
    """Run a command that starts another, and would leave a mark three seconds later."""
    script = f"echo $$ > {marks}; setsid sleep 60 & sleep 3; touch {marks}.applied; sleep 60"
    run_command(["/bin/sh", "-c", script], timeout_s=60, beat=lambda: True)
