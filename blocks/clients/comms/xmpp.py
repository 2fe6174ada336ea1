"""XMPP of a complex: ejabberd, with the accounts that it reads from the directory (KS-2.3)."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from blocks.clients.certificates import Bundle
from blocks.clients.comms.addresses import XmppAt
from blocks.clients.comms.protocol import Software
from blocks.clients.comms.xmpp_api import XmppApi, sweep
from blocks.clients.comms.xmpp_login import proofs
from blocks.clients.directory import Directory, Kind
from blocks.clients.password_hashes import AccountHashes
from blocks.errors import Transient
from blocks.terms.ks_complex import Proof, Want

GROUP, GROUP_LABEL = "team", "Контакты"
KICK_S, POLL_S = 20.0, 0.05


class XmppService:
    """See `Service`. `host` is what clients connect to; `ca_file` holds the authorities to trust, None the system's."""

    def __init__(self, directory: Directory, at: XmppAt, *, host: str, ca_file: Path | None) -> None:
        self._directory = directory
        self._at = at
        self._host = host
        self._ca_file = ca_file
        self._api = XmppApi(at)

    def install_certificate(self, domain: str, bundle: Bundle) -> None:
        """See Service.install_certificate."""
        self._api.put_certificate(domain, bundle.both)

    def remove_certificate(self, domain: str) -> None:
        """See Service.remove_certificate."""
        self._api.drop_certificate(domain)

    def provision(self, domain: str, accounts: Sequence[AccountHashes]) -> None:
        """See Service.provision. Everybody finds everybody else of the domain in the roster.

        Whoever is no longer among the accounts goes with all that was stored; who has another password is logged out.
        """
        self._api.serve(domain)
        before = self._directory.verifiers(Kind.XMPP, domain)
        standing = self._directory.standing(Kind.XMPP, domain)
        now = {account.name: account.xmpp_verifier(account.scram_stored) for account in accounts}
        for name in sorted({*standing.active, *standing.suspended} - set(now)):
            self._api.call("unregister", user=name, host=domain)
        self._directory.provision(Kind.XMPP, domain, accounts)
        self._kick(domain, {name for name, verifier in before.items() if now.get(name, verifier) != verifier})
        self._api.call(
            "srg_create", group=GROUP, host=domain, label=GROUP_LABEL, description=GROUP_LABEL, display=GROUP
        )
        self._api.call("srg_user_add", user="@all@", host=domain, group=GROUP, grouphost=domain)

    def verify(self, domain: str, accounts: Sequence[AccountHashes], wants: Collection[Want]) -> list[Proof]:
        """See Service.verify."""
        return proofs(self._at, domain, accounts, wants, host=self._host, ca_file=self._ca_file)

    def suspend(self, domain: str) -> None:
        """See Service.suspend."""
        self._directory.suspend(Kind.XMPP, domain)
        if self._api.serves(domain):
            self._empty(domain)

    def resume(self, domain: str) -> None:
        """See Service.resume."""
        self._directory.resume(Kind.XMPP, domain)

    def delete(self, domain: str) -> None:
        """See Service.delete. Accounts stay on record until nothing else is left, so that it can be taken up again."""
        self._directory.suspend(Kind.XMPP, domain)
        if self._api.serves(domain):
            self._api.call("srg_delete", group=GROUP, host=domain)  # first: each contact would be taken off it
            self._empty(domain)
            for name in self._directory.standing(Kind.XMPP, domain).suspended:
                self._api.call("unregister", user=name, host=domain)
        self._api.forget(domain)
        sweep(self._directory, domain)
        self._directory.remove(Kind.XMPP, domain)

    def software(self) -> list[Software]:
        """See Service.software."""
        seen = re.search(r"ejabberd ([\w.~+-]+)", str(self._api.call("status")))
        version = seen.group(1) if seen else ""
        return [Software(role="xmpp", name="ejabberd", version=version, learnt="asked by its API")]

    def check(self) -> str:
        """See Service.check."""
        software = self.software()[0]
        return f"{software.name} {software.version}, {len(self._api.names('registered_vhosts')) - 1} domains"

    def _empty(self, domain: str) -> None:
        end = time.monotonic() + KICK_S
        while users := {session.partition("@")[0] for session in self._api.names("connected_users_vhost", host=domain)}:
            if time.monotonic() > end:
                raise Transient(f"sessions of {domain} do not end")
            self._kick(domain, users)
            time.sleep(POLL_S)

    def _kick(self, domain: str, users: Iterable[str]) -> None:
        for user in sorted(users):
            self._api.call("kick_user", user=user, host=domain)
