"""The intake of logs without Prefect: what the flow and the command call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from blocks.office import Office
from tasks.log_files import take_drops, take_objects
from tasks.log_sealing import seal_spool


@dataclass(frozen=True)
class TakenIn:
    """What one intake took; refused files with their reasons, and what stands against the run's good end."""

    counts: dict[str, int]
    refused: list[str]
    troubles: list[str]


def take_in(office: Office, *, clock: Callable[[], datetime], tell: Callable[[str], None]) -> TakenIn:
    """Seal the spool and dropped files into the archive. Raises Transient."""
    sealed = seal_spool(office, now=clock(), tell=tell)
    dropped = [take(office, now=clock(), tell=tell) for take in (take_drops, take_objects)]
    refused = [one for drop in dropped for one in drop.refused]
    counts = {
        "batches": sealed.batches,
        "files": sum(drop.files for drop in dropped),
        "records": sealed.records + sum(drop.records for drop in dropped),
        "dropped": sealed.dropped + sum(drop.late for drop in dropped),
        "refused": len(refused),
    }
    troubles = [f"missing in the spool: {name}" for name in sealed.missing]
    troubles += [f"not erased: {one}" for drop in dropped for one in drop.stayed]
    return TakenIn(counts, refused, troubles)
