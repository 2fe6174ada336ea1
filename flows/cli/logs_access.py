"""`dogovor logs read`, `verify`, `journal`: logs under a grant, and the proof that their journal is whole.

The reader is the account of the operating system, and must be the one that the grant names. That keeps apart people who
each have an account of their own and may run this command, by sudo rules for instance, but can't read its files. It
stops nobody who can: whoever reads the key store, its key-encryption key and the archive, or sets SUDO_USER in a shell
of the service's own account, needs no grant. Let that be root and the service alone.
"""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Iterator
from datetime import date
from typing import Annotated

import typer

from blocks.errors import Refused
from blocks.terms.retention import LogClass

app = typer.Typer()


def reader() -> str:
    """The account behind this process: that of the real user id, or whoever called sudo. Raises Refused for none."""
    if os.environ.get("SUDO_USER"):
        return os.environ["SUDO_USER"]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise Refused("account", f"the user id {os.getuid()} has no account on this machine") from None


@app.command()
def read(
    grant: Annotated[str, typer.Option(help="The grant: LG-2026-000001")],
    day: Annotated[list[str], typer.Option(help="A day of the end of handling: 2026-05-22; may be repeated")],
    project: Annotated[str, typer.Option(help="The project; empty: the grant's")] = "",
    classes: Annotated[list[LogClass] | None, typer.Option("--class", help="A class; none: all of the grant's")] = None,
) -> None:
    """Print records as JSON lines, under a grant of yours; each segment read is a line of the journal."""
    from flows.runtime import now, office
    from tasks import log_reading

    wanted = log_reading.Wanted(
        grant=grant, login=reader(), days=tuple(_days(day)), classes=tuple(classes or ()), project=project
    )
    for line in log_reading.read(office(), wanted, clock=now):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _days(texts: list[str]) -> Iterator[date]:
    for text in texts:
        try:
            yield date.fromisoformat(text)
        except ValueError:
            raise Refused("day", f"no such day: {text}; a day is written as 2026-05-22") from None


@app.command()
def verify(
    archive: Annotated[
        bool, typer.Option("--archive", help="Fetch every living segment and check its hash too")
    ] = False,
) -> None:
    """Check the chains of the journal and of the segments; ends with 1 and what is wrong, where first.

    Write the heads down elsewhere: lines cut off after the last act or copy show only by a head that was known.
    """
    from flows.runtime import office
    from tasks.log_chains import verify_archive, verify_chains

    chains = verify_chains(office())
    for name, walk in (("journal", chains.journal), ("segments", chains.segments)):
        typer.echo(f"{name}: {walk.rows} rows, head {walk.head}")
    typer.echo(f"compared with {chains.heads} heads of acts, copies and lines")
    faults = list(chains.faults)
    if archive:
        faults += verify_archive(office(), _progress)
    for fault in faults:
        typer.echo(f"WRONG: {fault}")
    if faults:
        raise typer.Exit(1)
    typer.echo("nothing is wrong")


def _progress(looked: int, total: int) -> None:
    typer.echo(f"{looked} of {total} segments looked at", err=True)


@app.command()
def journal(
    about: Annotated[str, typer.Option(help="Only lines about this: a grant, a hold, a purge, a period")] = "",
) -> None:
    """Print the journal, the oldest line first: when (UTC), what, about what, who, facts as JSON; parted by tabs."""
    from flows.runtime import office
    from tasks.log_access import journal_lines

    for line in journal_lines(office(), about=about):
        facts = json.dumps(line.facts, ensure_ascii=False, sort_keys=True)
        typer.echo(f"{line.at.isoformat()}\t{line.kind}\t{line.about}\t{line.who}\t{facts}")
