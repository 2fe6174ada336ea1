"""`dogovor work`, `plan`, `agree`, `window`: maintenance from a terminal; `--as-of` is for rehearsals."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

app = typer.Typer()
AsOf = Annotated[str, typer.Option(help="A moment with its zone, for a rehearsal; empty: now")]
Person = Annotated[str, typer.Option(help="Who does this")]
Window = Annotated[str, typer.Argument(help="M-2026-000001")]


def _moment(text: str) -> datetime:
    from flows.runtime import at

    return at(datetime.fromisoformat(text).astimezone() if text else None)


@app.command()
def work(
    runbook: Annotated[str, typer.Argument(help="A runbook of the catalogue")], operator: Person, as_of: AsOf = ""
) -> None:
    """Queue a piece of work for the next window."""
    from flows.runtime import office
    from tasks.windows import queue_work
    from tasks.works_forms import WorkForm

    form = WorkForm(runbook=runbook, operator=operator)
    typer.echo(queue_work(office(), form, key=f"cli:{uuid4()}", now=_moment(as_of)))


@app.command()
def plan(
    file: Annotated[Path | None, typer.Option(help="A plan as JSON; without it, next Saturday for the queue")] = None,
    as_of: AsOf = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check, and say what would be planned")] = False,
) -> None:
    """Check a window against every agreement and plan it; a refused plan ends with 1 and the nearest dates."""
    from flows.fulfilment import send_due
    from flows.runtime import office
    from reports.window_plan import plan_markdown
    from tasks.window_proposal import plan_proposals
    from tasks.windows import plan_window
    from tasks.works_forms import PlanForm

    now, key = _moment(as_of), f"cli:{uuid4()}"
    if file is None:
        made = plan_proposals(office(), key=key, now=now, dry_run=dry_run)
    else:
        form = PlanForm.model_validate_json(file.read_text("utf-8"))
        made = [plan_window(office(), form, key=key, now=now, dry_run=dry_run)]
    for one in made:
        typer.echo(plan_markdown(one.number, one.form.starts_at, one.form.minutes, one.services, one.verdict))
    send_due(office(), now=now)
    if not made:
        typer.echo("no works are queued")
    if not all(one.verdict.accepted or one.number for one in made):
        raise typer.Exit(1)


@app.command()
def agree(  # noqa: PLR0917 - typer reads options from parameters
    window: Window,
    who: Annotated[str, typer.Option(help="Who answered for the ОЦП Operator")],
    proof: Annotated[str, typer.Option(help="The letter's number, or where the answer is kept")],
    operator: Person,
    decline: Annotated[bool, typer.Option("--decline", help="The Operator did not agree")] = False,
    as_of: AsOf = "",
) -> None:
    """Record the Operator's answer on a window."""
    from flows.runtime import office
    from tasks.window_answers import record_answer
    from tasks.works_forms import OperatorAnswer

    answer = OperatorAnswer(window=window, agreed=not decline, who=who, proof=proof, operator=operator)
    typer.echo(record_answer(office(), answer, now=_moment(as_of)))


@app.command()
def window(number: Window, as_of: AsOf = "") -> None:
    """Run a window whose time has come, in this process, and print its report."""
    from flows.runtime import clock, office
    from flows.windows import run_window
    from reports.window_report import window_markdown
    from tasks.window_views import window_report

    forced = datetime.fromisoformat(as_of).astimezone() if as_of else None
    run_window(office(), number, owner=f"cli:{uuid4()}", clock=clock(forced))
    typer.echo(window_markdown(window_report(office(), number)))
