"""Our account at an ACME server: the directory, the account itself, and connections that are signed by its key."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import josepy
from acme.messages import ExternalAccountBinding

from blocks.clients.ca.acme_objects import Account, Directory
from blocks.clients.ca.acme_wire import AccountKey, Problematic, Said, Wire
from blocks.clients.ca.addresses import AuthorityAt
from blocks.errors import Refused


class AcmeAccount:
    """For any number of threads. The key's PEM and the EAB key are asked for when they are first needed.

    Directory and account are asked for once; the same key has always the same account. Raises Transient and Refused.
    """

    def __init__(self, at: AuthorityAt, key: Callable[[], str], eab_key: Callable[[], str]) -> None:
        self._at = at
        self._pem, self._eab_key = key, eab_key
        self._key: AccountKey | None = None
        self._directory: Directory | None = None
        self._account: Account | None = None
        self._opening = threading.RLock()
        self._idle: list[Wire] = []

    @property
    def key(self) -> AccountKey:
        """The key."""
        with self._opening:
            if self._key is None:
                self._key = AccountKey(self._pem())
            return self._key

    @property
    def directory(self) -> Directory:
        """Where things are."""
        with self._opening:
            if self._directory is None:
                self._directory = self.get(str(self._at.url)).read(Directory)
            return self._directory

    @property
    def account(self) -> Account:
        """The account; made where the key has none."""
        with self._opening:
            if self._account is None:
                body: dict[str, Any] = {"termsOfServiceAgreed": True}
                if self._at.contact:
                    body["contact"] = [f"mailto:{self._at.contact.removeprefix('mailto:')}"]
                if self._at.eab_kid:
                    body["externalAccountBinding"] = self._binding()
                self._account = self._registered(body)
            return self._account

    def get(self, url: str) -> Said:
        """A plain GET."""
        with self._wire() as wire:
            return wire.get(url)

    def post(self, url: str, body: Mapping[str, Any] | None = None) -> Said:
        """A request in the name of the account; without a body it is a GET."""
        account, nonces = self.account.url, self.directory.new_nonce
        try:
            with self._wire() as wire:
                return wire.post(url, body, account=account, new_nonce=nonces)
        except Problematic as refused:
            if refused.code == "accountDoesNotExist":
                self._account = None
            raise

    def _registered(self, body: Mapping[str, Any]) -> Account:
        at = self.directory
        try:
            with self._wire() as wire:
                said = wire.post(at.new_account, body, account="", new_nonce=at.new_nonce)
        except Refused as refused:
            raise Refused("account", str(refused)) from None
        account = said.read(Account)
        if account.status != "valid":
            raise Refused("account", f"our account at {self._at.name} is {account.status}")
        return account.model_copy(update={"url": said.location})

    def _binding(self) -> dict[str, Any]:
        try:
            return ExternalAccountBinding.from_data(
                self.key.jwk.public_key(),
                self._at.eab_kid,
                self._eab_key(),
                {"newAccount": self.directory.new_account},  # type: ignore[arg-type] # all that it reads
            )
        except (ValueError, josepy.errors.Error):
            raise Refused("account", f"the EAB key of {self._at.name} is not base64url") from None

    @contextmanager
    def _wire(self) -> Iterator[Wire]:
        """A connection that no other thread has."""
        try:
            wire = self._idle.pop()
        except IndexError:
            wire = Wire(self._at.name, self.key, str(self._at.ca_file) if self._at.ca_file else None)
        try:
            yield wire
        finally:
            self._idle.append(wire)
