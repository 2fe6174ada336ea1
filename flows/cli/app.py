"""The commands of `dogovor`."""

from __future__ import annotations

import logging
import sys

import typer
from pydantic import ValidationError

from blocks.errors import DogovorError
from flows.cli import bench, certificates, comms, copies, demo, logs, orders, revenue, serve, terms, works

app = typer.Typer(
    help="The back office of a communications and hosting provider, run from its agreements.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for part in (terms, orders, works, revenue, logs, copies, serve, demo, bench):
    app.add_typer(part.app)
app.add_typer(comms.app, name="comms")
app.add_typer(certificates.app, name="certificates")


def main() -> None:
    """Run a command; what goes wrong on purpose is one line on stderr and exit code 1."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("httpx", "alembic", "slixmpp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        app()
    except DogovorError as error:
        typer.echo(f"dogovor: {error}", err=True)
        raise SystemExit(1) from None
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            typer.echo(f"dogovor: {'.'.join(map(str, fault['loc'])) or error.title}: {fault['msg']}", err=True)
        raise SystemExit(1) from None
