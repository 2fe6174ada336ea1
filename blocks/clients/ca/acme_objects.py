"""What an ACME server (RFC 8555) answers, as far as we read it. Times are aware; an unknown word stays a word."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from blocks.clients.ca.protocol import OrderState
from blocks.terms.base import Moment

DNS_01 = "dns-01"
OVER = frozenset({"expired", "deactivated", "revoked"})
"""States of what proves nothing any more."""
_PREFIX = "urn:ietf:params:acme:error:"


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Identifier(_Answer):
    """A name; that of a wildcard stands without its star in an authorization."""

    type: str = "dns"
    value: str = ""


class Problem(_Answer):
    """Why something was refused (RFC 9457), for one name of several where `identifier` is set."""

    type: str = ""
    detail: str = ""
    identifier: Identifier | None = None
    subproblems: tuple[Problem, ...] = ()

    @property
    def code(self) -> str:
        """The ACME error without its prefix, such as `caa`; empty for any other type."""
        return self.type.removeprefix(_PREFIX) if self.type.startswith(_PREFIX) else ""

    @property
    def text(self) -> str:
        """The CA's own words, with those for each name."""
        parts = [f"{each.identifier.value}: {each.text}" if each.identifier else each.text for each in self.subproblems]
        return "; ".join([self.detail or self.code or self.type or "no reason given", *parts])


class Challenge(_Answer):
    """One way to prove a name."""

    type: str
    url: str
    status: str = "pending"
    token: str = ""
    error: Problem | None = None


class Authorization(_Answer):
    """A name that is to be proven, or is."""

    identifier: Identifier
    status: str
    challenges: tuple[Challenge, ...] = ()

    @property
    def dns(self) -> Challenge | None:
        """Its DNS-01 challenge."""
        return next((each for each in self.challenges if each.type == DNS_01), None)


class Order(_Answer):
    """An order, at the state that it had when it was asked for."""

    status: str
    expires: Moment | None = None
    identifiers: tuple[Identifier, ...] = ()
    authorizations: tuple[str, ...] = ()
    finalize: str = ""
    certificate: str = ""
    profile: str = ""
    error: Problem | None = None

    @property
    def state(self) -> OrderState:
        """Its state as the protocol names it; an unknown one is PROCESSING.

        Some servers say of an order what RFC 8555 says of its authorizations: that it expired, or was given up.
        """
        if self.status in OVER:
            return OrderState.INVALID
        return OrderState(self.status) if self.status in set(OrderState) else OrderState.PROCESSING


class Orders(_Answer):
    """A page of an account's orders: their addresses."""

    orders: tuple[str, ...] = ()


class Account(_Answer):
    """Our account; `url` comes from the answer's header. Some servers say no more of one that exists."""

    url: str = ""
    status: str = "valid"
    orders: str = ""


class _Meta(_Answer):
    terms_of_service: str = Field("", alias="termsOfService")
    caa_identities: tuple[str, ...] = Field((), alias="caaIdentities")
    eab: bool = Field(default=False, alias="externalAccountRequired")
    profiles: dict[str, str] = Field(default_factory=dict)


class Directory(_Answer):
    """Where things are at a CA; `renewal_info` is empty where it has no ARI."""

    new_nonce: str = Field(alias="newNonce")
    new_account: str = Field(alias="newAccount")
    new_order: str = Field(alias="newOrder")
    revoke_cert: str = Field(alias="revokeCert")
    renewal_info: str = Field("", alias="renewalInfo")
    meta: _Meta = _Meta()


class _Window(_Answer):
    start: Moment
    end: Moment


class RenewalInfo(_Answer):
    """When the CA suggests to renew (RFC 9773)."""

    window: _Window = Field(alias="suggestedWindow")
    explanation: str = Field("", alias="explanationURL")
