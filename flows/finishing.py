"""How a run of the desk ends."""

from __future__ import annotations

from prefect import get_run_logger

from flows import runtime
from flows.fulfilment import send_due


def done(told: str) -> str:
    """Send what there is to say, and say what was done."""
    send_due(runtime.office(), now=runtime.now())
    get_run_logger().info(told)
    return told
