"""Automations as code, found by name and brought up to date: runs whose process is gone, and runs that ended badly.

Both match the tag `watched`, which the scheduled deployments carry. Runs that wait for a person do not carry it, or
they would be crashed while they wait; order runs do not either: their dispatcher sweeps up after itself.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

WATCHED = "watched"
HEARTBEAT = "prefect.flow-run.heartbeat"
_RUNS = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
_TAGGED = ResourceSpecification({"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{WATCHED}"})
_ENDS = ("Completed", "Failed", "Crashed", "Cancelled", "Cancelling", "TimedOut", "Scheduled", "Late", "AwaitingRetry")


def silent_runs() -> AutomationCore:
    """A watched run whose heartbeats (every 30 s) stop for 90 s is Crashed. Never forced: a late beat does no harm."""
    return AutomationCore(
        name="dogovor: a run without heartbeat",
        description="Its process is gone: three heartbeats are missing.",
        trigger=EventTrigger(
            match=_RUNS,
            match_related=_TAGGED,
            for_each={"prefect.resource.id"},
            after={HEARTBEAT},
            expect={HEARTBEAT, *(f"prefect.flow-run.{state}" for state in _ENDS)},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=90),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, force=False, name="Crashed", message="No heartbeat: the process is gone."
            )
        ],
    )


def bad_ends(report: UUID) -> AutomationCore:
    """A watched run that fails, crashes or times out is told to the operator by the deployment `report`."""
    run_id = {"__prefect_kind": "jinja", "template": "{{ flow_run.id }}"}
    name = {"__prefect_kind": "jinja", "template": "{{ flow.name }}: {{ flow_run.state.name }}"}
    return AutomationCore(
        name="dogovor: a run ended badly",
        description="Tells the operator.",
        trigger=EventTrigger(
            match=_RUNS,
            match_related=_TAGGED,
            for_each={"prefect.resource.id"},
            expect={"prefect.flow-run.Crashed", "prefect.flow-run.Failed", "prefect.flow-run.TimedOut"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[
            RunDeployment(
                source="selected",
                deployment_id=report,
                job_variables=None,
                parameters={"failed_run": run_id, "what": name},
            )
        ],
    )


async def ensure(client: PrefectClient, wanted: AutomationCore) -> None:
    """Create an automation or bring it up to date; an operator's switch stays as it is, doubles go."""
    found = sorted(await client.read_automations_by_name(wanted.name), key=lambda item: str(item.id))
    if not found:
        await client.create_automation(wanted)
        return
    first, *doubles = found
    for double in doubles:
        await client.delete_automation(double.id)
    await client.update_automation(first.id, wanted.model_copy(update={"enabled": first.enabled}))


async def ensure_all(client: PrefectClient) -> None:
    """Every automation of the project; the deployments must be there."""
    report = await client.read_deployment_by_name("report-bad-run/report-bad-run")
    await ensure(client, silent_runs())
    await ensure(client, bad_ends(report.id))
