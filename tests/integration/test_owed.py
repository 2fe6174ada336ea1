"""What is owed soon is listed, what is owed later is counted; a warning comes when it was asked for."""

from __future__ import annotations

from datetime import timedelta

from blocks.ledger import Obligation, transaction
from blocks.office import Office
from blocks.terms.base import Deadline
from tasks.obligations import SOON, open_obligation, owed, watch
from tests.purge_work import every
from tests.work import DAY, NOW


def test_the_list_of_what_is_owed_is_not_drowned_by_what_is_due_in_years(office: Office) -> None:
    with transaction(office.sessions) as session:
        for number, due in enumerate((NOW - DAY, NOW + SOON, NOW + SOON + timedelta(seconds=1), NOW + 900 * DAY)):
            deadline = Deadline(due=due, zone="Europe/Moscow")
            open_obligation(session, clause="X-1", subject=f"s{number}", what="do", deadline=deadline, now=NOW)
    listed, later = owed(office.sessions, now=NOW)
    assert [(one.subject, one.breached) for one in listed] == [("s0", True), ("s1", False)]
    assert later == 2
    assert owed(office.sessions, now=NOW, limit=1)[1] == 3


def test_a_warning_comes_at_the_moment_that_was_asked_for_and_not_before(office: Office) -> None:
    deadline, warn_at = Deadline(due=NOW + 10 * DAY, zone="Europe/Moscow"), NOW + 9 * DAY
    with transaction(office.sessions) as session:
        open_obligation(session, clause="X-1", subject="a", what="do", deadline=deadline, now=NOW, warn_at=warn_at)
        open_obligation(session, clause="X-1", subject="b", what="do", deadline=deadline, now=NOW)
    assert [row.warn_at for row in every(office, Obligation)] == [warn_at, NOW + 8 * DAY]
    assert watch(office.sessions, operator="o@example.test", now=NOW + 8 * DAY).warned == 1
    assert watch(office.sessions, operator="o@example.test", now=warn_at - timedelta(microseconds=1)).warned == 0
    assert watch(office.sessions, operator="o@example.test", now=warn_at).warned == 1
