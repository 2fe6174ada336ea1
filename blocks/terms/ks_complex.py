"""KeepSecrets (KS): what servers must offer, the limits of mail and calls, what proves an activation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from blocks.terms.base import Decision, Frozen, Moment, Verdict, rule
from blocks.terms.deadlines import in_calendar_days, local_date
from blocks.terms.ks import ZONE
from blocks.terms.policy import ORDER_POLICY

FEWEST_BITS = 256
MAIL_MB, CALL_SECONDS = 10, 3600
VERSIONS = ("TLSv1.2", "TLSv1.3")


class SecurityFacts(Frozen):
    """What a connection was agreed on: the version of TLS, empty for none, and the bits of the cipher's key."""

    version: str = Field(examples=["TLSv1.3"])
    bits: int = Field(ge=0, examples=[256])


@rule("KS-2.6", SecurityFacts)
def connection_is_secure(facts: SecurityFacts) -> Decision:
    """Every protocol runs on TLS 1.2 or 1.3 with ciphers of 256 bits or more.

    The agreement's floor is TLS 1.1, which no current client needs; ours is 1.2. A cipher's bits are those of its
    symmetric key: AES-256 and ChaCha20 pass, AES-128 does not, whatever the hash.
    """
    good = facts.version in VERSIONS and facts.bits >= FEWEST_BITS
    seen = f"{facts.version or 'no TLS'}, {facts.bits} bits"
    verdict = Verdict.ALLOWED if good else Verdict.REFUSED
    return Decision(clause="KS-2.6", verdict=verdict, what=seen)


class LoginFacts(Frozen):
    """When a server offered to take a password: before TLS, after it, or both."""

    offered_in_clear: bool
    offered_under_tls: bool = True


@rule("KS-2.7", LoginFacts)
def login_is_secure(facts: LoginFacts) -> Decision:
    """SASL is offered only once STARTTLS is done (or TLS came first), so that no password crosses in clear.

    A PLAIN login under TLS is allowed: the line is enciphered. A mechanism that is merely announced in clear is
    refused, for a client would try it.
    """
    good = facts.offered_under_tls and not facts.offered_in_clear
    what = "SASL under TLS alone" if good else "SASL in clear" if facts.offered_in_clear else "no SASL under TLS"
    return Decision(clause="KS-2.7", verdict=Verdict.ALLOWED if good else Verdict.REFUSED, what=what)


class StatementFacts(Frozen):
    """A customer's request for the software that serves it, and when it came."""

    asked_at: Moment


@rule("KS-2.9", StatementFacts)
def software_statement(facts: StatementFacts) -> Decision:
    """On request the customer is told the software and its versions, as its running servers state them.

    The clause gives no term; ours is `statement_days` calendar days, Moscow.
    """
    policy = ORDER_POLICY.on(local_date(facts.asked_at, ZONE))
    deadline = in_calendar_days(facts.asked_at, policy.statement_days, ZONE)
    return Decision(clause="KS-2.9", verdict=Verdict.DUE, what="state the software and its versions", deadline=deadline)


class LimitFacts(Frozen):
    """A package, and what its order wishes: the largest e-mail in MB (10^6 is not meant: 2^20), the longest call."""

    contacts: int = Field(ge=1, examples=[50])
    mail_mb: int | None = Field(default=None, ge=1, le=100, examples=[25])
    call_seconds: int | None = Field(default=None, ge=0, le=86_400, examples=[0])


@rule("KS-3.5", LimitFacts)
def limits(facts: LimitFacts) -> Decision:
    """An e-mail is at most 10 MB, more on a dedicated server on request; a call at most 3600 s, liftable on request.

    10 MB are 10 * 2^20 bytes of the message as its sender made it; what servers on the way add to the headers does not
    count. We lift calls on dedicated servers alone, because shared ones carry everybody's; 0 seconds is no limit.
    A wish for less is granted anywhere.
    """
    mail, call = facts.mail_mb or MAIL_MB, CALL_SECONDS if facts.call_seconds is None else facts.call_seconds
    dedicated = facts.contacts in (50, 100)
    lifted = mail > MAIL_MB or call == 0 or call > CALL_SECONDS
    return Decision(
        clause="KS-3.5",
        verdict=Verdict.REFUSED if lifted and not dedicated else Verdict.ALLOWED,
        what="limits are lifted on a dedicated server alone"
        if lifted and not dedicated
        else "limits of mail and calls",
        values={"mail_bytes": mail * 2**20, "call_seconds": call},
    )


class ProofKind(StrEnum):
    """What a client's own protocol proves of a contact, or of a whole complex."""

    XMPP = "xmpp"
    XMPP_MESSAGE = "xmpp-message"
    XMPP_UPLOAD = "xmpp-upload"
    IMAP = "imap"
    SUBMISSION = "submission"
    MAIL = "mail-delivery"
    SIP = "sip"
    SIP_CALL = "sip-call"
    TLS = "tls"
    DNS = "dns"


OF_EACH = (
    ProofKind.XMPP,
    ProofKind.XMPP_MESSAGE,
    ProofKind.IMAP,
    ProofKind.SUBMISSION,
    ProofKind.MAIL,
    ProofKind.SIP,
)
OF_ONE = (ProofKind.XMPP_UPLOAD, ProofKind.SIP_CALL)
OF_ALL = (ProofKind.TLS, ProofKind.DNS)


class Want(NamedTuple):
    """A proof that is wanted: of a contact by its name, or of the whole complex under the empty name."""

    contact: str
    kind: ProofKind


class Proof(Frozen):
    """What one verification saw. `detail` is one line; `facts` name version of TLS, cipher, mechanism and the like."""

    contact: str
    kind: ProofKind
    ok: bool
    detail: str = Field(max_length=300)
    facts: dict[str, str] = Field(default_factory=dict)

    @property
    def want(self) -> Want:
        """The want that this answers."""
        return Want(self.contact, self.kind)


def wanted(contacts: Sequence[str], proven: Collection[Want] = ()) -> list[Want]:
    """What is still to be proven before a complex is active (KS-2.3, KS-2.4, KS-2.5, KS-2.6).

    Each contact logs in everywhere and exchanges a message and a letter with another; the first uploads a file and
    calls the second; ports, ciphers and names are proven of the whole.
    """
    wants = [Want(contact, kind) for contact in contacts for kind in OF_EACH]
    wants += [Want(contacts[0], kind) for kind in OF_ONE]
    wants += [Want("", kind) for kind in OF_ALL]
    return [want for want in wants if want not in proven]
