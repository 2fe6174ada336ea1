"""`dogovor comms`: the complex on this machine, its configuration for real hosts, its scan and its software."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.terms.ks_complex import CALL_SECONDS, MAIL_MB

if TYPE_CHECKING:
    from blocks.clients.comms.addresses import ComplexAt
    from flows.cli.comms_local import LocalComplex

app = typer.Typer(help="The communications complex: XMPP, mail and SIP servers.", no_args_is_help=True)

MailMb = Annotated[int, typer.Option("--mail-mb", help="The largest e-mail, MB (KS-3.5)", min=1, max=100)]
CallSeconds = Annotated[
    int, typer.Option("--call-seconds", help="The longest call (KS-3.5); 0: no limit", min=0, max=86_400)
]
_TITLES = {
    "xmpp": "XMPP, STARTTLS",
    "xmpps": "XMPP, TLS",
    "upload": "XMPP file upload, HTTPS",
    "proxy": "XMPP file transfer proxy",
    "imap": "IMAP, STARTTLS",
    "imaps": "IMAP, TLS",
    "submission": "mail submission, STARTTLS",
    "submissions": "mail submission, TLS",
    "smtp": "incoming mail, STARTTLS",
    "sips": "SIP, TLS",
}


@app.command()
def up(
    home: Annotated[Path, typer.Option(help="Where its data and its ports stay")] = Path("/var/lib/dogovor/comms"),
    mail_mb: MailMb = MAIL_MB,
    call_seconds: CallSeconds = CALL_SECONDS,
) -> None:
    """The whole complex on loopback ports of this machine, until Ctrl-C or SIGTERM. Needs root."""
    import signal
    from datetime import UTC, datetime
    from threading import Event

    from blocks.clients.certificates import LocalAuthority
    from blocks.settings import load_settings
    from flows.cli.comms_local import local_complex

    settings, stop = load_settings(), Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    authority = LocalAuthority(settings.home / "certificates", lambda: datetime.now(UTC))
    where = home.expanduser().absolute()
    limits = {"mail_bytes": mail_mb * 2**20, "call_seconds": call_seconds}
    with local_complex(where, authority, settings.customer_domain, **limits) as local:
        _tell(local)
        while not stop.wait(0.5):  # a wait without an end would not let the signal in
            local.ensure_alive()
    typer.echo("stopped")


def _tell(local: LocalComplex) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("port", "service", title=f"{local.at.host} at {local.at.addresses[0]}")
    ports = local.plan.ports
    for name, title in _TITLES.items():
        table.add_row(str(getattr(ports, name)), title)
    table.add_row(str(local.dns.port), "DNS of customers' domains")
    Console().print(table)
    typer.echo(f"trust {local.plan.ca_file}; logs in {local.plan.home / 'log'}")
    typer.echo(f"for the worker:  set -a; . {local.environment_file}; set +a")
    typer.echo("up; stop with Ctrl-C")


@app.command()
def config(
    *,
    out: Annotated[Path, typer.Option(help="A directory that is made")],
    host: Annotated[str, typer.Option(help="The name that mail clients connect to")],
    address: Annotated[str, typer.Option(help="The address that customers reach")],
    database: Annotated[str, typer.Option(help="The directory: HOST:PORT/DATABASE, no password")],
    chain: Annotated[Path, typer.Option(help="The certificate of the host, PEM", exists=True)],
    key: Annotated[Path, typer.Option(help="Its private key, PEM", exists=True)],
    home: Annotated[Path, typer.Option(help="Where the files will stand on the host")] = Path("/var/lib/dogovor-comms"),
    management: Annotated[str, typer.Option(help="The address that the worker reaches")] = "127.0.0.1",
    managers: Annotated[list[str] | None, typer.Option(help="Networks the worker may come from")] = None,
    name: Annotated[str, typer.Option(help="How the file of complexes names it")] = "shared",
    mail_mb: MailMb = MAIL_MB,
    call_seconds: CallSeconds = CALL_SECONDS,
    force: Annotated[bool, typer.Option(help="Write over what stands in the directory, with new passwords")] = False,
) -> None:
    """Write what a real host needs: server files, systemd units, database roles, the worker's settings."""
    from flows.cli.comms_config import Host, write_config

    wanted = Host(
        name=name,
        home=home,
        host=host,
        address=address,
        management=management,
        managers=tuple(managers or ("127.0.0.0/8",)),
        database=database,
        chain=chain,
        key=key,
        mail_bytes=mail_mb * 2**20,
        call_seconds=call_seconds,
    )
    for path in write_config(out, wanted, force=force):
        typer.echo(path)


@app.command()
def tables() -> None:
    """Make the tables that the servers of the complexes read, where they are missing."""
    from flows.runtime import office

    fleet = office().complexes
    for at in fleet.addresses():
        fleet.directory(at.name)
        typer.echo(f"the tables of {at.name} are there")


@app.command()
def scan(
    name: Annotated[str, typer.Argument(metavar="[COMPLEX]", help="One of the file of complexes; all by default")] = "",
    domain: Annotated[str, typer.Option(help="The customer's domain by which it is asked")] = "",
) -> None:
    """What every client port offers (KS-2.6, KS-2.7). Exits 1 when something of it must not be."""
    from flows.runtime import office

    well = [_scanned(at, domain or _a_domain(at)) for at in office().complexes.addresses(name)]
    raise typer.Exit(0 if all(well) else 1)


def _scanned(at: ComplexAt, domain: str) -> bool:
    from rich.console import Console
    from rich.table import Table

    from blocks.clients.comms.tls_scan import TlsScan
    from flows.runtime import now

    ports = TlsScan(at, now).ports(domain)
    table = Table("port", "agreed on", "certificate until", "faults", title=f"{at.name} as {domain}")
    for port in ports:
        ends = f"{port.certificate_ends:%Y-%m-%d}" if port.certificate_ends else ""
        table.add_row(f"{port.title} {port.port}", "\n".join(port.agreed), ends, "\n".join(port.faults) or "none")
    Console().print(table)
    return not any(port.faults for port in ports)


def _a_domain(at: ComplexAt) -> str:
    """A domain that the complex serves: the names of its certificates hang on one."""
    from blocks.clients.directory import Kind
    from blocks.errors import Refused
    from flows.runtime import office

    domains = office().complexes.directory(at.name).domains(Kind.MAIL)
    if not domains:
        raise Refused("domain", f"{at.name} serves no domain yet: name one by --domain")
    return domains[0]


@app.command()
def software() -> None:
    """What serves customers, as the running servers state it (KS-2.9)."""
    from rich.console import Console
    from rich.table import Table

    from flows.runtime import office

    table = Table("complex", "role", "name", "version", "learnt")
    for each in office().complexes.all():
        for part in each.software():
            table.add_row(each.name, part.role, part.name, part.version, part.learnt)
    Console().print(table)
