"""`dogovor logs purge`: what the flow does, from a shell; `dogovor logs` is where the other commands on logs go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer

from blocks.errors import Refused
from flows.cli import logs_access

app = typer.Typer()
logs = typer.Typer(help="Logs: their destruction, access to them, their journal.", no_args_is_help=True)
logs.add_typer(logs_access.app)
app.add_typer(logs, name="logs")


AsOf = Annotated[str, typer.Option(help="A forced clock, for rehearsals: an ISO moment with its zone")]


def _clock(as_of: str) -> Callable[[], datetime]:
    from flows import runtime

    try:
        forced = datetime.fromisoformat(as_of) if as_of else None
    except ValueError:
        raise Refused("as_of", f"no such moment: {as_of}") from None
    if forced is not None and forced.tzinfo is None:
        raise Refused("as_of", "a moment has its zone: 2027-05-22T03:30+03:00")
    return runtime.clock(forced)


@logs.command()
def seal(as_of: AsOf = "") -> None:
    """Seal what came over HTTP and in dropped files into the archive; exits 1 when something could not be taken."""
    from flows import runtime
    from flows.fulfilment import send_due
    from flows.log_intake import take_in

    clock, office = _clock(as_of), runtime.office()
    taken = take_in(office, clock=clock, tell=lambda line: typer.echo(line, err=True))
    send_due(office, now=clock())
    typer.echo(", ".join(f"{count} {name}" for name, count in taken.counts.items()))
    for fault in (*taken.refused, *taken.troubles):
        typer.echo(fault, err=True)
    raise typer.Exit(1 if taken.refused or taken.troubles else 0)


@logs.command()
def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be destroyed")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Destroy it, beyond recovery")] = False,
    person: Annotated[str, typer.Option(help="Who does it: stands in the act")] = "",
    after_pause: Annotated[
        bool, typer.Option("--after-pause", help="The clock is right, though the last purge was days ago")
    ] = False,
    as_of: AsOf = "",
) -> None:
    """Destroy the logs whose term is over, and prove it. Either --dry-run, or --yes with --person."""
    from flows import destruction, runtime
    from flows.fulfilment import send_due

    if dry_run == yes:
        raise Refused("choice", "either --dry-run or --yes")
    clock, office = _clock(as_of), runtime.office()
    if dry_run:
        typer.echo(destruction.dry_run(office, now=clock()))
        return
    if not person.strip():
        raise Refused("person", "--person: whoever destroys is named in the act")
    try:
        done = destruction.purge(
            office,
            clock=clock,
            executor=person.strip(),
            after_pause=after_pause,
            tell=lambda what, percent: typer.echo(f"{percent:3d} % {what}", err=True),
        )
    finally:
        send_due(office, now=clock())
    typer.echo(f"{done.keys} keys destroyed; proven: {', '.join(done.proven) or 'nothing was due'}")
