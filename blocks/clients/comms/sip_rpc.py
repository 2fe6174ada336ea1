"""Kamailio's JSON-RPC: what it runs, what it holds of a domain, and the end of that."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from blocks.errors import Refused, Transient

_TIMEOUT_S = 10.0
_NOT_FOUND = 404
_RUNNING = (3, 4)
"""States of Kamailio's dialogs: answered, acknowledged. Before, a call rings; 5 is over."""


@dataclass(frozen=True)
class LiveCall:
    """A running call as Kamailio holds it: its place in the table, its identity, the numbers of its two sides."""

    entry: int
    id: int
    call_id: str
    numbers: frozenset[str]


class SipRpc:
    """The management of one Kamailio at `url`. Every call raises Transient where it does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._trust = ssl.create_default_context()  # once: it takes longer than a call

    def call(self, method: str, *params: object) -> Any:
        """The result of one call. Raises Refused with the server's own word where it says no."""
        answer = self._answer(method, params)
        if "error" in answer:
            raise Refused("sip_rpc", f"{method}: {answer['error'].get('message', 'refused')}")
        return answer.get("result")

    def version(self) -> str:
        """What it says that it is."""
        return str(self.call("core.version"))

    def forget(self, domain: str, numbers: Iterable[str]) -> None:
        """Drop every registration of these numbers."""
        for number in numbers:
            answer = self._answer("ul.rm", ("location", f"{number}@{domain}"))
            if "error" in answer and answer["error"].get("code") != _NOT_FOUND:
                raise Refused("sip_rpc", f"ul.rm: {answer['error'].get('message', 'refused')}")

    def registered(self, domain: str, number: str) -> list[str]:
        """The contacts that are registered under a number."""
        answer = self._answer("ul.lookup", ("location", f"{number}@{domain}"))
        contacts = answer.get("result", {}).get("Contacts", [])
        return [contact["Contact"]["Address"] for contact in contacts]

    def calls(self, domain: str, numbers: Collection[str]) -> list[LiveCall]:
        """The running calls of any of these numbers of a domain."""
        answer = self._answer("dlg.list_match", ("furi", "re", f"^sips?:[^@]*@{re.escape(domain)}([:;?]|$)", 0))
        if "error" in answer and answer["error"].get("code") != _NOT_FOUND:
            raise Refused("sip_rpc", f"dlg.list_match: {answer['error'].get('message', 'refused')}")
        calls = [_call_of(dialog) for dialog in answer.get("result", []) if dialog["state"] in _RUNNING]
        return [call for call in calls if call.numbers & set(numbers)]

    def running(self) -> int:
        """How many calls run, of everybody."""
        return int(self.call("dlg.stats_active")["ongoing"])

    def end(self, call: LiveCall) -> None:
        """End a running call: both sides get a BYE."""
        self._answer("dlg.end_dlg", (call.entry, call.id))

    def _answer(self, method: str, params: tuple[object, ...]) -> dict[str, Any]:
        asked = {"jsonrpc": "2.0", "method": method, "params": list(params), "id": 1}
        try:
            with httpx.Client(timeout=_TIMEOUT_S, trust_env=False, verify=self._trust) as http:
                answer = http.post(self._url, json=asked).json()
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise Transient(f"Kamailio did not answer {method}: {type(error).__name__}") from None
        if not isinstance(answer, dict):
            raise Transient(f"Kamailio answered {method} with no object")
        return answer


def _call_of(dialog: dict[str, Any]) -> LiveCall:
    sides = (re.match(r"sips?:([^@:;]*)[^@]*@", dialog[side]) for side in ("from_uri", "to_uri"))
    return LiveCall(
        entry=dialog["h_entry"],
        id=dialog["h_id"],
        call_id=dialog["call-id"],
        numbers=frozenset(side[1] for side in sides if side),
    )
