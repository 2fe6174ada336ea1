"""Starting a run of a deployment from another run, once by its key, now or at its time."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterName,
)
from prefect.client.schemas.objects import FlowRun
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


async def alive(deployment: str, title: str | None = None) -> tuple[int, int]:
    """How many runs of a deployment (of that title) are under way or about to start, and how many there were."""
    named = FlowRunFilter(name=FlowRunFilterName(any_=[title])) if title else None
    async with get_client() as client:
        runs = await client.read_flow_runs(
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])), flow_run_filter=named
        )
    soon = datetime.now(UTC) + timedelta(minutes=1)
    return sum(_is_near(run, soon) for run in runs), len(runs)


def _is_near(run: FlowRun, soon: datetime) -> bool:
    if run.state is None or run.state.is_final():
        return False
    return not run.state.is_scheduled() or (run.expected_start_time or soon) <= soon


async def ask(name: str, parameters: dict[str, Any], *, title: str) -> None:
    """Start the run of that title that waits for a person, unless one waits already."""
    waiting, before = await alive(name, title)
    if not waiting:
        await start_once(name, parameters, key=f"{title}:{before}", title=title)


async def ask_agreement(window: str) -> None:
    """Start the run that waits for the Operator's answer on a window, unless one waits already."""
    await ask("agree-window", {"window": window}, title=f"agreement on {window}")


async def start_window(window: str, *, key: str, at: datetime | None = None) -> None:
    """Start the run of a window, now or at its time."""
    await start_once("run-maintenance-window", {"window": window}, key=key, at=at)
