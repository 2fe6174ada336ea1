"""`dogovor bench`: latency and throughput of the main job, beside the same steps without Prefect, in one run."""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer()


@app.command()
def bench(
    orders: Annotated[int, typer.Option(help="Orders of the backlog")] = 1000,
    single: Annotated[int, typer.Option(help="Orders one at a time, for the latency")] = 30,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Latency of single orders on an idle system, then a backlog, with Prefect and without. Takes minutes."""
    from flows.cli.bench_play import latency, memory, plain_backlog, prefect_backlog
    from flows.cli.demo_stack import demo_stack
    from flows.stack import running

    def say(text: str) -> None:
        typer.echo(text, err=True)

    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    }
    home = Path(tempfile.mkdtemp(prefix="dogovor-bench-"))
    stack, secret = demo_stack(home / "prefect", say)
    with running(stack):
        time.sleep(10)
        say(f"latency: {single} orders, one at a time")
        result["latency"] = latency(stack, secret, single)
        say(f"backlog of {orders} orders through Prefect")
        result["prefect"] = prefect_backlog(stack, orders)
        result["memory_mb"] = memory(stack)
        say(f"backlog of {orders} orders without Prefect")
        result["plain"] = plain_backlog(stack, home / "plain", orders)
    result["ratio"] = round(result["prefect"]["orders_a_minute"] / result["plain"]["orders_a_minute"], 2)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    for name, value in result.items():
        typer.echo(f"{name}: {value}")


@app.command("bench-tickets")
def bench_tickets_command(
    tickets: Annotated[int, typer.Option(help="Tickets whose deadlines are computed")] = 100_000,
) -> None:
    """Deadlines a second of ours, of businesstimedelta and of Zammad's rule, and how many of theirs are wrong."""
    from flows.cli.bench_tickets import bench_tickets

    for name, figure in bench_tickets(tickets):
        typer.echo(f"{name}: {figure:,}")


@app.command("bench-availability")
def bench_availability_command(
    services: Annotated[int, typer.Option(help="Services, each probed every 10 s through a year")] = 1000,
) -> None:
    """The yearly report of many services from intervals, for 100 and for 1000 outages each."""
    from flows.cli.bench_availability import bench_availability

    for row in bench_availability(services):
        typer.echo(str(row._asdict()))


@app.command("bench-revenue")
def bench_revenue_command(
    lines: Annotated[int, typer.Option(help="Invoice lines of the month")] = 1_000_000,
    repeat: Annotated[int, typer.Option(help="Runs of each engine; the median counts")] = 3,
    pandas: Annotated[bool, typer.Option(help="With pandas over Decimal objects: slow, 5 GB at ten million")] = True,
) -> None:
    """The revenue split beside DuckDB, polars and pandas: processor and clock seconds, peak memory, ratio."""
    from flows.cli.bench_revenue import bench_revenue

    def say(text: str) -> None:
        typer.echo(text, err=True)

    typer.echo(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {lines:,} lines")
    with tempfile.TemporaryDirectory(prefix="dogovor-bench-") as folder:
        for row in bench_revenue(Path(folder), lines, repeat=repeat, pandas=pandas, say=say):
            typer.echo(str(row._asdict()))


@app.command("bench-retention")
def bench_retention_command(
    megabytes: Annotated[int, typer.Option(help="Log records of 1 KiB to seal")] = 256,
    records: Annotated[int, typer.Option(help="Records to destroy, ours and the peer's")] = 1_000_000,
    objects: Annotated[
        int, typer.Option(help="Partitions they lie in; objects of the bucket, if there is one")
    ] = 10_000,
) -> None:
    """Sealing, destroying a class-day and destroying objects, each beside peers that do the same on the same data."""
    from blocks.settings import load_settings
    from flows.cli.bench_retention import key_destruction, object_destruction, sealing, whole_purge

    def say(text: str) -> None:
        typer.echo(text, err=True)

    settings = load_settings()
    typer.echo(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="dogovor-bench-") as folder:
        for part in (
            sealing(megabytes),
            key_destruction(Path(folder), records),
            whole_purge(Path(folder) / "tenth", records // 10, objects // 10),
            whole_purge(Path(folder) / "whole", records, objects),
        ):
            for row in part:
                typer.echo(str(row._asdict()))
        if not settings.s3_bucket:
            say("no bucket is configured: its part is left out")
            return
        for row in object_destruction(settings, objects, Path(folder), say):
            typer.echo(str(row._asdict()))


@app.command("bench-comms")
def bench_comms_command(
    contacts: Annotated[int, typer.Option(help="Contacts of one customer")] = 100,
    orders: Annotated[int, typer.Option(help="Orders of 6 contacts, one after another")] = 10,
    domains: Annotated[int, typer.Option(help="Customers on one complex")] = 200,
) -> None:
    """A complex of real servers: accounts written and proven, orders a minute, the next customer among many."""
    from blocks.errors import Refused
    from flows.cli.bench_comms import bench_comms

    def say(text: str) -> None:
        typer.echo(text, err=True)

    typer.echo(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    try:
        for name, figure in bench_comms(contacts, orders, domains, say):
            typer.echo(f"{name}: {figure}")
    except Refused as refused:
        if refused.reason not in {"root", "not_root", "not_installed"}:
            raise
        say(f"left out, no complex can be started here: {refused}")


@app.command("bench-certificates")
def bench_certificates_command(
    ours: Annotated[int, typer.Option(help="Certificates that we order, each way")] = 256,
    theirs: Annotated[int, typer.Option(help="Certificates that each peer orders, and as many as at once")] = 16,
    at_once: Annotated[int, typer.Option(help="How many at once, after one by one")] = 32,
) -> None:
    """Certificates a minute beside lego and certbot, those of them that are on PATH, from the configured ACME CA."""
    from blocks.office import open_office
    from blocks.settings import load_settings
    from flows.cli.bench_certificates import bench_certificates, ground

    def say(text: str) -> None:
        typer.echo(text, err=True)

    typer.echo(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="dogovor-bench-") as folder:
        home = Path(folder) / "home"
        office = open_office(load_settings().model_copy(update={"home": home, "ledger_url": ""}))
        for row in bench_certificates(
            office, ground(office, Path(folder)), ours=ours, theirs=theirs, at_once=at_once, say=say
        ):
            typer.echo(str(row._asdict()))
        office.engine.dispose()
