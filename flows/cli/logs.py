"""`dogovor logs purge`: what the flow does, from a shell; `dogovor logs` is where the other commands on logs go."""

from __future__ import annotations

from typing import Annotated

import typer

from blocks.errors import Refused
from flows.cli import logs_access

app = typer.Typer()
logs = typer.Typer(help="Logs: their destruction, access to them, their journal.", no_args_is_help=True)
logs.add_typer(logs_access.app)
app.add_typer(logs, name="logs")


@logs.command()
def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be destroyed")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Destroy it, beyond recovery")] = False,
    person: Annotated[str, typer.Option(help="Who does it: stands in the act")] = "",
    after_pause: Annotated[
        bool, typer.Option("--after-pause", help="The clock is right, though the last purge was days ago")
    ] = False,
) -> None:
    """Destroy the logs whose term is over, and prove it. Either --dry-run, or --yes with --person."""
    from flows import destruction, runtime
    from flows.fulfilment import send_due

    if dry_run == yes:
        raise Refused("choice", "either --dry-run or --yes")
    office = runtime.office()
    if dry_run:
        typer.echo(destruction.dry_run(office, now=runtime.now()))
        return
    if not person.strip():
        raise Refused("person", "--person: whoever destroys is named in the act")
    try:
        done = destruction.purge(
            office,
            clock=runtime.now,
            executor=person.strip(),
            after_pause=after_pause,
            tell=lambda what, percent: typer.echo(f"{percent:3d} % {what}", err=True),
        )
    finally:
        send_due(office, now=runtime.now())
    typer.echo(f"{done.keys} keys destroyed; proven: {', '.join(done.proven) or 'nothing was due'}")
