"""`dogovor backup`, `copies`, `restore`: copies of the ledger from a terminal."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()
Person = Annotated[str, typer.Option(help="Who does this")]


@app.command()
def backup(operator: Person) -> None:
    """Take a copy of the ledger now, prove it by a restore, and destroy the copies whose time is over."""
    from flows.runtime import now, office
    from reports.ledger_copies import copies_markdown
    from tasks.ledger_copies import back_up
    from tasks.ledger_expiry import copies as living
    from tasks.ledger_expiry import expire

    moment = now()
    done = back_up(office(), who=operator, now=moment)
    expired = expire(office(), now=moment)
    typer.echo(f"{done.name}: {done.rows} rows, {done.size} bytes, restored and compared\n")
    typer.echo(copies_markdown(living(office())))
    for name, why in expired.left.items():
        typer.echo(f"dogovor: {name} stays: {why}", err=True)
    if expired.left:
        raise typer.Exit(1)


@app.command()
def copies() -> None:
    """List the copies in the store; the ledger need not be there."""
    from blocks.settings import load_settings
    from reports.ledger_copies import copies_markdown
    from tasks.ledger_expiry import copies as living
    from tasks.ledger_restore import bare_office

    settings = load_settings()
    typer.echo(copies_markdown(living(bare_office(settings, settings.ledger))))


@app.command()
def restore(
    copy: Annotated[str, typer.Option(help="The copy's name, as `dogovor copies` lists it")],
    into: Annotated[str, typer.Option(help="SQLAlchemy URL of an empty database", envvar="DOGOVOR_RESTORE_URL")],
    operator: Person,
    yes: Annotated[bool, typer.Option("--yes", help="Restore; without it, only say what would be done")] = False,
) -> None:
    """Restore the ledger from a copy into an empty database, and destroy again what was destroyed since.

    A URL with a password is given in the variable DOGOVOR_RESTORE_URL: arguments are seen by others.
    """
    from blocks.settings import load_settings
    from flows.runtime import now
    from reports.ledger_copies import restore_markdown
    from tasks.ledger_restore import bare_office, preview
    from tasks.ledger_restore import restore as restore_copy

    target = bare_office(load_settings(), into)
    view = restore_copy(target, copy, who=operator, now=now()) if yes else preview(target, copy)
    typer.echo(restore_markdown(view))
