"""The register of clauses, its rules, and asking them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.errors import NotFound
from blocks.terms import ks
from blocks.terms.base import Clause, Decision, Kept, Verdict, ask, clause, clauses, rule, rules
from flows.cli import coverage

MOMENT = "2026-11-22T12:00:00+03:00"
RUB = {"amount": "990.00", "currency": "RUB"}
BYN = {"amount": "67.00", "currency": "BYN"}

WORKS: dict[str, Any] = {
    "kind": "planned",
    "start": MOMENT,
    "end": "2026-11-22T15:00:00+03:00",
    "proposed_at": "2026-11-01T12:00:00+03:00",
    "agreements": ["KS", "OCP"],
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "KS-3.1": {"year": 2026, "as_of": MOMENT},
    "KS-3.2": {"resolved": True, "reachable": False},
    "KS-3.9": {"cause": "closed ports"},
    "KS-3.11": {"electronic": True, "substance": "no sound", "time": "at ten", "actions_before": "none"},
    "KS-3.4": {"received_at": MOMENT},
    "KS-3.6": {"discovered_at": MOMENT},
    "KS-3.13": {"protocol": "tcp", "port": 5222},
    "QS-3.5.3a": {"ended_at": MOMENT},
    "QS-3.5.3b": {"ended_at": MOMENT},
    "QS-3.6.1": {"last_active_at": MOMENT, "now": MOMENT},
    "QS-3.5.4": {
        "asked_by": "Анна Примерова",
        "decided_by": "О. Петрова",
        "need": "Разобрать жалобу клиента",
        "hours": 8,
        "at": MOMENT,
    },
    "QS-3.8.3": {"russian_citizens": True, "country": "KZ"},
    "OCP-P2.8b": {"ended_at": MOMENT},
    "OCP-3.2.6": {"rendered_on": "2026-11-22", "now": MOMENT},
    "OCP-P4": {
        "row": {"code": "TV", "title": "Телевидение", "version": [{"since": "2026-01-01", "price": "990.00"}]},
        "day": "2026-11-22",
    },
    "OCP-P5.1": {"month": "2026-11", "lines": []},
    "OCP-P5.2": {"month": "2026-11"},
    "OCP-P5.3": {},
    "OCP-P5.4": {
        "income": {"amount": "1000.00", "currency": "KZT"},
        "fee": {"amount": "200.00", "currency": "KZT"},
    },
    "SSL-4.4": {"paid_at": MOMENT, "complete_at": MOMENT},
    "SSL-4.5": {"correction": "name a domain that exists"},
    "SSL-4.6": {"received_at": MOMENT, "now": MOMENT},
    "SSL-4.7": {"ca": "refused"},
    "SSL-5.1": {"paid_at": MOMENT},
    "SSL-5.2": {"known_at": MOMENT, "paid": BYN, "fraud": False},
    "SSL-6.1": {"claimed": BYN, "paid": BYN},
    "SSL-7.2": {"account": "100042", "payer": "ООО Пример", "presented_at": MOMENT},
    "SSL-7.3": {"way": "account", "price": BYN, "money": BYN},
    "SSL-7.5": {"handed_over_at": MOMENT},
    "SSL-7.6": {"month": "2026-11"},
    "SSL-7.8": {"by": "customer", "paid": BYN},
    "SSL-A1": {"product": "alphassl", "resident": True, "currency": "BYN", "paid_on": "2026-11-22"},
    "SSL-A1b": {"product": "positivessl", "names": ["example.com"]},
    "OCP-P3.2.9": {"start": MOMENT},
    "OCP-P3.2.10": {},
    "OCP-P3.3": {"year": 2026, "quarter": 4, "resource": "power", "as_of": MOMENT},
    "OCP-P3.5": {"last_probe_at": MOMENT, "now": MOMENT},
    "OCP-3.2.3": {"received_at": MOMENT},
    "OCP-P3.4": {"received_at": MOMENT},
    "OCP-P3.7.1": {"received_at": MOMENT},
    "OCP-P3.7.3": {"registered_at": MOMENT, "priority": 2},
    "OT-1": {"year": 2026, "group": "ОВВ", "as_of": MOMENT},
    "OT-2": {"main_group": "ОВВ", "down": []},
    "OT-3": {"start": MOMENT, "first_ticket_at": MOMENT, "now": "2026-11-22T15:00:00+03:00"},
    "OT-10": {"last_copy_at": MOMENT},
    "OT-11": {"kind": "technical", "level": 1, "language": "uk"},
    "OT-12": {"declared_at": MOMENT},
    "OT-4": {"counted_from": MOMENT},
    "OT-5": {"counted_from": MOMENT},
    "OT-6": {"received_at": MOMENT},
    "OT-7": {"escalated_at": MOMENT, "reason": "calls are lost"},
    "OT-8": {"first_open": None},
    "OT-9": {"had_ticket": True},
    "KS-3.7": WORKS,
    "KS-3.8": {"swap_at": MOMENT},
    "KS-3.12": WORKS,
    "OCP-3.2.7": WORKS,
    "OCP-3.2.8": WORKS,
    "OCP-P3.2.5": WORKS,
    "OCP-P3.T1": WORKS,
    "OCP-P3.2.6": WORKS,
    "OCP-P3.2.7a": WORKS,
    "OCP-P3.2.7b": WORKS,
    "OCP-P3.2.7c": WORKS,
    "OCP-P3.7.2": WORKS,
    "QS-5.2.2": WORKS,
    "KS-1.3": {"received_at": MOMENT},
    "KS-1.4": {"delivery": "electronic"},
    "KS-1.5": {"channel": "email", "delivery_proven": True},
    "KS-2.1": {"delivery": "electronic", "sent": True},
    "KS-2.2": {"request": "lost"},
    "KS-2.3": {"contacts": 6, "domain": "k000001.example.net"},
    "KS-2.4": {"contacts": 6, "domain": "k000001.example.net"},
    "KS-2.5": {"contacts": 6, "domain": "k000001.example.net"},
    "KS-2.6": {"version": "TLSv1.3", "bits": 256},
    "KS-2.7": {"offered_in_clear": False},
    "KS-2.8": {},
    "KS-2.9": {"asked_at": MOMENT},
    "KS-3.5": {"contacts": 50},
    "KS-3.10a": {"outages": [], "yearly_price": RUB},
    "KS-3.10b": {"outages": [{"began_at": MOMENT, "ended_at": "2026-11-22T15:00:00+03:00"}], "yearly_price": RUB},
    "KS-3.10c": {"yearly_price": RUB, "recording": True, "addresses": True, "ports": True, "cipher": True},
    "KS-4.1": {"contacts": 6, "ordered_on": "2026-11-22"},
    "KS-4.2": {"contacts": 6, "agreed_on": "2024-03-01", "asked_on": "2026-11-22"},
    "KS-4.3": {"contacts": 50},
    "QS-3.2.1": {"email": "ivan@example.net", "full_name": "Иванов Иван", "password_hashed": True},
    "QS-3.2.2": {"free": True, "created_at": MOMENT},
    "QS-3.3.1": {"from_project": "p1", "to_project": "p2", "what": "token"},
    "QS-3.4.1": {"limit": 1000, "used": 999, "of": "messages"},
    "QS-4.1.1": {"tariff": "start", "months": 3, "paid_on": "2026-11-22"},
    "QS-4.1.3": {"published_at": MOMENT, "notified_at": MOMENT, "holds_from": "2026-12-31"},
    "QS-4.2.1": {"price": RUB, "received": RUB},
    "QS-4.2.2": {"begins_at": MOMENT, "months": 3},
    "QS-4.2.3": {"payer": "company"},
    "QS-4.3.1": {"paid_until": MOMENT, "now": MOMENT},
    "QS-4.3.2": {
        "paid": RUB,
        "period_over": True,
        "access_given_at_any_time": False,
        "cause_is_ours": True,
        "monitoring_confirms": True,
    },
    "QS-4.4.2": {"active_free_projects": 0},
    "QS-4.5.1": {"limit": 1000, "used": 800, "of": "connections"},
    "QS-6.2.3": {"claimed": RUB, "paid_in_last_12_months": RUB},
    "QS-6.3.5": {"unpaid": RUB, "due_on": "2026-11-20", "paid_on": "2026-11-22"},
    "QS-6.4": {"began_at": MOMENT, "now": MOMENT},
    "QS-8.2": {
        "who": "provider",
        "noticed_at": MOMENT,
        "ends_on": "2026-12-06",
        "period_from": MOMENT,
        "period_until": "2027-02-22T12:00:00+03:00",
        "paid": RUB,
    },
    "QS-8.3": {"ended_at": MOMENT},
    "QS-10.1": {},
    "QS-11.2": {"received_at": MOMENT},
    "QS-12.4": {"channel": "email", "sent_at": MOMENT},
}
NEEDING_FACTS = [clause_id for clause_id, facts in EXAMPLES.items() if facts]
WITH_MOMENTS = [clause_id for clause_id, facts in EXAMPLES.items() if "+03:00" in json.dumps(facts)]


def test_the_register_has_126_clauses_of_five_agreements() -> None:
    assert len(clauses()) == 126
    assert len({found.agreement for found in clauses().values()}) == 5


def test_every_id_of_the_register_is_unique_and_names_its_agreement() -> None:
    ids = list(clauses())
    assert len(set(ids)) == len(ids)
    assert all(found.id == clause_id for clause_id, found in clauses().items())
    assert all(found.id.startswith(f"{found.agreement}-") for found in clauses().values())


def test_every_clause_has_a_source_and_a_line() -> None:
    assert [c.id for c in clauses().values() if not (c.source.strip() and c.line.strip())] == []


def test_the_rule_of_every_clause_is_in_the_register_and_not_planned() -> None:
    assert [clause_id for clause_id in rules() if clause_id not in clauses()] == []
    assert [clause_id for clause_id in rules() if clauses()[clause_id].planned] == []


def test_every_rule_stands_under_its_own_clause() -> None:
    assert all(found.clause == clause_id for clause_id, found in rules().items())


def test_every_rule_says_how_it_reads_its_clause() -> None:
    assert [clause_id for clause_id, found in rules().items() if len(found.reading.split()) < 5] == []
    assert [clause_id for clause_id, found in rules().items() if not (found.facts.__doc__ or "").strip()] == []


def test_every_clause_that_is_kept_automatically_has_a_test() -> None:
    counts = coverage.tests_by_clause()
    kept = [c for c in clauses().values() if c.kept is Kept.AUTOMATIC and not c.planned]
    assert kept
    assert [c.id for c in kept if not counts[c.id]] == []


def test_every_clause_that_code_stands_for_has_a_test() -> None:
    counts = coverage.tests_by_clause()
    assert [c.id for c in clauses().values() if not c.planned and not counts[c.id]] == []


def test_no_test_names_a_clause_that_does_not_exist() -> None:
    assert sorted(set(coverage.tests_by_clause()) - set(clauses())) == []


def test_every_rule_has_an_example_here_and_every_example_a_rule() -> None:
    assert set(EXAMPLES) == set(rules())


@pytest.mark.parametrize("clause_id", EXAMPLES)
def test_every_rule_answers_for_its_own_clause(clause_id: str) -> None:
    answer = ask(clause_id, EXAMPLES[clause_id])
    assert answer.decision.clause == clause_id
    assert answer.decision.what.strip()
    assert answer.source == clauses()[clause_id].source
    assert answer.line == clauses()[clause_id].line
    assert answer.reading == rules()[clause_id].reading


@pytest.mark.parametrize("clause_id", EXAMPLES)
def test_json_text_and_a_mapping_get_the_same_answer(clause_id: str) -> None:
    assert ask(clause_id, json.dumps(EXAMPLES[clause_id])) == ask(clause_id, EXAMPLES[clause_id])


@pytest.mark.parametrize("clause_id", EXAMPLES)
def test_a_decision_survives_json(clause_id: str) -> None:
    decision = ask(clause_id, EXAMPLES[clause_id]).decision
    again = Decision.model_validate_json(decision.model_dump_json())
    assert again == decision
    assert [type(value) for value in again.values.values()] == [type(value) for value in decision.values.values()]


@pytest.mark.parametrize("clause_id", EXAMPLES)
def test_an_example_is_minimal(clause_id: str) -> None:
    for left_out in EXAMPLES[clause_id]:
        with pytest.raises(ValidationError):
            ask(clause_id, {name: value for name, value in EXAMPLES[clause_id].items() if name != left_out})


@pytest.mark.parametrize("clause_id", EXAMPLES)
def test_an_unknown_fact_is_refused(clause_id: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        ask(clause_id, {**EXAMPLES[clause_id], "mood": "good"})


@pytest.mark.parametrize("clause_id", NEEDING_FACTS)
def test_a_rule_without_its_facts_refuses_to_answer(clause_id: str) -> None:
    with pytest.raises(ValidationError, match="Field required"):
        ask(clause_id, {})


@pytest.mark.parametrize("clause_id", WITH_MOMENTS)
def test_a_moment_without_a_zone_is_refused(clause_id: str) -> None:
    with pytest.raises(ValidationError, match="timezone"):
        ask(clause_id, json.dumps(EXAMPLES[clause_id]).replace("+03:00", ""))


@pytest.mark.parametrize("clause_id", WITH_MOMENTS)
def test_the_same_instant_in_another_zone_gets_the_same_decision(clause_id: str) -> None:
    moved = (
        json.dumps(EXAMPLES[clause_id])
        .replace("2026-11-22T12:00:00+03:00", "2026-11-22T09:00:00Z")
        .replace("2026-11-22T15:00:00+03:00", "2026-11-22T17:00:00+05:00")
        .replace("2026-11-01T12:00:00+03:00", "2026-11-01T10:00:00+01:00")
        .replace("2027-02-22T12:00:00+03:00", "2027-02-21T23:00:00-10:00")
    )
    assert "+03:00" not in moved
    assert ask(clause_id, moved).decision == ask(clause_id, EXAMPLES[clause_id]).decision


@pytest.mark.parametrize("text", ["", "[]", '"KS-4.1"', "null", "{", "{'contacts': 6}"])
def test_facts_that_are_no_json_object_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        ask("KS-4.1", text)


EUR = {"amount": "990.00", "currency": "EUR"}


@pytest.mark.parametrize(
    ("clause_id", "facts"),
    [
        ("QS-4.2.1", {"price": RUB, "received": EUR}),
        ("QS-6.2.3", {"claimed": EUR, "paid_in_last_12_months": RUB}),
        ("QS-6.2.3", {"claimed": RUB, "paid_in_last_12_months": EUR}),
        ("SSL-6.1", {"claimed": EUR, "paid": BYN}),
        ("SSL-7.3", {"way": "account", "price": BYN, "money": EUR}),
        (
            "OCP-P5.1",
            {
                "month": "2026-11",
                "lines": [{"state": "paid", "net": RUB, "begins_on": "2026-11-01", "ends_on": "2026-11-30"}],
            },
        ),
    ],
)
def test_facts_in_a_currency_that_the_rule_cannot_compare_are_refused_as_bad_facts(
    clause_id: str, facts: Mapping[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        ask(clause_id, facts)


@pytest.mark.parametrize(
    ("clause_id", "facts"),
    [
        ("KS-1.3", {"received_at": "0001-01-01T00:00:00+14:00"}),
        ("KS-1.3", {"received_at": "9999-12-31T23:59:00-12:00"}),
        ("KS-1.3", {"received_at": "9999-12-31T12:00:00Z"}),
        ("QS-11.2", {"received_at": "9999-12-31T12:00:00Z"}),
        ("QS-4.2.2", {"begins_at": "9999-12-31T12:00:00Z", "months": 1}),
        ("QS-8.3", {"ended_at": "9999-12-31T12:00:00Z"}),
        ("OCP-3.2.6", {"rendered_on": "9999-12-31", "now": MOMENT}),
        ("OCP-3.2.6", {"rendered_on": "1999-12-31", "now": MOMENT}),
        ("OCP-P5.2", {"month": "1999-12"}),
        ("SSL-7.6", {"month": "2026-13"}),
        ("OCP-P5.3", {"signed_by_us_at": "9999-12-31T12:00:00Z", "signed_by_operator_at": MOMENT}),
    ],
)
def test_moments_at_the_edge_of_the_calendar_are_refused_as_bad_facts(clause_id: str, facts: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ask(clause_id, facts)


def test_an_absurd_amount_is_refused_as_a_bad_fact() -> None:
    with pytest.raises(ValidationError):
        ask("QS-4.2.1", {"price": {"amount": "1E+9999999", "currency": "RUB"}, "received": RUB})


@pytest.mark.parametrize("clause_id", ["", "KS-9.9", "ks-4.1", "KS-4.1 "])
def test_an_unknown_clause_is_not_found(clause_id: str) -> None:
    with pytest.raises(NotFound, match="no clause"):
        ask(clause_id, EXAMPLES["KS-4.1"])
    with pytest.raises(NotFound):
        clause(clause_id)


def test_a_clause_without_a_rule_is_not_found() -> None:
    assert clause("SSL-8.3").planned
    with pytest.raises(NotFound, match="rule for clause"):
        ask("SSL-8.3", {})


def test_a_clause_is_found_by_its_id() -> None:
    found = clause("KS-4.1")
    assert isinstance(found, Clause)
    assert (found.agreement, found.kept, found.planned) == ("KS", Kept.AUTOMATIC, False)


def test_a_clause_has_one_rule() -> None:
    with pytest.raises(ValueError, match="two rules"):
        rule("KS-4.1", ks.PriceFacts)(ks.price)


def test_a_rule_that_does_not_say_how_it_reads_its_clause_is_refused() -> None:
    with pytest.raises(ValueError, match="does not say"):
        rule("KS-0.0", ks.PriceFacts)(lambda _: Decision(clause="KS-0.0", verdict=Verdict.ALLOWED, what="nothing"))
    assert "KS-0.0" not in rules()


def test_the_register_and_its_rules_cannot_be_changed_from_outside() -> None:
    register: Any = clauses()
    registered: Any = rules()
    with pytest.raises(TypeError):
        register["KS-0.0"] = clause("KS-4.1")
    with pytest.raises(TypeError):
        registered["KS-0.0"] = registered["KS-4.1"]


def test_a_decision_cannot_be_changed() -> None:
    decision: Any = ask("KS-4.1", EXAMPLES["KS-4.1"]).decision
    with pytest.raises(ValidationError):
        decision.verdict = Verdict.REFUSED


@pytest.mark.parametrize(
    ("verdict", "allowed"),
    [
        (Verdict.ALLOWED, True),
        (Verdict.DUE, True),
        (Verdict.OWED, True),
        (Verdict.ACTION, True),
        (Verdict.REFUSED, False),
        (Verdict.PERSON, False),
    ],
)
def test_only_a_refusal_and_what_a_person_decides_stop_a_thing(verdict: Verdict, allowed: bool) -> None:
    assert Decision(clause="KS-4.1", verdict=verdict, what="asked").allowed is allowed


def test_a_reading_is_plain_text_without_indentation() -> None:
    assert all(not re.search(r"\n ", found.reading) for found in rules().values())
