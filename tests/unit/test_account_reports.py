"""The act of destruction, the letters of registrations that end, and the operator's plan."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from jinja2 import UndefinedError

from blocks.terms.account_views import Destruction
from reports.account_destruction import _DESTROYED, _KEPT, destruction_act, destruction_json, destruction_pdf
from reports.account_plan import account_plan
from reports.notices import compose
from tasks.account_deletion import TABLES

MOMENT = "2026-12-05T21:00:00+00:00"
FACTS: dict[str, dict[str, Any]] = {
    "account_idle": {"name": "Анна", "active_at": MOMENT},
    "account_blocked": {"name": "Анна", "delete_at": MOMENT},
    "agreement_ends": {"name": "Анна", "ours": False, "ended_at": MOMENT, "destroyed_by": MOMENT},
    "account_refund": {"number": "QS-2026-000001", "amount": "2335.11 RUB", "due": MOMENT},
    "account_kept": {"customer": 7, "reasons": ["T-2026-000001 is open", "payment 3 is disputed"]},
}


def view(**changes: Any) -> Destruction:
    return Destruction.model_validate(
        {
            "customer": 7,
            "clause": "QS-8.3",
            "ended_at": MOMENT,
            "due_at": "2026-12-12T21:00:00+00:00",
            "destroyed_at": "2026-12-06T01:00:00+00:00",
            "counts": {"customers": 1, "notices": 12},
            "kept": {"orders": 2, "accounting_documents": 1},
            "copies_until": date(2026, 12, 12),
            "provider": "Исполнитель",
            **changes,
        }
    )


@pytest.mark.parametrize("kind", FACTS)
def test_each_letter_says_what_it_is_about(kind: str) -> None:
    composed = compose(kind, FACTS[kind], has_secret=False)
    assert composed.subject
    assert "{" not in composed.subject + composed.body


@pytest.mark.parametrize(("kind", "missing"), [(kind, name) for kind, facts in FACTS.items() for name in facts])
def test_a_letter_without_one_of_its_facts_is_not_composed(kind: str, missing: str) -> None:
    facts = {name: value for name, value in FACTS[kind].items() if name != missing}
    with pytest.raises(UndefinedError):
        compose(kind, facts, has_secret=False)


@pytest.mark.clause("QS-8.2")
def test_qs_8_2_only_our_own_leaving_promises_money_back() -> None:
    theirs = compose("agreement_ends", FACTS["agreement_ends"], has_secret=False).body
    ours = compose("agreement_ends", FACTS["agreement_ends"] | {"ours": True}, has_secret=False).body
    assert "пропорционально" not in theirs
    assert "пропорционально" in ours
    assert "06.12.2026 00:00 МСК" in theirs


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_the_act_is_the_same_bytes_for_the_same_destruction() -> None:
    assert destruction_act(view()) == (destruction_pdf(view()), destruction_json(view()))
    assert destruction_pdf(view()) == destruction_pdf(view())
    assert destruction_pdf(view()) != destruction_pdf(view(customer=8))
    assert Destruction.model_validate(json.loads(destruction_json(view()))) == view()


@pytest.mark.parametrize("clause", ["QS-8.3", "QS-3.6.1"])
def test_the_act_has_words_for_every_table_and_everything_that_stays(clause: str) -> None:
    everything = view(clause=clause, counts=dict.fromkeys(_DESTROYED, 1), kept=dict.fromkeys(_KEPT, 1))
    assert destruction_pdf(everything).startswith(b"%PDF")
    assert set(_DESTROYED) == set(TABLES)


def test_a_plan_says_whether_it_was_a_dry_run() -> None:
    assert account_plan([], dry_run=True) == "Nothing was changed: a dry run. No registration is due.\n"
    done = account_plan([("7", "block", "")], dry_run=False)
    assert done.startswith("Done.")
    assert "| 7 | block |" in done
