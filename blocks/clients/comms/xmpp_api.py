"""ejabberd as its management API shows it: commands, and the files of it that are ours to write."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
from sqlalchemy import text

from blocks.clients.comms.addresses import XmppAt
from blocks.clients.comms.xmpp_server import hosts_in, hosts_text
from blocks.clients.directory import Directory
from blocks.durable import locked, replace
from blocks.errors import Refused, Transient

_FOR_THE_SERVER = 0o640  # it reads them by its group
TIMEOUT = httpx.Timeout(60.0, connect=5.0)


class XmppApi:
    """mod_http_api. All calls raise Transient where it does not answer or has failed, Refused where it says no."""

    def __init__(self, at: XmppAt) -> None:
        self._at = at
        # Nothing is kept open between calls: they are few, and nobody closes us.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(base_url=str(at.api_url), timeout=TIMEOUT, limits=limits, trust_env=False)

    def call(self, command: str, **arguments: str) -> object:
        """Run a command of ejabberd's; its result as JSON has it."""
        try:
            answer = self._http.post(command, json=arguments)
        except httpx.HTTPError as error:
            raise Transient(f"ejabberd did not answer {command}: {type(error).__name__}") from None
        if answer.is_server_error:
            raise Transient(f"ejabberd failed in {command}: {answer.status_code}")
        if not answer.is_success:
            raise Refused("ejabberd", f"ejabberd refused {command}: {answer.status_code}")
        return answer.json()

    def names(self, command: str, **arguments: str) -> list[str]:
        """Run a command whose result is a list of names."""
        found = self.call(command, **arguments)
        if not isinstance(found, list):
            raise Refused("ejabberd", f"ejabberd answered {command} with no list")
        return [str(name) for name in found]

    def serve(self, domain: str) -> None:
        """Have a domain served, from now on and after a restart. Returns when it is."""
        self._edit(lambda hosts: hosts if domain in hosts else [*hosts, domain])
        with self._lock():
            if domain not in self.names("registered_vhosts"):
                self.call("reload_config")

    def serves(self, domain: str) -> bool:
        """Whether a domain is served right now."""
        return domain in self.names("registered_vhosts")

    def forget(self, domain: str) -> None:
        """Have a domain served no more."""
        self._edit(lambda hosts: [host for host in hosts if host != domain])
        with self._lock():
            if domain in self.names("registered_vhosts"):
                self.call("reload_config")

    def put_certificate(self, domain: str, pem: str) -> None:
        """Show a certificate, chain and key in one text, to whoever connects from now on."""
        path = self._certificate(domain)
        with self._lock():
            if not path.exists() or path.read_text() != pem:
                replace(path, pem, _FOR_THE_SERVER)
            self.call("reload_config")

    def drop_certificate(self, domain: str) -> None:
        """Show it no more."""
        with self._lock():
            self._certificate(domain).unlink(missing_ok=True)
            self.call("reload_config")

    def _certificate(self, domain: str) -> Path:
        return self._at.certificates / f"{domain}.pem"

    def _edit(self, change: Callable[[list[str]], list[str]]) -> None:
        with self._lock():
            hosts = hosts_in(self._at.hosts_file.read_text())
            changed = change(hosts)
            if changed != hosts:
                replace(self._at.hosts_file, hosts_text(changed), _FOR_THE_SERVER)

    def _lock(self) -> AbstractContextManager[None]:
        return locked(self._at.hosts_file.with_suffix(".lock"))


def sweep(directory: Directory, domain: str) -> None:
    """Take away all that ejabberd stored of a domain: archives, rosters, rooms, nodes. Accounts are the directory's."""
    with directory.transaction("what ejabberd stored") as connection:
        tables = connection.scalars(
            text(
                "SELECT table_name FROM information_schema.columns"
                " WHERE column_name = 'server_host' AND table_schema = current_schema()"
                " AND table_name NOT IN ('users', 'users_suspended')"
            )
        ).all()
        for table in sorted(tables):
            connection.execute(text(f'DELETE FROM "{table}" WHERE server_host = :domain'), {"domain": domain})  # noqa: S608
        for statement in _OTHERS:
            connection.execute(text(statement), {"domain": domain})


# Those without the column: nodes of the domain's service and of its accounts, subscribers of its rooms.
_OTHERS = (
    "DELETE FROM pubsub_node WHERE host = 'pubsub.' || :domain OR split_part(host, '@', 2) = :domain",
    "DELETE FROM muc_room_subscribers WHERE host = 'conference.' || :domain",
)
