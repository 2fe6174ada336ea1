"""The commands that need no server, run as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def dogovor(home: Path, *arguments: str, code: int = 0, stdin: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments],
        env={"DOGOVOR_HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        input=stdin,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.mark.clause("KS-4.2")
def test_ks_4_2_ask_prints_decision_source_and_reading(tmp_path: Path) -> None:
    facts = '{"contacts": 6, "agreed_on": "2024-03-01", "asked_on": "2026-11-22"}'
    answer = json.loads(dogovor(tmp_path, "ask", "KS-4.2", "--facts", facts, "--json"))
    assert answer["decision"]["amount"] == {"amount": "19990.00", "currency": "RUB"}
    assert answer["source"] == "App. 4"
    assert "frozen" in answer["decision"]["what"]
    assert answer["reading"].startswith("The yearly price is that of the day of the agreement")
    schema = json.loads(dogovor(tmp_path, "ask", "KS-4.2", "--schema"))
    assert set(schema["required"]) == {"contacts", "agreed_on", "asked_on"}


def test_ask_says_what_is_wrong_with_a_question(tmp_path: Path) -> None:
    assert "no clause KS-9.9" in dogovor(tmp_path, "ask", "KS-9.9", code=1)
    assert "no rule for clause SSL-8.3" in dogovor(tmp_path, "ask", "SSL-8.3", code=1)
    assert "contacts: Field required" in dogovor(tmp_path, "ask", "KS-4.1", code=1)
    assert "Invalid JSON" in dogovor(tmp_path, "ask", "KS-4.1", "--facts", "{", code=1)


def test_clauses_lists_every_clause_with_its_rule_and_tests(tmp_path: Path) -> None:
    rows = json.loads(dogovor(tmp_path, "clauses", "--json"))
    assert len(rows) == 126
    by_id = {row["id"]: row for row in rows}
    assert by_id["KS-4.2"]["rule"] == "blocks.terms.ks.yearly_price"
    assert by_id["KS-4.2"]["tests"] > 0
    assert by_id["SSL-8.3"]["planned"]
    assert not by_id["OT-10"]["planned"]


def test_an_order_is_checked_dry_then_stored_for_the_dispatcher(tmp_path: Path) -> None:
    order = {
        "order": "desk-1",
        "customer": {"kind": "person", "name": "Анна Примерова", "email": "anna@example.net"},
        "item": {"agreement": "KS", "contacts": 6},
    }
    text = json.dumps(order)
    assert "29989.00 RUB; nothing stored" in dogovor(tmp_path, "order", "-", "--dry-run", stdin=text)
    assert "stored" in dogovor(tmp_path, "order", "-", "--wait", "0", stdin=text)
    assert "stored" in dogovor(tmp_path, "order", "-", "--wait", "0", stdin=text)
    assert "customer" in dogovor(tmp_path, "order", "-", code=1, stdin='{"order": "x"}')


def test_doctor_says_what_to_mend(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "flows.cli", "doctor"],
        env={"DOGOVOR_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "DOGOVOR_YOOKASSA_URL": "http://127.0.0.1:9/v3"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 1
    assert "ok  ledger         sqlite, revision 0006" in told.stdout
    assert "ok  services       0 services, 0 vantage points, 0 runbooks" in told.stdout
    assert "BAD payments" in told.stdout
    assert "check DOGOVOR_YOOKASSA_URL" in told.stdout
    assert "BAD order sources" in told.stdout
