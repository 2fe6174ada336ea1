"""Maintenance windows: planned against every agreement, agreed, opened once, run to their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from blocks.errors import NotFound, Refused, TermsViolated
from blocks.ledger import (
    Document,
    Notice,
    NoticeState,
    Obligation,
    ObligationState,
    Window,
    WindowState,
    WorkState,
    reading,
    transaction,
)
from blocks.office import Office, open_office
from blocks.settings import Settings
from flows.fulfilment import send_due
from flows.windows import run_window
from tasks.status import status_view
from tasks.window_answers import decide_window, decide_work, record_answer
from tasks.window_proposal import plan_proposals
from tasks.window_run import close_window, due_windows, keep_windows, next_turn, open_window
from tasks.window_views import unanswered, window_report
from tasks.windows import plan_window, tell_newcomers
from tasks.works_forms import OperatorAnswer, PlanForm, WindowAction, WindowDecision, WorkAction, WorkDecision
from tests.conftest import PaymentSandbox, close_office
from tests.work import drain, ks, ordered, payment_of, put_payment
from tests.works import (
    MINUTE,
    PLANNED_AT,
    SATURDAY,
    events,
    marks,
    planned,
    queued,
    window_row,
    work_states,
    write_catalogue,
)

DAY = timedelta(days=1)
LISTS = {"KS": ["users@example.test"], "OCP": ["end-users@example.test"]}


@pytest.fixture(params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, settings_for: Callable[..., Settings], tmp_path: Path) -> Iterator[Office]:
    """An office with a catalogue, once on each database."""
    changes: dict[str, object] = {"services_file": write_catalogue(tmp_path), "end_users": LISTS}
    if request.param == "postgresql":
        changes["ledger_url"] = request.getfixturevalue("ledger_url")
    opened = open_office(settings_for(**changes))
    yield opened
    close_office(opened)


def clock_from(start: datetime) -> Callable[[], datetime]:
    return lambda: start


def answer(number: str, *, agreed: bool = True) -> OperatorAnswer:
    return OperatorAnswer(
        window=number, agreed=agreed, who="Дежурный Оператора", proof="письмо 17", operator="О. Петрова"
    )


def ready(office: Office, *runbooks: str, minutes: int = 120) -> str:
    """A window that has been planned, told and agreed."""
    plan = planned(office, *runbooks, minutes=minutes, at=PLANNED_AT - DAY)
    assert plan.verdict.accepted, plan.verdict
    send_due(office, now=PLANNED_AT - DAY)
    if plan.verdict.needs_agreement:
        record_answer(office, answer(plan.number), now=PLANNED_AT)
    return plan.number


def letters(office: Office, kind: str) -> list[tuple[str, str]]:
    with reading(office.sessions) as session:
        rows = session.execute(
            select(Notice.recipient, Notice.agreement).where(Notice.kind == kind).order_by(Notice.id)
        )
        return [(row[0], row[1]) for row in rows]


@pytest.mark.clause("KS-3.7", "KS-3.12")
def test_ks_3_7_a_saturday_runs_its_works_and_takes_back_the_one_that_fails(office: Office) -> None:
    number = ready(office, "good", "bad")
    assert due_windows(office, now=SATURDAY - MINUTE) == ([], [])
    assert due_windows(office, now=SATURDAY) == ([number], [])
    result = run_window(office, number, owner="a", clock=clock_from(SATURDAY))
    assert work_states(office) == [WorkState.DONE, WorkState.UNDONE]
    assert marks(office) == ["good.apply", "good.check", "bad.apply", "bad.undo"]
    assert "Работа good: выполнено" in result
    row = window_row(office, number)
    assert (row.state, row.opened_at, row.closed_at) == (WindowState.CLOSED, SATURDAY, SATURDAY)
    assert letters(office, "works_planned") == letters(office, "works_done") == [("users@example.test", "KS")]
    told = window_report(office, number)
    assert told.works[1].detail.startswith("код 3")
    assert [line.state for line in told.notices] == ["delivered"]
    with reading(office.sessions) as session:
        assert session.scalars(select(Document.key)).all() == [f"window-report:{number}"]
    assert run_window(office, number, owner="b", clock=clock_from(SATURDAY)).startswith("another worker")
    assert marks(office).count("good.apply") == 1


def test_every_customer_with_a_service_is_told_and_each_letter_is_an_obligation(
    office: Office, sandbox: PaymentSandbox
) -> None:
    bought = PLANNED_AT - 10 * DAY
    order = ordered(office, "S-1", ks(), at=bought)
    sandbox.pay(payment_of(office, order))
    put_payment(office, payment_of(office, order), at=bought)
    drain(office, bought)
    number = ready(office, "good")
    assert letters(office, "works_planned") == [("customer@example.test", "KS"), ("users@example.test", "KS")]
    with reading(office.sessions) as session:
        owed = session.scalars(select(Obligation).where(Obligation.subject == number)).all()
    assert {row.state for row in owed} == {ObligationState.FULFILLED}
    assert {row.clause for row in owed} == {"KS-3.12"}


@pytest.mark.clause("KS-1.5", "KS-3.12")
def test_ks_3_12_a_window_does_not_open_when_somebody_was_not_told_in_time(office: Office) -> None:
    number = ready(office, "good")
    with transaction(office.sessions) as session:
        session.execute(update(Obligation).values(state=ObligationState.OPEN, fulfilled_at=None))
        session.execute(update(Notice).values(state=NoticeState.BOUNCED))
    with pytest.raises(Refused, match=r"KS-3\.12 tell users@example\.test under KS: open"):
        run_window(office, number, owner="a", clock=clock_from(SATURDAY))
    assert marks(office) == []
    assert letters(office, "window_not_opened") == [(office.settings.operator_email, "")]
    decision = WindowDecision(
        window=number,
        action=WindowAction.TOLD,
        operator="О. Петрова",
        note="по телефону в среду, запись 12",
        recipient="users@example.test",
    )
    with pytest.raises(Refused, match="owes no notice"):
        decide_window(office, decision.model_copy(update={"recipient": "users"}), now=PLANNED_AT + DAY)
    decide_window(office, decision, now=PLANNED_AT + DAY)
    run_window(office, number, owner="a", clock=clock_from(SATURDAY))
    assert work_states(office) == [WorkState.DONE]


@pytest.mark.clause("KS-3.12")
def test_ks_3_12_a_notice_given_after_its_latest_time_does_not_count(office: Office) -> None:
    number = ready(office, "good")
    with reading(office.sessions) as session:
        latest = session.scalars(select(Obligation.due_at)).one()
    assert latest == SATURDAY - timedelta(hours=72)
    for late, opens in ((timedelta(seconds=1), False), (timedelta(), True)):
        with transaction(office.sessions) as session:
            session.execute(update(Obligation).values(fulfilled_at=latest + late))
        if opens:
            assert open_window(office, number, owner="a", now=SATURDAY)
        else:
            with pytest.raises(Refused, match="fulfilled, too late"):
                open_window(office, number, owner="a", now=SATURDAY)


@pytest.mark.clause("OCP-P3.2.5", "OCP-P3.2.6", "OCP-3.2.8")
def test_ocp_p3_2_6_shared_servers_open_only_after_the_operator_has_agreed(office: Office) -> None:
    plan = planned(office, "both", at=PLANNED_AT - DAY)
    assert plan.verdict.accepted
    assert plan.verdict.needs_agreement
    number = plan.number
    send_due(office, now=PLANNED_AT - DAY)
    assert letters(office, "works_agreement_asked") == [(office.settings.ocp_operator_email, "OCP")]
    assert sorted(letters(office, "works_planned")) == [
        ("end-users@example.test", "OCP"),
        (office.settings.ocp_operator_email, "OCP"),
        ("users@example.test", "KS"),
    ]
    with pytest.raises(Refused, match="has not agreed"):
        open_window(office, number, owner="a", now=SATURDAY)
    with pytest.raises(DBAPIError, match="the Operator has not agreed"), transaction(office.sessions) as session:
        session.execute(text("UPDATE windows SET state = 'open'"))
    assert unanswered(office.sessions, now=PLANNED_AT) == [number]
    assert record_answer(office, answer(number), now=PLANNED_AT).endswith("agreed")
    assert record_answer(office, answer(number), now=PLANNED_AT).endswith("already")
    with pytest.raises(Refused, match="has the answer"):
        record_answer(office, answer(number, agreed=False), now=PLANNED_AT)
    with pytest.raises(DBAPIError, match="append-only"), transaction(office.sessions) as session:
        session.execute(text("UPDATE approvals SET who = 'somebody else'"))
    assert unanswered(office.sessions, now=PLANNED_AT) == []
    run_window(office, number, owner="a", clock=clock_from(SATURDAY))
    approval = window_report(office, number).approval
    assert approval is not None
    assert approval.who == "Дежурный Оператора"


@pytest.mark.clause("OCP-P3.2.6")
def test_ocp_p3_2_6_an_agreement_comes_a_day_ahead_and_a_refusal_cancels(office: Office) -> None:
    number = planned(office, "both", at=PLANNED_AT - DAY).number
    latest = SATURDAY - DAY
    with pytest.raises(TermsViolated):
        record_answer(office, answer(number), now=latest + timedelta(seconds=1))
    send_due(office, now=PLANNED_AT - DAY)
    told = record_answer(office, answer(number, agreed=False), now=latest)
    assert told.endswith("declined")
    assert window_row(office, number).state is WindowState.CANCELLED
    assert work_states(office) == [WorkState.QUEUED]
    assert len(letters(office, "works_cancelled")) == 3
    with pytest.raises(Refused, match="waits for no answer"):
        record_answer(office, answer(planned(office, "good", key="other").number), now=PLANNED_AT)


@pytest.mark.clause("OCP-P3.2.6")
def test_ocp_p3_2_6_an_agreement_exactly_a_day_ahead_is_in_time(office: Office) -> None:
    number = planned(office, "both", at=PLANNED_AT - DAY).number
    record_answer(office, answer(number), now=SATURDAY - DAY)
    assert events(office, number)[-1] == "operator.agreed"


@pytest.mark.clause("KS-3.7", "OCP-P3.T1")
def test_ocp_p3_t1_a_saturday_on_shared_servers_spends_the_budget_of_both_agreements(office: Office) -> None:
    ready(office, "both")
    refused = planned(office, "good", key="same week")
    assert [broken.clause for broken in refused.verdict.broken] == ["KS-3.7"]
    assert refused.verdict.suggestions[0].start == SATURDAY + 7 * DAY
    assert refused.number == ""
    form = PlanForm(
        starts_at=SATURDAY + 14 * DAY, minutes=60, operator="О. Петрова", what="Снова", services=("shared",)
    )
    again = plan_window(office, form, key="too soon", now=PLANNED_AT)
    assert "OCP-P3.T1" in [broken.clause for broken in again.verdict.broken]
    assert again.verdict.suggestions[0].start >= SATURDAY + 60 * DAY


def test_the_weekly_proposal_fills_saturdays_and_gives_what_cannot_wait_for_it_a_window_of_its_own(
    office: Office,
) -> None:
    assert plan_proposals(office, key="auto", now=PLANNED_AT) == []
    works = queued(office, "good", "both", "long", "bad")
    (dry,) = plan_proposals(office, key="auto", now=PLANNED_AT, dry_run=True)
    assert (dry.number, dry.form.works, dry.form.starts_at) == ("", (works[0], works[3]), SATURDAY)
    assert dry.form.minutes == 22 + 22 + 10 + 5
    plans = plan_proposals(office, key="auto", now=PLANNED_AT)
    assert [plan.form.works for plan in plans] == [(works[0], works[3]), (works[1],), (works[2],)]
    assert [plan.form.starts_at for plan in plans] == [SATURDAY, SATURDAY + 7 * DAY, SATURDAY + 14 * DAY]
    assert plans[1].verdict.needs_agreement, "five days' notice under ОЦП is not kept by this Saturday"
    assert set(work_states(office)) == {WorkState.PLANNED}
    assert plan_proposals(office, key="next week", now=PLANNED_AT) == []


def test_a_work_that_no_date_suits_keeps_no_other_back(office: Office) -> None:
    works = queued(office, "telephony", "good")
    plans = plan_proposals(office, key="auto", now=PLANNED_AT)
    assert [(plan.form.works, bool(plan.number)) for plan in plans] == [((works[1],), True), ((works[0],), False)]
    assert "OT-1" in [broken.clause for broken in plans[1].verdict.broken]
    decision = WorkDecision(work=works[0], action=WorkAction.CANCEL, operator="О. Петрова", note="не годится")
    assert decide_work(office, decision, now=PLANNED_AT).endswith("cancelled")
    with pytest.raises(Refused, match="is cancelled"):
        decide_work(office, decision, now=PLANNED_AT)


def test_two_workers_never_open_one_window_twice(office: Office) -> None:
    number = ready(office, "good")
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda n: open_window(office, number, owner=f"w{n}", now=SATURDAY), range(8)))
    assert sorted(opened) == [False] * 7 + [True]
    assert events(office, number).count("opened") == 1


def test_a_window_left_by_a_dead_worker_is_taken_over_when_its_lease_ends(office: Office) -> None:
    number = ready(office, "good")
    assert open_window(office, number, owner="dead", now=SATURDAY)
    assert next_turn(office, number, owner="dead", now=SATURDAY) is not None
    assert due_windows(office, now=SATURDAY + 2 * MINUTE) == ([], [])
    assert not open_window(office, number, owner="b", now=SATURDAY + 2 * MINUTE)
    later = SATURDAY + 2 * MINUTE + timedelta(seconds=1)
    assert due_windows(office, now=later) == ([], [number])
    run_window(office, number, owner="b", clock=clock_from(later))
    assert marks(office) == ["good.check", "good.undo"], "the work had not been done, and its check said so"
    assert work_states(office) == [WorkState.UNDONE]
    with transaction(office.sessions) as session:
        session.execute(update(Window).values(state=WindowState.OPEN))
    with pytest.raises(Refused, match="taken over"):
        close_window(office, number, owner="dead", now=later)


def test_a_work_is_ended_when_another_worker_has_taken_the_window_over(office: Office) -> None:
    number = ready(office, "slow")
    assert open_window(office, number, owner="a", now=SATURDAY)

    def stolen() -> datetime:
        with transaction(office.sessions) as session:
            session.execute(update(Window).values(lease_owner="b"))
        return SATURDAY

    with pytest.raises(Refused, match="taken over"):
        run_window(office, number, owner="a", clock=Thief(stolen))
    assert window_row(office, number).state is WindowState.OPEN


class Thief:
    """A clock by whose fifth reading another worker holds the lease."""

    def __init__(self, steal: Callable[[], datetime]) -> None:
        self.steal, self.readings = steal, 0

    def __call__(self) -> datetime:
        self.readings += 1
        return self.steal() if self.readings == 5 else SATURDAY


def test_a_work_that_no_longer_fits_goes_back_to_the_queue(office: Office) -> None:
    number = ready(office, "good", "bad")
    run_window(office, number, owner="a", clock=clock_from(SATURDAY + 83 * MINUTE))
    assert work_states(office) == [WorkState.DONE, WorkState.UNDONE], "32 minutes and the margin are just there"
    number = plan_window(
        office,
        PlanForm(
            starts_at=SATURDAY + 7 * DAY,
            minutes=120,
            operator="О. Петрова",
            what="Дальше",
            works=queued(office, "good", at=SATURDAY),
        ),
        key="next",
        now=SATURDAY,
    ).number
    send_due(office, now=SATURDAY)
    late = SATURDAY + 7 * DAY + 83 * MINUTE + timedelta(seconds=1)
    result = run_window(office, number, owner="a", clock=clock_from(late))
    assert result == "время работ окончено"
    assert work_states(office)[2] is WorkState.QUEUED


def test_what_cannot_be_taken_back_goes_to_a_person_and_nothing_more_is_begun(office: Office) -> None:
    number = ready(office, "stuck", "good")
    run_window(office, number, owner="a", clock=clock_from(SATURDAY))
    assert work_states(office) == [WorkState.HANDED, WorkState.QUEUED]
    assert letters(office, "work_handed") == [(office.settings.operator_email, "")]
    assert marks(office) == ["stuck.apply", "stuck.undo"]
    assert "передано инженеру" in (window_row(office, number).result or "")


def test_a_work_without_proof_is_taken_back(office: Office) -> None:
    number = ready(office, "unproven")
    run_window(office, number, owner="a", clock=clock_from(SATURDAY))
    assert marks(office) == ["unproven.apply", "unproven.check", "unproven.undo"]
    assert work_states(office) == [WorkState.UNDONE]


def test_a_window_that_never_opened_is_cancelled_and_everyone_told(office: Office) -> None:
    number = ready(office, "good")
    assert keep_windows(office, now=SATURDAY + 119 * MINUTE) == 0
    with pytest.raises(Refused, match="is from"):
        open_window(office, number, owner="a", now=SATURDAY + 120 * MINUTE)
    assert keep_windows(office, now=SATURDAY + 120 * MINUTE) == 1
    assert window_row(office, number).state is WindowState.CANCELLED
    assert letters(office, "works_cancelled") == [("users@example.test", "KS")]
    assert not open_window(office, number, owner="a", now=SATURDAY + 121 * MINUTE)


def test_an_open_window_that_overruns_is_told_to_our_operator_once(office: Office) -> None:
    number = ready(office, "good")
    open_window(office, number, owner="a", now=SATURDAY)
    for minutes in (120, 121, 126):
        keep_windows(office, now=SATURDAY + minutes * MINUTE)
    assert letters(office, "works_overdue") == [(office.settings.operator_email, "")]
    send_due(office, now=SATURDAY + 130 * MINUTE)


def test_a_cancelled_window_stays_in_the_calendar_as_cancelled(office: Office) -> None:
    number = ready(office, "good")
    decision = WindowDecision(window=number, action=WindowAction.CANCEL, operator="О. Петрова", note="не нужно")
    decide_window(office, decision, now=PLANNED_AT)
    (line,) = status_view(office, now=PLANNED_AT).windows
    assert (line.state, line.revision, line.changed_at) == ("cancelled", 2, PLANNED_AT)
    with pytest.raises(Refused, match="is cancelled"):
        decide_window(office, decision, now=PLANNED_AT)


def test_unknown_names_are_refused(office: Office) -> None:
    with pytest.raises(NotFound, match="runbook"):
        queued(office, "nothing")
    form = PlanForm(starts_at=SATURDAY, minutes=60, operator="О. Петрова", what="x", works=("W-2026-000099",))
    with pytest.raises(NotFound, match="work"):
        plan_window(office, form, key="x", now=PLANNED_AT)
    form = PlanForm(starts_at=SATURDAY, minutes=60, operator="О. Петрова", what="x", services=("nothing",))
    with pytest.raises(NotFound, match="service"):
        plan_window(office, form, key="y", now=PLANNED_AT)
    works = queued(office, "good")
    plan_window(office, form.model_copy(update={"services": (), "works": works}), key="z", now=PLANNED_AT)
    with pytest.raises(Refused, match="is planned, not queued"):
        plan_window(office, form.model_copy(update={"services": (), "works": works}), key="zz", now=PLANNED_AT)


def by_hand(kind: str = "planned", **changes: object) -> PlanForm:
    values: dict[str, object] = {
        "kind": kind,
        "starts_at": SATURDAY,
        "minutes": 120,
        "operator": "О. Петрова",
        "what": "Замена блока питания",
        "services": ("xmpp",),
        **changes,
    }
    return PlanForm.model_validate(values)


def test_a_window_for_works_by_hand_stays_open_until_a_person_finishes_it(office: Office) -> None:
    number = plan_window(office, by_hand(), key="hand", now=PLANNED_AT).number
    send_due(office, now=PLANNED_AT)
    looked = 0

    def clock() -> datetime:
        nonlocal looked
        looked += 1
        if looked == 6:
            finish = WindowDecision(
                window=number, action=WindowAction.FINISH, operator="О. Петрова", note="готово", public="блок заменён"
            )
            decide_window(office, finish, now=SATURDAY + 20 * MINUTE)
        return SATURDAY + min(looked, 6) * MINUTE

    assert run_window(office, number, owner="a", clock=clock) == "блок заменён"
    assert looked > 6
    assert window_row(office, number).state is WindowState.CLOSED


def test_a_window_for_works_by_hand_ends_with_its_time(office: Office) -> None:
    number = plan_window(office, by_hand(), key="hand", now=PLANNED_AT).number
    send_due(office, now=PLANNED_AT)
    moments = iter([SATURDAY] * 5 + [SATURDAY + 120 * MINUTE] * 20)
    assert run_window(office, number, owner="a", clock=lambda: next(moments)) == "время работ окончено"


@pytest.mark.parametrize(
    ("discovered", "starts"),
    [(1, 0), (0, 24 * 60 + 1), (-300, -130), (0, -1)],
    ids=["discovered later", "begins after a day", "over already", "begins before it was discovered"],
)
def test_what_is_no_emergency_is_not_planned_as_one(office: Office, discovered: int, starts: int) -> None:
    form = by_hand(
        "emergency",
        starts_at=PLANNED_AT + starts * MINUTE,
        discovered_at=PLANNED_AT + discovered * MINUTE,
    )
    with pytest.raises(Refused, match="an emergency was discovered before now"):
        plan_window(office, form, key="e", now=PLANNED_AT)


@pytest.mark.clause("OCP-P3.2.7b", "OCP-3.2.7")
def test_ocp_p3_2_7b_an_emergency_told_late_is_repaired_all_the_same_and_the_breach_stands(office: Office) -> None:
    form = by_hand(
        "emergency",
        starts_at=PLANNED_AT,
        discovered_at=PLANNED_AT - 21 * MINUTE,
        services=("shared",),
        works=queued(office, "good"),
    )
    plan = plan_window(office, form, key="e", now=PLANNED_AT)
    assert "OCP-P3.2.7b" in [broken.clause for broken in plan.verdict.broken]
    run_window(office, plan.number, owner="a", clock=clock_from(PLANNED_AT))
    assert work_states(office) == [WorkState.DONE]
    told = {recipient for recipient, _ in letters(office, "emergency_told")}
    assert told == {"end-users@example.test", office.settings.ocp_operator_email, "users@example.test"}


def test_a_pattern_is_no_recipient(office: Office) -> None:
    number = planned(office, "good").number
    decision = WindowDecision(
        window=number, action=WindowAction.TOLD, operator="О. Петрова", note="по телефону", recipient="%"
    )
    with pytest.raises(Refused, match="owes no notice"):
        decide_window(office, decision, now=PLANNED_AT)


@pytest.mark.clause("KS-3.12")
def test_ks_3_12_a_notice_given_in_time_counts_when_it_is_recorded_later(office: Office) -> None:
    number = planned(office, "good").number
    decision = WindowDecision(
        window=number,
        action=WindowAction.TOLD,
        operator="О. Петрова",
        note="по телефону, запись 12",
        recipient="users@example.test",
        told_at=SATURDAY - timedelta(hours=72),
    )
    too_late = decision.model_copy(update={"told_at": SATURDAY - timedelta(hours=72) + timedelta(seconds=1)})
    with pytest.raises(Refused, match="owes no notice"):
        decide_window(office, too_late, now=SATURDAY)
    with pytest.raises(Refused, match="has not come"):
        decide_window(office, decision.model_copy(update={"told_at": SATURDAY + MINUTE}), now=SATURDAY)
    decide_window(office, decision, now=SATURDAY)
    assert open_window(office, number, owner="a", now=SATURDAY)


@pytest.mark.clause("OCP-P3.2.6")
def test_ocp_p3_2_6_an_agreement_given_in_time_counts_when_it_is_recorded_later(office: Office) -> None:
    number = planned(office, "both", at=PLANNED_AT - DAY).number
    given = answer(number).model_copy(update={"answered_at": SATURDAY - DAY})
    record_answer(office, given, now=SATURDAY - timedelta(hours=1))
    assert events(office, number)[-1] == "operator.agreed"


def test_works_are_done_in_the_order_of_the_plan(office: Office) -> None:
    first, second = queued(office, "good", "bad", at=PLANNED_AT)
    form = by_hand(works=(second, first), services=())
    number = plan_window(office, form, key="order", now=PLANNED_AT).number
    send_due(office, now=PLANNED_AT)
    run_window(office, number, owner="a", clock=clock_from(SATURDAY))
    assert marks(office)[0] == "bad.apply"


def test_a_worker_whose_lease_was_taken_begins_nothing_more(office: Office) -> None:
    number = ready(office, "good")
    assert open_window(office, number, owner="a", now=SATURDAY)
    assert open_window(office, number, owner="b", now=SATURDAY + 3 * MINUTE)
    with pytest.raises(Refused, match="taken over"):
        next_turn(office, number, owner="a", now=SATURDAY + 3 * MINUTE)
    assert marks(office) == []


def test_further_agreements_on_a_service_need_a_plan_anew(office: Office) -> None:
    number = ready(office, "good")
    path = Path(str(office.settings.services_file))
    path.write_text(path.read_text("utf-8").replace('agreements = ["KS"]', 'agreements = ["KS", "OCP"]'), "utf-8")
    again = open_office(office.settings)
    with pytest.raises(Refused, match="plan it anew"):
        open_window(again, number, owner="a", now=SATURDAY)
    close_office(again)


def test_a_work_whose_runbook_is_gone_goes_to_a_person(office: Office) -> None:
    number = ready(office, "good")
    path = Path(str(office.settings.services_file))
    path.write_text(path.read_text("utf-8").replace('name = "good"', 'name = "renamed"'), "utf-8")
    again = open_office(office.settings)
    run_window(again, number, owner="a", clock=clock_from(SATURDAY))
    assert work_states(office) == [WorkState.HANDED]
    assert letters(office, "work_handed") == [(office.settings.operator_email, "")]
    close_office(again)


def test_a_customer_who_came_after_the_plan_is_told_and_holds_nothing_up(
    office: Office, sandbox: PaymentSandbox
) -> None:
    number = ready(office, "good")
    bought = SATURDAY - DAY
    order = ordered(office, "S-1", ks(), at=bought)
    sandbox.pay(payment_of(office, order))
    put_payment(office, payment_of(office, order), at=bought)
    drain(office, bought)
    tell_newcomers(office, now=bought)
    tell_newcomers(office, now=bought)
    assert letters(office, "works_planned") == [("users@example.test", "KS"), ("customer@example.test", "KS")]
    run_window(office, number, owner="a", clock=clock_from(SATURDAY))
    assert len(letters(office, "works_done")) == 2


def test_why_a_window_was_cancelled_is_told_in_words_meant_for_customers(office: Office) -> None:
    number = ready(office, "good")
    decision = WindowDecision(window=number, action=WindowAction.CANCEL, operator="О. Петрова", note="клиент И. просил")
    decide_window(office, decision, now=PLANNED_AT)
    send_due(office, now=PLANNED_AT)
    assert all("клиент И." not in body for body in bodies(office))
    assert window_row(office, number).result == "Работы отменены нами"


def bodies(office: Office) -> list[str]:
    with reading(office.sessions) as session:
        return [body or "" for body in session.scalars(select(Notice.body))]
