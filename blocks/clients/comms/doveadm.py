"""Dovecot's own API of management (doveadm over HTTP): sessions and what is stored."""

from __future__ import annotations

from base64 import b64encode
from pathlib import PurePosixPath
from typing import Any

import httpx

from blocks.errors import Refused, Transient

TIMEOUT_S = 30.0
_NOT_FOUND = (65, 68)  # EX_DATAERR and EX_NOUSER: there is nothing of that name


class Doveadm:
    """The API at `url`, whose key is `key`.

    All raise Transient where it does not answer or a command of it fails, Refused where it does not take the key.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/") + "/doveadm/v1"
        self._headers = {"Authorization": f"X-Dovecot-API {b64encode(key.encode()).decode()}"}

    def sessions(self, domain: str) -> set[str]:
        """The local parts of the addresses in a domain that have live sessions."""
        return {
            row["username"].partition("@")[0]
            for row in self._ask("who", separateConnections=True, mask=[f"*@{domain}"])
        }

    def kick(self, domain: str, name: str = "*") -> None:
        """Close the live sessions of one address, or of all in a domain."""
        self._ask("kick", mask=[f"{name}@{domain}"])

    def reload(self) -> None:
        """Have the configuration and the certificate read again."""
        self._ask("reload")

    def stored(self, domain: str) -> set[str]:
        """The local parts of the addresses in a domain for which there is a place on disk."""
        place = self._place(domain)
        return self._within(place) if place.name in self._within(place.parent) else set()

    def purge(self, domain: str, name: str = "") -> None:
        """Delete what is stored for one address, or for a whole domain, from disk."""
        place = self._place(domain)
        gone = place / name if name else place
        if gone.name in self._within(gone.parent):
            options = {"recursive": True, "maxParallel": 1, "fsDriver": "posix"}
            self._ask("fsDelete", **options, fsArgs=f"dirs:prefix={gone.parent}/", path=[gone.name])

    def _within(self, place: PurePosixPath) -> set[str]:
        found = self._ask("fsIterDirs", fsDriver="posix", fsArgs=f"prefix={place}/", path="")
        return {row["path"].rstrip("/") for row in found}

    def _place(self, domain: str) -> PurePosixPath:
        """The directory of a domain, as Dovecot itself states it."""
        answer = self._ask("user", field="home", userMask=[f"any@{domain}"])
        home = PurePosixPath(answer[f"any@{domain}"]["home"])
        if home.parent.name != domain or not home.is_absolute():
            raise Refused("doveadm", f"Dovecot keeps the mail of {domain} where it is not told from others'")
        return home.parent

    def _ask(self, command: str, **parameters: Any) -> Any:
        try:
            answer = httpx.post(
                self._url,
                json=[[command, parameters, ""]],
                headers=self._headers,
                timeout=TIMEOUT_S,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            raise Transient(f"doveadm {command}: {type(error).__name__}") from None
        if answer.status_code in (401, 403):
            raise Refused("doveadm_key", "Dovecot does not take our key")
        if answer.status_code != httpx.codes.OK:
            raise Transient(f"doveadm {command}: HTTP {answer.status_code}")
        kind, said, _ = answer.json()[0]
        if kind == "error" and said.get("exitCode") in _NOT_FOUND:
            return []
        if kind == "error":
            raise Transient(f"doveadm {command}: exit code {said.get('exitCode')}")
        return said
