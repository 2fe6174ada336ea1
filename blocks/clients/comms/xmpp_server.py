"""ejabberd 23.01 of a complex: what its configuration says, how it is started, and the tables that are its own."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from blocks.clients.comms.addresses import XmppAt
from blocks.clients.comms.plan import Plan, Program, fill
from blocks.clients.password_hashes import SCRAM_ITERATIONS
from blocks.errors import Refused, Transient

CIPHERS = "ECDHE+AESGCM+AES256:ECDHE+CHACHA20:DHE+AESGCM+AES256:@SECLEVEL=2"
COMMANDS = (
    "connected_users_vhost",
    "kick_user",
    "registered_vhosts",
    "reload_config",
    "srg_create",
    "srg_delete",
    "srg_user_add",
    "status",
    "unregister",
)
SCHEMA = Path("/usr/share/ejabberd/sql/pg.new.sql")
_MODULES = ("mod_own_customer", "ejabberd_auth_nobody")
_LIBRARIES = "/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu"
_HOSTS, _CERTIFICATES = "xmpp/domains/hosts.yml", "xmpp/certificates"
_OWNED = ("xmpp/database", "xmpp/log", "xmpp/upload", "xmpp/modules")
_LOCK = 0x656A6162


def files(plan: Plan) -> dict[str, str]:
    """The files of ejabberd, by their path in the plan's home. `hosts.yml` is made once: then it is the worker's.

    The certificate shown for the complex' own name is copied from the plan's. Raises OSError where there is none.
    """
    texts = {
        "xmpp/ejabberd.yml": fill(
            "ejabberd/ejabberd.yml",
            plan,
            ciphers=CIPHERS,
            commands=COMMANDS,
            hosts_file=str(plan.home / _HOSTS),
            certificates=str(plan.home / _CERTIFICATES / "*.pem"),
            docroot=str(plan.home / "xmpp/upload/@HOST@"),
        ),
        host_certificate(plan): plan.chain.read_text().rstrip() + "\n" + plan.key.read_text(),
    }
    for module in _MODULES:
        texts[f"xmpp/{module}.erl"] = fill(f"ejabberd/{module}.erl", plan, iterations=SCRAM_ITERATIONS)
    if not (plan.home / _HOSTS).exists():
        texts[_HOSTS] = hosts_text([plan.host])
    return texts


def hosts_text(hosts: list[str]) -> str:
    """The file of domains: all that ejabberd serves, the complex' own name first."""
    return "hosts:\n" + "".join(f'  - "{host}"\n' for host in hosts)


def hosts_in(text: str) -> list[str]:
    """The domains of such a file, in its order."""
    return re.findall(r'^  - "([^"]+)"$', text, re.MULTILINE)


def host_certificate(plan: Plan) -> str:
    """The file of the certificate that is shown for the complex' own name."""
    return f"{_CERTIFICATES}/{plan.host}.pem"


def programs(plan: Plan) -> tuple[Program, ...]:
    """The one Erlang node, without a name: neither epmd nor a cookie. It compiles our two modules as it starts."""
    home, modules = plan.home / "xmpp", plan.home / "xmpp/modules"
    compiled = ", ".join(f'{{ok, _}} = compile:file("{home}/{name}", [{{outdir, "{modules}"}}])' for name in _MODULES)
    size = ("+S", "1", "+P", "250000", "+sbwt", "none") if plan.small else ("+P", "1000000")
    command = ("erl", "+K", "true", *size, "-noinput", "-pa", str(modules))
    command += ("-mnesia", "dir", f'"{home}/database"', "-ejabberd", "log_rotate_count", "2")
    command += ("-eval", f"{compiled}.", "-s", "ejabberd")
    ports = plan.ports
    return (
        Program(
            name="ejabberd",
            command=command,
            ports=(ports.xmpp, ports.xmpps, ports.upload, ports.proxy, ports.xmpp_api),
            user="ejabberd",
            owns=_OWNED,
            reads=(
                "openssl.cnf",
                "xmpp/ejabberd.yml",
                _HOSTS,
                f"{_CERTIFICATES}/{plan.host}.pem",
                *(f"xmpp/{module}.erl" for module in _MODULES),
            ),
            shares=(str(Path(_HOSTS).parent), _CERTIFICATES),
            environment={
                "EJABBERD_CONFIG_PATH": str(home / "ejabberd.yml"),
                "EJABBERD_LOG_PATH": str(home / "log/ejabberd.log"),
                "ERL_CRASH_DUMP": "/dev/null",
                "ERL_LIBS": _LIBRARIES,
                "HOME": str(home / "database"),
            },
        ),
    )


def at(plan: Plan) -> XmppAt:
    """Where the server of a plan stands, for the worker."""
    ports = plan.ports
    return XmppAt(
        port=ports.xmpp,
        tls_port=ports.xmpps,
        upload_port=ports.upload,
        proxy_port=ports.proxy,
        api_url=f"http://{plan.management}:{ports.xmpp_api}/api",
        hosts_file=plan.home / _HOSTS,
        certificates=plan.home / _CERTIFICATES,
    )


def prepare_database(engine: Engine) -> None:
    """Make ejabberd's own tables where they are missing, from the schema that is installed with it.

    Whoever makes them at the same time is waited for. Raises Refused without the schema, Transient as the database.
    """
    try:
        script = SCHEMA.read_text()
    except OSError as error:
        raise Refused("not_installed", f"no schema of ejabberd: {SCHEMA}: {error.strerror}") from None
    script = re.sub(r"^--.*$", "", script, flags=re.MULTILINE)
    script = re.sub(r"\bCREATE (TABLE|INDEX|UNIQUE INDEX) ", r"CREATE \1 IF NOT EXISTS ", script)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            for statement in script.split(";"):
                if statement.strip():
                    connection.exec_driver_sql(statement)
    except DBAPIError as error:
        raise Transient(f"ejabberd's tables were not made: {type(error.orig).__name__}") from None
