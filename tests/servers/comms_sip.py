"""Kamailio of a complex in tests: on a ground of its own, to be stopped and started again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from blocks.clients.comms import sip_server
from blocks.clients.comms.launcher import launched, write_files
from blocks.clients.comms.plan import Plan, fill
from blocks.clients.comms.sip import SipService
from blocks.ledger import open_engine

from .comms import Ground, ground
from .postgres import PostgresServer


@dataclass(frozen=True)
class SipGround:
    """A ground with a running Kamailio, whose limit of calls and managers are `plan`'s, and its service."""

    ground: Ground
    plan: Plan
    service: SipService
    stack: ExitStack

    def start(self) -> None:
        """Start it, as its files say."""
        self.stack.enter_context(launched(self.plan, sip_server.programs(self.plan)))

    def stop(self) -> None:
        """Stop it."""
        self.stack.close()

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()


@contextmanager
def sip_ground(postgres: PostgresServer, **changes: Any) -> Iterator[SipGround]:
    """Yield a running Kamailio of its own; `changes` are fields of its plan."""
    with ground(postgres) as base:
        plan = base.plan.model_copy(update={"managers": ("127.0.0.1/32",), **changes})
        base.directory.prepare()
        engine = open_engine(base.directory_url)
        sip_server.prepare_database(engine)
        sip_server.prepare_database(engine)
        engine.dispose()
        write_files(plan.home, {"openssl.cnf": fill("openssl.cnf", plan), **sip_server.files(plan)})
        service = SipService(base.directory, sip_server.at(plan), plan.address, plan.ca_file)
        with ExitStack() as stack:
            made = SipGround(base, plan, service, stack)
            made.start()
            yield made
