"""The configuration of a complex on a real host: what goes where, in one directory that somebody carries there."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import shlex
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from blocks.clients.comms.launcher import write_files
from blocks.clients.comms.mail_server import dkim_public
from blocks.clients.comms.plan import DatabaseAt, Plan, Program, fill
from blocks.clients.comms.toml_text import complexes_text
from blocks.clients.comms.whole import whole_at, whole_files, whole_programs
from blocks.clients.directory import Kind, table_names
from blocks.errors import Refused

WORKER = "dogovor"
ROLES = {kind: f"dogovor_{kind.value}" for kind in Kind}
_ITERATIONS = 4096  # PostgreSQL's own
_MANAGED = ("xmpp_api", "doveadm", "mail_management", "sip_rpc")
_DATABASE = re.compile(r"(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\]):(?P<port>\d{1,5})/(?P<database>[a-z0-9_]+)")


@dataclass(frozen=True)
class Host:
    """What is asked for: `home` on the host, the directory as HOST:PORT/DATABASE, the host's certificate from here."""

    name: str
    home: Path
    host: str
    address: str
    management: str
    managers: tuple[str, ...]
    database: str
    chain: Path
    key: Path
    mail_bytes: int
    call_seconds: int


def write_config(out: Path, wanted: Host, *, force: bool) -> list[str]:
    """Write it all below `out`; returns the paths in it. Files are for nobody else to read: some hold secrets.

    Raises Refused where something stands there already and `force` is not given, or the database's address is none.
    """
    out = out.absolute()
    if out.exists() and any(out.iterdir()) and not force:
        raise Refused("config", f"{out} is not empty: --force writes over it, with new passwords")
    databases = _databases(wanted.database)
    stage = out / "files"
    shown = {"host/chain.pem": wanted.chain.read_text(), "host/key.pem": wanted.key.read_text()}
    write_files(stage, shown)
    plan = _plan(wanted, stage, databases[Kind.XMPP])
    files = {**shown, **whole_files(plan, databases)}
    write_files(stage, files)
    programs = [_moved(program, stage, wanted.home) for program in whole_programs(plan, here=False)]
    moved = {f"files/{name}": text.replace(str(stage), str(wanted.home)) for name, text in files.items()}
    moved |= _around(wanted, plan, programs, files)
    moved |= {"grants.sql": _grants(plan, databases)}
    write_files(out, moved)
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


def scram_verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (SCRAM-SHA-256), so that a file of SQL need not hold it."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"


def _databases(text: str) -> dict[Kind, DatabaseAt]:
    found = _DATABASE.fullmatch(text)
    if not found:
        raise Refused("database", "the directory is named as HOST:PORT/DATABASE, without user and password")
    host, port, database = found["host"].strip("[]"), int(found["port"]), found["database"]
    return {
        kind: DatabaseAt(host=host, port=port, database=database, user=role, password=secrets.token_hex(24))
        for kind, role in ROLES.items()
    }


def _plan(wanted: Host, stage: Path, database: DatabaseAt) -> Plan:
    return Plan(
        home=stage,
        host=wanted.host,
        address=wanted.address,
        management=wanted.management,
        managers=wanted.managers,
        database=database,
        doveadm_key=secrets.token_hex(24),
        chain=stage / "host" / "chain.pem",
        key=stage / "host" / "key.pem",
        ca_file=Path("/etc/ssl/certs/ca-certificates.crt"),
        mail_bytes=wanted.mail_bytes,
        call_seconds=wanted.call_seconds,
        outbound=True,
        small=False,
    )


def _moved(program: Program, stage: Path, home: Path) -> Program:
    def there(text: str) -> str:
        return text.replace(str(stage), str(home))

    environment = {name: there(value) for name, value in program.environment.items()}
    return replace(program, command=tuple(map(there, program.command)), environment=environment)


def _around(wanted: Host, plan: Plan, programs: list[Program], files: Mapping[str, str]) -> dict[str, str]:
    at = whole_at(plan, wanted.name, None)
    complexes = complexes_text((at,)).replace(str(plan.home), str(wanted.home))
    keys = json.dumps({wanted.name: plan.doveadm_key})
    written = {name for name in files for program in programs for place in program.shares if name.startswith(place)}
    ports = plan.ports.model_dump()
    more = {"name": wanted.name, "home": wanted.home, "worker": WORKER, "programs": programs, "written": written}
    more["dkim"] = dkim_public(plan)
    more["open_ports"] = sorted(port for name, port in ports.items() if name not in _MANAGED)
    more["managed_ports"] = sorted(ports[name] for name in _MANAGED)
    units = {
        f"systemd/dogovor-{program.name}.service": fill(
            "host/service", plan, home=wanted.home, program=program, command=shlex.join(program.command)
        )
        for program in programs
    }
    return {
        "complexes.toml": complexes,
        "worker.env": f"DOGOVOR_DOVEADM_KEYS='{keys}'\n",
        "tmpfiles.conf": fill("host/tmpfiles.conf", plan, **more),
        "README": fill("host/README", plan, **more),
        **units,
    }


def _grants(plan: Plan, databases: Mapping[Kind, DatabaseAt]) -> str:
    roles = {ROLES[kind]: scram_verifier(database.password) for kind, database in databases.items()}
    named = {kind.value: role for kind, role in ROLES.items()}
    directory = ", ".join(f"'{name}'" for name in table_names())
    return fill("host/grants.sql", plan, roles=roles, directory=directory, **named)
