"""One connection to an ACME server: requests signed by our account's key, answers as models, refusals as our errors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, NoReturn, TypeVar

import acme.errors
import requests
from acme import messages
from acme.client import ClientNetwork
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from josepy import jwa, jwk
from josepy.interfaces import JSONDeSerializable
from josepy.json_util import encode_b64jose
from pydantic import BaseModel, ValidationError

from blocks.clients.ca.acme_objects import Problem
from blocks.errors import DogovorError, Refused, Transient

WAIT_S = 10
_NONCE_TRIES = 8
_NOT_FOUND, _TOO_MANY, _BROKEN = 404, 429, 500
_DAY, _DIGITS = timedelta(days=1), 6
_REASONS = {
    "caa": "caa",
    "rejectedIdentifier": "identifier",
    "unsupportedIdentifier": "identifier",
    "badCSR": "csr",
    "badPublicKey": "csr",
    "externalAccountRequired": "account",
    "accountDoesNotExist": "account",
    "unauthorized": "account",
    "userActionRequired": "account",
    "invalidContact": "account",
    "unsupportedContact": "account",
    "invalidProfile": "unsupported",
}
Model = TypeVar("Model", bound=BaseModel)


class Said(NamedTuple):
    """An answer: its text, and those of its headers that mean something here."""

    text: str
    location: str
    retry_after: timedelta | None
    following: str

    def read(self, kind: type[Model]) -> Model:
        """The answer as that model. Raises Transient where it is none: what stands between us may answer for the CA."""
        try:
            return kind.model_validate_json(self.text)
        except ValidationError:
            raise Transient(f"the CA's answer is no {kind.__name__}") from None


class AccountKey:
    """The key of an account: what signs, and what proofs of domains are made from."""

    def __init__(self, pem: str) -> None:
        key = load_pem_private_key(pem.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Refused("account", "the key of an ACME account is an EC key on P-256")
        self.jwk = jwk.JWKEC(key=key)
        self._thumbprint = encode_b64jose(self.jwk.thumbprint())

    def proof(self, token: str) -> str:
        """The TXT record's value by which a token is answered (RFC 8555, 8.4)."""
        digest = hashlib.sha256(f"{token}.{self._thumbprint}".encode()).digest()
        return encode_b64jose(digest)


class _Body(JSONDeSerializable):
    """A request's body, made of plain JSON."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content

    def to_partial_json(self) -> dict[str, Any]:
        return dict(self._content)

    @classmethod
    def from_json(cls, jobj: Any) -> _Body:
        return cls(jobj)


class _Network(ClientNetwork):
    """The library's, which keeps the nonce of a refusal too, and the last answer's status and headers."""

    last: requests.Response | None = None

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        self.last = None
        self.last = response = super()._send_request(method, url, *args, **kwargs)
        if self.REPLAY_NONCE_HEADER in response.headers:
            self._add_nonce(response)
        return response


class Wire:
    """For one thread at a time. Raises Transient and Refused; `ca` is how the settings name the CA."""

    def __init__(self, ca: str, key: AccountKey, verify: str | None) -> None:
        self._ca = ca
        self._net = _Network(key.jwk, alg=jwa.ES256, timeout=WAIT_S, user_agent="dogovor")
        self._net.verify_ssl = verify or True  # type: ignore[assignment] # goes to `requests`, which takes a path too
        self._net.session.trust_env = False

    def get(self, url: str) -> Said:
        """A plain GET."""
        try:
            return _said(self._net.get(url))
        except (acme.errors.Error, requests.RequestException) as error:
            self._failed(error)

    def post(self, url: str, body: Mapping[str, Any] | None, *, account: str, new_nonce: str) -> Said:
        """A signed POST; without a body it is a GET. With `account` empty the key signs by itself, as a new account's.

        A nonce that the CA no longer takes is got anew, a bounded number of times: that is no refusal.
        """
        self._net.account = messages.RegistrationResource(uri=account) if account else None
        wrapped = None if body is None else _Body(body)
        for _ in range(_NONCE_TRIES):
            try:
                return _said(self._net.post(url, wrapped, new_nonce_url=new_nonce))
            except messages.Error as error:
                if error.code != "badNonce":
                    self._failed(error)
            except (acme.errors.Error, requests.RequestException) as error:
                self._failed(error)
        raise Transient(f"{self._ca} takes none of the nonces that it gives")

    def _failed(self, error: Exception) -> NoReturn:
        last = self._net.last
        if last is None or isinstance(error, requests.RequestException):
            raise Unanswered(f"{self._ca} does not answer: {type(error).__name__}") from None
        raise self._refusal(last) from None

    def _refusal(self, answer: requests.Response) -> DogovorError:
        try:
            problem = Problem.model_validate_json(answer.content)
        except ValidationError:
            problem = Problem(detail=f"HTTP {answer.status_code}")
        text = f"{self._ca}: {problem.text}"
        if answer.status_code == _TOO_MANY or problem.code == "rateLimited":
            return Transient(text, retry_after=retry_after(answer))
        if answer.status_code >= _BROKEN or answer.ok:
            return Broken(text, retry_after=retry_after(answer))
        return Problematic(reason_of(problem, answer.status_code), text, problem.code)


class Unanswered(Transient):
    """Raised where nothing came back: the request may or may not have arrived."""


class Broken(Transient):
    """Raised where the server failed in the middle of it (5xx), or answered something that is no ACME."""


class Problematic(Refused):
    """A refusal with the CA's own code of it, such as `alreadyRevoked`; empty where it gave none."""

    def __init__(self, reason: str, detail: str, code: str) -> None:
        super().__init__(reason, detail)
        self.code = code


def reason_of(problem: Problem, status: int = 0) -> str:
    """The word for a problem, from those of the protocol."""
    if status == _NOT_FOUND:
        return "gone"
    codes = [problem.code, *(each.code for each in problem.subproblems)]
    return next((_REASONS[code] for code in codes if code in _REASONS), "ca")


def retry_after(answer: requests.Response) -> timedelta | None:
    """How long the server asks us to wait, a day at most; by its own clock where it names a moment."""
    text = answer.headers.get("Retry-After", "")
    if text.isdecimal() and text.isascii():
        return min(timedelta(seconds=int(text[:_DIGITS])), _DAY)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(answer.headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), _DAY)


def _said(answer: requests.Response) -> Said:
    following = answer.links.get("next", {}).get("url", "")
    return Said(answer.text, answer.headers.get("Location", ""), retry_after(answer), following)
