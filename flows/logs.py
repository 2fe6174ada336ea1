"""The intake of logs: dropped files and the spool go into sealed segments."""

from __future__ import annotations

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from pydantic import AwareDatetime

from blocks.errors import Refused
from flows import runtime
from flows.fulfilment import send_due
from flows.log_intake import take_in
from reports.log_intake import intake_markdown
from tasks.log_intake_view import intake


@flow(name="seal-logs", persist_result=False, timeout_seconds=4 * 3600)
def seal_logs(as_of: AwareDatetime | None = None) -> dict[str, int]:
    """Seal the spool and dropped files into the archive. A refused file stays; the operator was told of it.

    The run fails at its end when a taken file could not be erased, or when a batch is not where the ledger says.
    """
    office, clock = runtime.office(), runtime.clock(as_of)
    taken = take_in(office, clock=clock, tell=get_run_logger().info)
    seen = intake(office, refused=taken.refused, troubles=taken.troubles, now=clock())
    create_markdown_artifact(key="log-intake", markdown=intake_markdown(seen), description="Logs of the last day")
    send_due(office, now=clock())
    if taken.troubles:
        raise Refused("log_intake", "; ".join(taken.troubles))
    return taken.counts
