"""The intake of logs: dropped files and the spool go into sealed segments."""

from __future__ import annotations

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from pydantic import AwareDatetime

from blocks.errors import Refused
from flows import runtime
from flows.fulfilment import send_due
from reports.log_intake import intake_markdown
from tasks.log_files import take_drops, take_objects
from tasks.log_intake_view import intake
from tasks.log_sealing import seal_spool


@flow(name="seal-logs", persist_result=False, timeout_seconds=4 * 3600)
def seal_logs(as_of: AwareDatetime | None = None) -> dict[str, int]:
    """Seal the spool and dropped files into the archive. A refused file stays; the operator was told of it.

    The run fails at its end when a taken file could not be erased, or when a batch is not where the ledger says.
    """
    office, clock, tell = runtime.office(), runtime.clock(as_of), get_run_logger().info
    sealed = seal_spool(office, now=clock(), tell=tell)
    dropped = [take(office, now=clock(), tell=tell) for take in (take_drops, take_objects)]
    refused = [one for drop in dropped for one in drop.refused]
    troubles = [f"missing in the spool: {name}" for name in sealed.missing]
    troubles += [f"not erased: {one}" for drop in dropped for one in drop.stayed]
    seen = intake(office, refused=refused, troubles=troubles, now=clock())
    create_markdown_artifact(key="log-intake", markdown=intake_markdown(seen), description="Logs of the last day")
    send_due(office, now=clock())
    if troubles:
        raise Refused("log_intake", "; ".join(troubles))
    return {
        "batches": sealed.batches,
        "files": sum(drop.files for drop in dropped),
        "records": sealed.records + sum(drop.records for drop in dropped),
        "dropped": sealed.dropped + sum(drop.late for drop in dropped),
        "refused": len(refused),
    }
