"""A month taken as far as it goes, as the flows call it: what is given to the Operator, and what waits for people."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from blocks.errors import Refused
from blocks.ledger import Act, ActState, Document, Notice, NoticeState, Obligation, ObligationState, transaction
from blocks.office import Office
from blocks.terms.revenue import Cause, Way
from flows import revenue, revenue_month, runtime
from flows.revenue_month import Outcome, finish, split
from reports.act import act_pdf
from tasks.revenue_acts import open_month, reopen
from tasks.revenue_desk import missed_months
from tasks.revenue_draft import UNCHANGED
from tasks.revenue_forms import ReopenForm
from tasks.revenue_letters import send_again
from tests.revenue_work import (
    BASE,
    CLOUD,
    DAY,
    DEARER,
    KINO,
    MONDAY,
    MONTH,
    OURS,
    PERSON,
    act_row,
    all_of,
    in_month,
    letters,
    made,
    owed,
    record,
    report_and_make,
    say,
    take,
)

SEND_DATA = "send the Operator the data on invoices"


def run(office: Office, ref: str = MONTH, *, dry_run: bool = False, day: int = 0) -> Outcome:
    return split(office, ref, now=MONDAY + day * DAY, dry_run=dry_run, tell=lambda *_: None)


def reopened(office: Office) -> str:
    return reopen(office, ReopenForm(month=MONTH, reason="ошибка в строке", operator=PERSON), now=MONDAY + DAY)


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_a_month_without_lines_is_not_given_as_data_before_somebody_says_that_it_has_none(
    office: Office,
) -> None:
    open_month(office, MONTH, now=MONDAY)
    assert not run(office).made
    assert letters(office, "ocp_data") == []
    assert owed(office, SEND_DATA).state is ObligationState.OPEN  # type: ignore[union-attr]
    take(office, BASE, side="operator")
    run(office)
    assert letters(office, "ocp_data") == []
    say(office, Cause.MISSING_AT_US)
    assert run(office).made
    assert [letter.facts["lines"] for letter in letters(office, "ocp_data")] == [0]


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_data_is_given_while_differences_are_open(office: Office) -> None:
    open_month(office, MONTH, now=MONDAY)
    take(office, OURS)
    take(office, BASE, side="operator")
    assert not run(office).made
    assert owed(office, SEND_DATA).state is ObligationState.FULFILLED  # type: ignore[union-attr]


@pytest.mark.clause("OCP-P5.4")
def test_ocp_p5_4_a_reopened_month_waits_for_what_corrects_it(office: Office) -> None:
    open_month(office, MONTH, now=MONDAY)
    take(office, OURS)
    take(office, BASE + DEARER + CLOUD, side="operator")
    say(office, Cause.AMOUNT, Way.ACCEPTED, "L2")
    assert run(office).made
    ref = reopened(office)
    outcome = run(office, ref, day=1)
    assert (outcome.made, outcome.obstacles) == (False, (UNCHANGED,))
    assert act_row(office, ref).state is ActState.OPEN
    assert len(letters(office, "ocp_data")) == 1
    record(office, [KINO.replace("L2", "L9")])
    say(office, Cause.MISSING_AT_THEM, Way.EXPLAINED, "L9", ref=ref)
    assert run(office, ref, day=2).made
    assert act_row(office, ref).income_minor == 99000


def test_a_reopened_month_that_was_right_after_all_is_made_out_when_its_list_is_given_again(office: Office) -> None:
    made(office)
    ref = reopened(office)
    say(office, "no_list", ref=ref)
    assert run(office, ref, day=1).obstacles == (UNCHANGED,)
    take(office, OURS, ref=ref)
    assert run(office, ref, day=1).made
    assert act_row(office, ref).income_minor == 0


def test_a_dry_run_of_a_month_that_was_not_opened_writes_nothing(office: Office) -> None:
    record(office, [KINO])
    outcome = run(office, dry_run=True)
    assert "990,00" in outcome.markdown.replace("\xa0", " ")
    assert not outcome.made
    assert [all_of(office, table) for table in (Act, Obligation, Document, Notice)] == [[], [], [], []]


def test_a_month_that_is_made_out_goes_on_where_a_killed_run_left_it(office: Office) -> None:
    open_month(office, MONTH, now=MONDAY)
    take(office, OURS)
    say(office, "no_list")
    report_and_make(office)
    for _ in range(2):
        outcome = run(office, dry_run=True)
        assert (outcome.made, letters(office, "ocp_act")) == (True, [])
    for _ in range(2):
        outcome = run(office)
        assert (outcome.made, outcome.obstacles, "ОЦП-2026-0001" in outcome.markdown) == (True, (), True)
    assert len(letters(office, "ocp_act")) == 1


def morning(office: Office, monkeypatch: pytest.MonkeyPatch, at: datetime) -> list[str]:
    """follow-revenue without Prefect: its body, whose signatures nobody asks for."""

    async def split_month(ref: str, now: datetime, *, dry_run: bool) -> Outcome:
        return split(office, ref, now=now, dry_run=dry_run, tell=lambda *_: None)

    async def nobody(_: str) -> None:
        return None

    monkeypatch.setattr(runtime, "office", lambda: office)
    monkeypatch.setattr(revenue, "get_run_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr(revenue, "_split", split_month)
    monkeypatch.setattr(revenue, "_ask_signatures", nobody)
    return asyncio.run(revenue.follow_revenue.fn(as_of=at))


def test_a_month_that_cannot_go_on_keeps_no_other_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    made(office, in_month(BASE, "2026-08"), "2026-08")
    open_month(office, "2026-09", now=MONDAY)
    take(office, in_month(KINO, "2026-09"), ref="2026-09")
    record(office, [in_month(KINO, "2026-09")], "2026-09")  # the same line twice: refused as long as it stands
    open_month(office, MONTH, now=MONDAY)
    take(office, OURS)
    say(office, "no_list")
    with pytest.raises(Refused, match="2026-09") as refused:
        morning(office, monkeypatch, MONDAY + 7 * DAY)
    assert refused.value.reason == "acts"
    assert act_row(office).state is ActState.MADE
    assert len(letters(office, "ocp_act")) == 2
    assert [letter.about for letter in letters(office, "ocp_signature_late")] == ["2026-08"]


def test_an_act_whose_documents_fail_keeps_no_other_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for month in ("2026-09", MONTH):
        open_month(office, month, now=MONDAY)
        take(office, in_month(BASE, month), ref=month)
        say(office, "no_list", ref=month)
        report_and_make(office, month)
    render = act_pdf
    monkeypatch.setattr(revenue_month, "act_pdf", lambda act: render(act) if act.month == MONTH else 1 // 0)
    with pytest.raises(Refused, match="no documents of 2026-09"):
        finish(office, now=MONDAY)
    [letter] = letters(office, "ocp_act")
    assert (letter.about, letter.state) == (MONTH, NoticeState.DELIVERED)
    monkeypatch.setattr(revenue_month, "act_pdf", render)
    finish(office, now=MONDAY)
    assert len(letters(office, "ocp_act")) == 2


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_a_month_that_nobody_opened_is_opened_after_the_2nd(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = datetime(2026, 11, 1, 19, 0, tzinfo=UTC)  # the 2nd of November, 00:00 in Astana
    assert missed_months(office, now=second) == []
    record(office, [in_month(KINO, "2026-03")], "2026-03")
    record(office, [in_month(KINO.replace("L2", "L3"), "2026-11")], "2026-11")
    assert missed_months(office, now=second) == ["2026-03"]
    morning(office, monkeypatch, second)
    assert missed_months(office, now=second - timedelta(microseconds=1)) == ["2026-09"]
    assert missed_months(office, now=second) == [MONTH]
    morning(office, monkeypatch, second)
    assert missed_months(office, now=second) == []
    due = {row.subject: row.due_at for row in all_of(office, Obligation)}
    assert due["OCP 2026-10"] == datetime(2026, 11, 9, 19, 0, tzinfo=UTC)
    assert [letter.about for letter in letters(office, "ocp_data")] == ["2026-03"]


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_data_whose_letter_was_lost_goes_out_again_to_the_address_of_now(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_month(office, MONTH, now=MONDAY)
    for lines in (BASE, OURS):
        take(office, lines)
        run(office)
    with transaction(office.sessions) as session:
        for letter in session.scalars(select(Notice).where(Notice.kind == "ocp_data")):
            letter.state, letter.recipient = NoticeState.BOUNCED, "nobody@example.test"
        for row in session.scalars(select(Obligation)):
            row.state, row.fulfilled_at, row.evidence = ObligationState.OPEN, None, None
    morning(office, monkeypatch, MONDAY + DAY)
    first, second = letters(office, "ocp_data")
    assert (first.state, second.state) == (NoticeState.BOUNCED, NoticeState.DELIVERED)
    assert second.recipient == office.settings.ocp_operator_email
    assert owed(office, SEND_DATA).state is ObligationState.FULFILLED  # type: ignore[union-attr]
    assert send_again(office, now=MONDAY + 2 * DAY) == []
