"""Access to logs, asked for and granted in Prefect's UI (QS-3.5.4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from blocks.ledger import LogGrant, LogGrantState, LogJournal, reading
from flows.cli.demo_play import Demo
from flows.cli.demo_stack import DemoStack
from tests.acceptance.prefect_api import api, resume, run_deployment, run_to_its_end, suspended, wait_run
from tests.conftest import eventually

pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.timeout(900)]
DAY = datetime.now(UTC).date().isoformat()
FORM = {
    "person": "Анна Примерова",
    "login": "anna",
    "need": "Разобрать жалобу клиента",
    "classes": ["qs-payload"],
    "project": "shop",
    "day_from": DAY,
    "day_to": DAY,
}


def asked(demo: Demo, need: str) -> LogGrant | None:
    with reading(demo.sessions) as session:
        return session.scalar(select(LogGrant).where(LogGrant.need == need))


def waiting(stack: DemoStack, number: str) -> str:
    """The run that waits for the decision on a request."""
    title = f"access {number}"
    eventually(lambda: len(suspended(stack, title)) == 1, within_s=120)
    return str(suspended(stack, title)[0]["id"])


def shown(stack: DemoStack) -> dict[str, Any]:
    (artifact,) = [row for row in api(stack, "/artifacts/latest/filter", {}) if row["key"] == "log-journal"]
    return dict(artifact)


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_access_is_granted_by_a_second_person_in_the_ui_and_taken_back(stack: DemoStack, demo: Demo) -> None:
    need = "Разобрать жалобу клиента в интерфейсе"
    assert run_to_its_end(stack, "request-log-access", {"form": FORM | {"need": need}}) == "Completed"
    grant = asked(demo, need)
    assert grant is not None
    run = waiting(stack, grant.number)
    assert resume(stack, run, {"approve": True}) == "REJECT", "nobody is named"
    own = {"operator": "анна  ПРИМЕРОВА", "reason": "мне нужно", "approve": True}
    eventually(lambda: resume(stack, run, own) == "ACCEPT", within_s=60)
    assert wait_run(stack, run, "Completed") == "Failed", "nobody decides on their own request"
    again = waiting(stack, grant.number)
    assert again != run
    answer = {"operator": "О. Петрова", "reason": "жалоба есть", "approve": True}
    eventually(lambda: resume(stack, again, answer) == "ACCEPT", within_s=60)
    assert wait_run(stack, again, "Completed") == "Completed"
    grant = asked(demo, need)
    assert grant is not None
    assert grant.state is LogGrantState.GRANTED
    assert shown(stack)["description"].startswith("1 grants in force, 0 wait")
    assert grant.number in shown(stack)["data"]
    form = {"grant": grant.number, "operator": "Б. Третий", "reason": "жалоба закрыта"}
    assert wait_run(stack, run_deployment(stack, "revoke-log-access", {"form": form}), "Completed") == "Completed"
    assert shown(stack)["description"].startswith("0 grants in force, 0 wait")
    with reading(demo.sessions) as session:
        kinds = session.scalars(select(LogJournal.kind).where(LogJournal.about == grant.number)).all()
    assert kinds == ["asked", "granted", "revoked"]


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_a_run_that_is_resumed_without_approval_declines(stack: DemoStack, demo: Demo) -> None:
    need = "Посмотреть журналы без причины"
    assert run_to_its_end(stack, "request-log-access", {"form": FORM | {"need": need}}) == "Completed"
    grant = asked(demo, need)
    assert grant is not None
    run = waiting(stack, grant.number)
    eventually(lambda: resume(stack, run, {"operator": "О. Петрова", "reason": "причины нет"}) == "ACCEPT", within_s=60)
    assert wait_run(stack, run, "Completed") == "Completed"
    grant = asked(demo, need)
    assert grant is not None
    assert grant.state is LogGrantState.DECLINED
    assert run_to_its_end(stack, "show-log-journal", {}) == "Completed"
    assert suspended(stack, f"access {grant.number}") == []
