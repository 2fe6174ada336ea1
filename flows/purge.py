"""The purge of logs by day, with its act, and the legal holds that keep logs back."""

from __future__ import annotations

from typing import Annotated

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from pydantic import AwareDatetime, Field

from blocks.errors import Refused
from flows import destruction, runtime
from flows.finishing import done
from flows.fulfilment import send_due
from tasks import log_holds
from tasks.log_absence import Tell
from tasks.log_forms import HoldForm, ReleaseForm
from tasks.log_net import spread_net
from tasks.order_forms import Line

Person = Annotated[Line, Field(max_length=200, description="Who starts it by hand")]


@flow(name="purge-logs", persist_result=False, timeout_seconds=6 * 3600)
def purge_logs(
    dry_run: bool = True,
    operator: Person | None = None,
    after_pause: bool = False,
    as_of: AwareDatetime | None = None,
) -> str:
    """Destroy the logs whose term is over, keys first, and prove it by an act.

    By hand it is a dry run unless told otherwise. `after_pause`: the clock is right, says the person named.
    """
    clock, office = runtime.clock(as_of), runtime.office()
    if dry_run:
        told = destruction.dry_run(office, now=clock())
        create_markdown_artifact(key="purge-plan", markdown=told, description="What a purge would destroy")
        return told
    if after_pause and not operator:
        raise Refused("person", "whoever says that the clock is right is named")
    spread_net(office, now=clock())
    try:
        executor = operator or destruction.AUTOMATIC
        done = destruction.purge(office, clock=clock, executor=executor, after_pause=after_pause, tell=_progress())
    finally:
        send_due(office, now=clock())
    told = f"{done.keys} keys destroyed; proven: {', '.join(done.proven) or 'nothing was due'}"
    create_markdown_artifact(key="purge-logs", markdown=told, description=f"Purge of {clock():%Y-%m-%d}")
    get_run_logger().info(told)
    return told


def _progress() -> Tell:
    """A bar in the UI and lines in the run's log."""
    logger = get_run_logger()
    bar = create_progress_artifact(progress=0, key="purge-progress", description="purge of logs")

    def tell(what: str, percent: int) -> None:
        logger.info(what)
        update_progress_artifact(bar, progress=percent, description=what)  # type: ignore[arg-type]

    return tell


@flow(name="hold-logs", flow_run_name="hold by {form.person}, {form.day_from} to {form.day_to}", persist_result=False)
def hold_logs(form: HoldForm) -> str:
    """Place a legal hold: nothing of its scope is destroyed until another person releases it, or its last day ends."""
    placed = log_holds.place(runtime.office(), form, now=runtime.now())
    spread_net(runtime.office(), now=runtime.now())
    locked = "" if placed.locked else "; the archive's own locks follow with the next purge"
    return done(f"{placed.number}: {placed.segments} segments, {placed.records} records are held{locked}")


@flow(name="release-hold", flow_run_name="release of {form.hold}", persist_result=False)
def release_hold(form: ReleaseForm) -> str:
    """Release a legal hold; what is over its term goes with the next purge."""
    owed = log_holds.release(runtime.office(), form, now=runtime.now())
    return done(f"{form.hold} is released; {owed} class-days are over their term")
