"""`dogovor demo`: the main job on the embedded default, from signed webhooks to active services, with a table of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, to look around in the UI")] = False,
) -> None:
    """Everything of `up` on free ports in a temporary home; orders, payments, the one-time page; ends by itself."""
    import json
    import signal
    import sys
    import tempfile

    from flows.cli.demo_play import play, print_table
    from flows.stack import running

    began = time.monotonic()
    # A demo that is ended from outside stops its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def say(text: str) -> None:
        typer.echo(f"[{time.monotonic() - began:5.1f} s] {text}", err=True)

    home = Path(tempfile.mkdtemp(prefix="dogovor-demo-"))
    say(f"home: {home}")
    from flows.cli.demo_stack import demo_stack

    stack, secret = demo_stack(home, say)
    with running(stack):
        result = play(stack, secret, say)
        if as_json:
            typer.echo(json.dumps(result, ensure_ascii=False, indent=2))
        else:
            print_table(result)
        if keep:
            say(f"Prefect: {stack.prefect_url.removesuffix('/api')}  gateway: {stack.gateway_url}  stop with Ctrl-C")
            try:
                while True:
                    time.sleep(1)
                    stack.tend()
            except KeyboardInterrupt:
                say("stopping")
    if not result["all_done"]:
        raise typer.Exit(1)
