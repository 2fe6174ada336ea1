"""Starting a run of a deployment from another run, once by its key, now or at its time."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound

log = logging.getLogger("dogovor.starting")


async def start_once(
    name: str, parameters: dict[str, Any], *, key: str, at: datetime | None = None, title: str | None = None
) -> None:
    """Start the deployment of that name; the same key finds the same run. Without Prefect's deployment only a log line.

    The watches ask again, so what is owed does not hang on this call.
    """
    try:
        await arun_deployment(
            f"{name}/{name}",
            parameters=parameters,
            flow_run_name=title,
            scheduled_time=at,
            timeout=0,
            idempotency_key=key,
            as_subflow=False,
        )
    except ObjectNotFound:
        log.warning("%s for %s is not started: the deployment is not there yet", name, parameters)


async def ask_agreement(window: str) -> None:
    """Start the run that waits for the Operator's answer on a window; the same run is found again."""
    await start_once("agree-window", {"window": window}, key=f"agree:{window}", title=f"agreement on {window}")


async def start_window(window: str, *, key: str, at: datetime | None = None) -> None:
    """Start the run of a window, now or at its time."""
    await start_once("run-maintenance-window", {"window": window}, key=key, at=at)
