"""A whole complex: the files, programs and addresses of all its servers taken together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine

from blocks.clients.comms import mail_server, sip_server, xmpp_server
from blocks.clients.comms.addresses import ComplexAt
from blocks.clients.comms.plan import DatabaseAt, Plan, Program, fill
from blocks.clients.directory import Directory, Kind


def whole_files(plan: Plan, databases: Mapping[Kind, DatabaseAt] | None = None) -> dict[str, str]:
    """Every file of the complex below `plan.home`; each service may reach the directory by a role of its own."""
    own = {kind: plan.model_copy(update={"database": (databases or {}).get(kind, plan.database)}) for kind in Kind}
    return {
        "openssl.cnf": fill("openssl.cnf", plan),
        **xmpp_server.files(own[Kind.XMPP]),
        **mail_server.files(own[Kind.MAIL]),
        **sip_server.files(own[Kind.SIP]),
    }


def whole_programs(plan: Plan, *, here: bool = True) -> tuple[Program, ...]:
    """Every server, in the order in which they start. `here`: raises Refused where this machine cannot start one."""
    mail = mail_server.programs(plan) if here else mail_server.listed(plan)
    return (*xmpp_server.programs(plan), *mail, *sip_server.programs(plan))


def whole_at(plan: Plan, name: str, ca_file: Path | None) -> ComplexAt:
    """Where all of it stands once it runs."""
    return ComplexAt(
        name=name,
        host=plan.host,
        addresses=(plan.address,),
        ca_file=ca_file,
        mail_bytes=plan.mail_bytes,
        call_seconds=plan.call_seconds,
        xmpp=xmpp_server.at(plan),
        mail=mail_server.at(plan),
        sip=sip_server.at(plan),
    )


def prepare_directory(engine: Engine) -> None:
    """Create the tables that are missing, ours and the servers' own. Raises Transient."""
    Directory(engine).prepare()
    xmpp_server.prepare_database(engine)
    sip_server.prepare_database(engine)
