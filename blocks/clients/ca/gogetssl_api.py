"""GoGetSSL's reseller API (my.gogetssl.com/api) on the wire: JSON answers to GET and to form-encoded POST.

A key got for user and password goes into every address. That is why this speaks to httpx's transport: its client
would write addresses, and the key with them, into the log.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from blocks.errors import OutcomeUnknown, Refused, Transient

TIMEOUT_S = 20.0
_LONGEST_REASON = 300
_LONGEST_WAIT_S = 86_400
_TOO_MANY, _SERVER = 429, 500
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_KEY_REFUSED = re.compile(r"auth[ _]?key|authori[sz]ation|session (has )?expired", re.IGNORECASE)
_REASONS = (
    ("caa", re.compile(r"\bcaa\b", re.IGNORECASE)),
    ("csr", re.compile(r"\bcsr\b|key (size|length)", re.IGNORECASE)),
    ("account", re.compile(r"balance|\bfunds?\b|\bcredit\b|unpaid", re.IGNORECASE)),
    ("gone", re.compile(r"order\b.*(not found|not exist|wrong|invalid)|(wrong|invalid|unknown) order", re.IGNORECASE)),
)


class GoGetSslApi:
    """The wire. One object serves any number of threads. `transport` is httpx's, for another wire.

    Raises Transient where it does not answer, is busy or limits us, Refused with a reason of `Authority` where it says
    no, `account` where it does not take user and password.
    """

    def __init__(
        self,
        name: str,
        url: str,
        user: str,
        password: str,
        *,
        ca_file: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._user = user
        self._password = password
        self._timeout = httpx.Timeout(timeout_s).as_dict()
        trust = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        # A connection that is kept may be closed by the other side just when an order goes out on it.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._transport = transport or httpx.HTTPTransport(verify=trust, trust_env=False, limits=limits)
        self._key = ""
        self._login = threading.Lock()

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """What is at a path."""
        return self._called("GET", path, query, None, once=False)

    def post(self, path: str, form: Mapping[str, str], *, once: bool = False) -> dict[str, Any]:
        """Post a form. `once`: its effect is not to be had twice, so OutcomeUnknown is raised where nobody knows."""
        return self._called("POST", path, {}, form, once=once)

    def _called(
        self, method: str, path: str, query: Mapping[str, str], form: Mapping[str, str] | None, *, once: bool
    ) -> dict[str, Any]:
        key = self._key or self._new_key("")
        answer = self._sent(method, path, {**query, "auth_key": key}, form, once=once)
        if self._key_is_refused(answer):
            key = self._new_key(key)
            answer = self._sent(method, path, {**query, "auth_key": key}, form, once=once)
        if self._key_is_refused(answer):
            raise Refused("account", f"{self._name} takes no key of ours: {self._reason(answer)}")
        return self._read(answer, once=once)

    def _new_key(self, refused: str) -> str:
        """A key that is not the refused one; whoever comes second takes what the first one got."""
        with self._login:
            if self._key == refused:
                form = {"user": self._user, "pass": self._password}
                answer = self._sent("POST", "/auth/", {}, form, once=False)
                self._not_busy(answer, Transient)
                content = _content(answer) or {}
                if answer.is_error or not content.get("key"):
                    raise Refused("account", f"{self._name} does not take user and password: {self._reason(answer)}")
                self._key = str(content["key"])
            return self._key

    def _sent(
        self, method: str, path: str, query: Mapping[str, str], form: Mapping[str, str] | None, *, once: bool
    ) -> httpx.Response:
        request = httpx.Request(
            method,
            self._url + path,
            params=dict(query),
            data=dict(form) if form is not None else None,
            headers={"Accept": "application/json"},
            extensions={"timeout": self._timeout},
        )
        try:
            answer = self._transport.handle_request(request)
            try:
                answer.read()
            finally:
                answer.close()
        except _NOT_SENT as error:
            raise Transient(f"{self._name} is not reached: {type(error).__name__}") from None
        except httpx.HTTPError as error:
            lost = OutcomeUnknown if once else Transient
            raise lost(f"{self._name} did not answer {path}: {type(error).__name__}") from None
        return answer

    def _key_is_refused(self, answer: httpx.Response) -> bool:
        content = _content(answer) or {}
        failed = answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN) or bool(content.get("error"))
        return (
            failed and _KEY_REFUSED.search(f"{content.get('message', '')} {content.get('description', '')}") is not None
        )

    def _read(self, answer: httpx.Response, *, once: bool) -> dict[str, Any]:
        lost = OutcomeUnknown if once else Transient
        self._not_busy(answer, lost)
        content = _content(answer)
        if content is None and not answer.is_error:
            raise lost(f"{self._name} answered with something that is no JSON object")
        if answer.is_error or (content or {}).get("error"):
            said = self._reason(answer)
            reason = next((word for word, form in _REASONS if form.search(said)), "ca")
            raise Refused(reason, f"{self._name}: {said}")
        return content or {}

    def _not_busy(self, answer: httpx.Response, lost: type[Transient]) -> None:
        wait = answer.headers.get("Retry-After", "")
        after = timedelta(seconds=min(int(wait), _LONGEST_WAIT_S)) if wait.isdecimal() else None
        if answer.status_code == _TOO_MANY:
            raise Transient(f"{self._name} limits our rate", retry_after=after)
        if answer.status_code >= _SERVER:
            raise lost(f"{self._name} answered {answer.status_code}", retry_after=after)

    def _reason(self, answer: httpx.Response) -> str:
        """What it says of a no, without what is secret."""
        content = _content(answer) or {}
        said = " ".join(str(content[name]) for name in ("message", "description") if content.get(name))
        for secret in (self._password, self._key):
            said = said.replace(secret, "***") if secret else said
        return said[:_LONGEST_REASON] or str(answer.status_code)


def _content(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        content = json.loads(answer.content, parse_float=Decimal)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
