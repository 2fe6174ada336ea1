"""`dogovor up`, `gateway`, `dispatch`, `doctor`, sandboxes: the long-lived processes, and the look at their health."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def gateway() -> None:
    """The web entrance: webhooks and the one-time page. Needs the ledger, not Prefect."""
    import uvicorn

    from flows.gateway.app import create_app
    from flows.runtime import office

    settings = office().settings
    # The access log would hold the tokens of one-time pages; proxies are the application's own business.
    uvicorn.run(
        create_app(office()),
        host=settings.gateway_host,
        port=settings.gateway_port,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        log_config=None,
        limit_concurrency=500,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
    )


@app.command()
def dispatch(
    name: Annotated[str, typer.Option(help="A name of its own for each dispatcher of one ledger")] = "",
    slots: Annotated[int, typer.Option(help="Order runs at once", min=1, max=16)] = 4,
) -> None:
    """The dispatcher: takes events from the inbox and calls flows in-process."""
    import asyncio
    import signal

    from flows.dispatcher import Dispatcher
    from flows.runtime import office

    async def work() -> None:
        stop = asyncio.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
        await Dispatcher(office(), name or f"dispatcher@{socket.gethostname()}", slots=slots).run(stop)

    asyncio.run(work())


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="Where it listens on 127.0.0.1")],
    notify_url: Annotated[str, typer.Option(help="Where it sends its notifications")],
) -> None:
    """A stand-in for YooKassa on this machine. Refuses to run in production."""
    import uvicorn

    from blocks.clients.yookassa_sandbox import create_sandbox
    from blocks.settings import load_settings

    settings = load_settings()
    secret = settings.yookassa_secret.get_secret_value() if settings.yookassa_secret else ""
    application = create_sandbox(settings.yookassa_shop, secret, notify_url, settings.environment)
    uvicorn.run(application, port=port, log_level="warning")


@app.command()
def sandbox_ca(
    port: Annotated[int, typer.Option(help="Where it listens on 127.0.0.1")],
    authority: Annotated[str, typer.Option(help="Whose place it takes, of those in DOGOVOR_CERTIFICATES_FILE")],
) -> None:
    """A stand-in for the reseller of certificates on this machine. Refuses to run in production."""
    from datetime import UTC, datetime

    import uvicorn

    from blocks.clients.ca.addresses import EMBEDDED, read_certificates
    from blocks.clients.ca.gogetssl_sandbox import create_sandbox
    from blocks.clients.ca.gogetssl_sandbox_state import Sandbox
    from blocks.clients.ca.opened import CaKeys, secret_of
    from blocks.clients.certificates import LocalAuthority
    from blocks.settings import load_settings

    settings = load_settings()
    path = settings.certificates_file
    at = (read_certificates(path.read_text("utf-8")) if path else EMBEDDED).authority_at(authority)
    local = LocalAuthority(settings.home / "sandbox-ca", lambda: datetime.now(UTC))
    state = Sandbox(at.user, secret_of(at, CaKeys(authorities=settings.ca_secrets)), local, settings.environment)
    # The addresses that come in hold keys: no log of them.
    uvicorn.run(create_sandbox(state), port=port, log_level="warning", access_log=False)


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Try every part of the configuration, and say what to mend. Exits 1 when something is not well."""
    import json
    import os
    from dataclasses import asdict

    from flows.runtime import now, office
    from tasks.doctor import examine

    findings = examine(office(), now=now(), prefect_url=os.environ.get("PREFECT_API_URL"))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            mend = f" -> {finding.mend}" if finding.mend else ""
            typer.echo(f"{'ok ' if finding.well else 'BAD'} {finding.part:14} {finding.seen}{mend}")
    raise typer.Exit(0 if all(finding.well for finding in findings) else 1)


@app.command()
def up(prefect_port: Annotated[int, typer.Option(help="Prefect's server and UI")] = 4200) -> None:
    """Everything: Prefect's server, deployments, worker, gateway, dispatcher; kept up until Ctrl-C or SIGTERM."""
    import signal
    import time

    from blocks.settings import load_settings
    from flows.stack import Stack, environment, running

    settings = load_settings()
    home = Path(settings.home).expanduser()
    stack = Stack(home, environment(home, prefect_port), settings.gateway_port, typer.echo)
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, stop)
    with running(stack):
        typer.echo(f"up; logs in {home / 'logs'}; stop with Ctrl-C")
        while not stopping:
            time.sleep(1)
            if not stopping:
                stack.tend()
    typer.echo("stopped")
