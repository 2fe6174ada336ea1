"""What servers must offer, the limits of mail and calls, and what proves an activation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from blocks.terms.ks_complex import (
    LimitFacts,
    LoginFacts,
    Proof,
    ProofKind,
    SecurityFacts,
    StatementFacts,
    Want,
    connection_is_secure,
    limits,
    login_is_secure,
    software_statement,
    wanted,
)


@pytest.mark.clause("KS-2.6")
@pytest.mark.parametrize(
    ("version", "bits", "secure"),
    [
        ("TLSv1.2", 256, True),
        ("TLSv1.3", 256, True),
        ("TLSv1.3", 257, True),
        ("TLSv1.3", 255, False),
        ("TLSv1.2", 128, False),
        ("TLSv1.1", 256, False),
        ("TLSv1", 256, False),
        ("SSLv3", 256, False),
        ("", 256, False),
        ("", 0, False),
    ],
)
def test_ks_2_6_every_protocol_runs_on_tls_1_2_with_256_bits_or_more(version: str, bits: int, *, secure: bool) -> None:
    decision = connection_is_secure(SecurityFacts(version=version, bits=bits))
    assert decision.allowed is secure
    assert str(bits) in decision.what


@pytest.mark.clause("KS-2.7")
@pytest.mark.parametrize(
    ("in_clear", "under_tls", "secure"),
    [(False, True, True), (True, True, False), (True, False, False), (False, False, False)],
)
def test_ks_2_7_a_login_is_offered_under_tls_and_nowhere_else(*, in_clear: bool, under_tls: bool, secure: bool) -> None:
    facts = LoginFacts(offered_in_clear=in_clear, offered_under_tls=under_tls)
    assert login_is_secure(facts).allowed is secure


@pytest.mark.clause("KS-2.9")
@pytest.mark.parametrize(
    ("asked", "due"),
    [
        (datetime(2026, 11, 20, 9, 0, tzinfo=UTC), datetime(2026, 11, 23, 21, 0, tzinfo=UTC)),
        (datetime(2026, 11, 20, 20, 59, 59, tzinfo=UTC), datetime(2026, 11, 23, 21, 0, tzinfo=UTC)),
        (datetime(2026, 11, 20, 21, 0, tzinfo=UTC), datetime(2026, 11, 24, 21, 0, tzinfo=UTC)),
    ],
)
def test_ks_2_9_a_statement_is_due_when_its_third_moscow_day_ends(asked: datetime, due: datetime) -> None:
    decision = software_statement(StatementFacts(asked_at=asked))
    assert decision.deadline is not None
    assert decision.deadline.due == due


@pytest.mark.clause("KS-3.5")
@pytest.mark.parametrize(
    ("contacts", "mail", "call", "allowed"),
    [
        (2, None, None, True),
        (20, 10, 3600, True),
        (20, 11, None, False),
        (20, None, 3601, False),
        (20, None, 0, False),
        (49, 11, None, False),
        (50, 11, 3601, True),
        (50, 100, 0, True),
        (100, 100, 86_400, True),
        (2, 1, 1, True),
    ],
)
def test_ks_3_5_limits_are_lifted_on_dedicated_servers_alone(
    contacts: int, mail: int | None, call: int | None, *, allowed: bool
) -> None:
    decision = limits(LimitFacts(contacts=contacts, mail_mb=mail, call_seconds=call))
    assert decision.allowed is allowed
    assert decision.values["mail_bytes"] == (mail or 10) * 1024 * 1024
    assert decision.values["call_seconds"] == (3600 if call is None else call)


@pytest.mark.clause("KS-3.5")
@pytest.mark.parametrize(("mail", "call"), [(0, None), (101, None), (None, -1), (None, 86_401)])
def test_ks_3_5_limits_beyond_all_bounds_are_refused_as_bad_facts(mail: int | None, call: int | None) -> None:
    with pytest.raises(ValidationError):
        LimitFacts(contacts=50, mail_mb=mail, call_seconds=call)


@pytest.mark.clause("KS-2.3", "KS-2.4", "KS-2.5")
@pytest.mark.parametrize("contacts", [2, 6, 100])
def test_ks_2_3_every_contact_is_wanted_in_every_protocol_and_the_whole_once(contacts: int) -> None:
    names = [f"c{n:03d}" for n in range(1, contacts + 1)]
    wants = wanted(names)
    assert len(wants) == len(set(wants)) == 6 * contacts + 4
    for kind in ("xmpp", "xmpp-message", "imap", "submission", "mail-delivery", "sip"):
        assert [want.contact for want in wants if want.kind.value == kind] == names
    assert {(want.contact, want.kind.value) for want in wants[-4:]} == {
        ("c001", "xmpp-upload"),
        ("c001", "sip-call"),
        ("", "tls"),
        ("", "dns"),
    }


def test_what_is_proven_is_wanted_no_more() -> None:
    every = wanted(["c001", "c002"])
    assert wanted(["c001", "c002"], every) == []
    assert wanted(["c001", "c002"], every[1:]) == every[:1]
    assert wanted(["c001", "c002"], [Want("c009", ProofKind.SIP)]) == every


def test_a_proof_answers_its_want_in_one_line_of_bounded_length() -> None:
    proof = Proof(contact="c001", kind=ProofKind.SIP, ok=True, detail="x" * 300)
    assert proof.want == Want("c001", ProofKind.SIP)
    with pytest.raises(ValidationError):
        Proof(contact="c001", kind=ProofKind.SIP, ok=True, detail="x" * 301)
