"""ejabberd of a complex, started as the launcher starts it, with the service that manages it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from blocks.clients.comms.launcher import launched, write_files
from blocks.clients.comms.plan import fill
from blocks.clients.comms.xmpp import XmppService
from blocks.clients.comms.xmpp_server import at, files, prepare_database, programs
from blocks.ledger import open_engine

from .comms import Ground, ground
from .postgres import PostgresServer


@dataclass
class CommsXmpp:
    """An ejabberd that runs, its ground and its service. `restart` kills it first."""

    ground: Ground
    service: XmppService
    _stack: ExitStack = field(default_factory=ExitStack)
    _child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on the files that are there."""
        plan = self.ground.plan
        self._child = self._stack.enter_context(launched(plan, programs(plan)))["ejabberd"]

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._child is not None
        self._child.kill()
        self._child.wait()
        self._stack.close()

    def close(self) -> None:
        """End it in order."""
        self._stack.close()


@contextmanager
def comms_xmpp_server(postgres: PostgresServer) -> Iterator[CommsXmpp]:
    """Run ejabberd on a database of its own."""
    with ground(postgres) as grounds:
        plan = grounds.plan
        write_files(plan.home, {"openssl.cnf": fill("openssl.cnf", plan)} | files(plan))
        engine = open_engine(grounds.directory_url)
        prepare_database(engine)
        grounds.directory.prepare()
        service = XmppService(grounds.directory, at(plan), host=plan.address, ca_file=plan.ca_file)
        server = CommsXmpp(grounds, service)
        try:
            server.start()
            yield server
        finally:
            server.close()
            engine.dispose()
