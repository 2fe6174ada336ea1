"""Compensations: what outages owe, proposed once; a second person decides; the account gets it exactly once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from blocks.errors import NotFound, Refused, TermsViolated
from blocks.ledger import AccountEntry, Compensation, Order, Service, reading, transaction
from blocks.office import Office
from blocks.terms.money import Money
from flows.fulfilment import send_due
from tasks.accounts import enter, received, returned, shortfall
from tasks.claims import yearly_of
from tasks.compensation import decide, propose, propose_by_hand
from tasks.compensation_forms import CompensationDecision, ProposalForm
from tasks.order_state import find_order
from tasks.outage_forms import OutageDecisionForm, OutageEnding, OutageForm
from tasks.outages import close_outage, decide_outage, lock_outages, open_outage, record_outage
from tests.conftest import PaymentSandbox
from tests.outage_work import SECOND, letters, outages, window
from tests.work import (
    DAY,
    MINUTE,
    NOW,
    balance_minor,
    drain,
    ks,
    open_obligations,
    ordered,
    payment_of,
    put_payment,
    qs,
)

HOUR = timedelta(hours=1)
LATER = NOW + 10 * DAY  # all in November
YEARLY = 999000  # kopecks, of the package of 2 contacts


def paid(office: Office, sandbox: PaymentSandbox, order: str = "A-1", item: dict[str, object] | None = None) -> str:
    number = ordered(office, order, item or ks(2))
    payment = payment_of(office, number)
    sandbox.pay(payment)
    put_payment(office, payment, at=NOW + MINUTE)
    drain(office, NOW + MINUTE)
    return number


def outage(office: Office, began: datetime, length: timedelta, service: str = "complex") -> str:
    """An outage that is over, as the probes leave it."""
    with transaction(office.sessions) as session:
        lock_outages(session)
        row = record_outage(
            office,
            session,
            service=service,
            source="probe",
            began_at=began,
            what="x",
            now=began,
            ended_at=began + length,
        )
        return row.number


def rows(office: Office) -> list[Compensation]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Compensation).order_by(Compensation.id)))


def proposed(office: Office) -> list[tuple[str, str | None]]:
    return [
        (row.key, None if row.amount_minor is None else f"{Money.from_minor(row.amount_minor, row.currency).amount}")
        for row in rows(office)
    ]


def entries(office: Office) -> list[tuple[int, str | None]]:
    with reading(office.sessions) as session:
        query = select(AccountEntry).where(AccountEntry.kind == "compensation").order_by(AccountEntry.id)
        return [(row.amount_minor, row.clause) for row in session.scalars(query)]


def decision(
    number: str, operator: str = "И. Иванов", *, approve: bool = True, **values: object
) -> CompensationDecision:
    form = {"compensation": number, "operator": operator, "approve": approve, "reason": "проверено", **values}
    return CompensationDecision.model_validate(form)


def paid_period(office: Office, order: str) -> tuple[datetime, datetime]:
    with reading(office.sessions) as session:
        service = session.scalars(select(Service).join(Order).where(Order.number == order)).one()
    assert service.active_from is not None
    assert service.paid_until is not None
    return service.active_from, service.paid_until


def claim(order: str, **values: object) -> ProposalForm:
    form = {"order": order, "operator": "О. Петрова", "what": "обращение заказчика", "claim": values}
    return ProposalForm.model_validate(form)


@pytest.mark.clause("KS-3.10a", "KS-4.2")
def test_ks_3_10a_two_outages_of_half_an_hour_owe_half_of_the_yearly_price_once(
    watching: Office, sandbox: PaymentSandbox
) -> None:
    number = paid(watching, sandbox)
    outage(watching, NOW + DAY, 30 * MINUTE)
    outage(watching, NOW + 2 * DAY, 30 * MINUTE - SECOND)
    assert propose(watching, now=LATER) == 0
    outage(watching, NOW + 3 * DAY, 60 * MINUTE)
    assert [propose(watching, now=LATER) for _ in range(2)] == [1, 0]
    assert proposed(watching) == [(f"KS-3.10a:{number}", "4995.00")]
    outage(watching, NOW + 4 * DAY, 40 * MINUTE)
    assert propose(watching, now=LATER) == 0
    assert rows(watching)[0].proposed_by == "dogovor"


@pytest.mark.clause("KS-3.10b")
def test_ks_3_10b_three_hours_owe_the_yearly_price_and_between_a_person_decides(
    watching: Office, sandbox: PaymentSandbox
) -> None:
    number = paid(watching, sandbox)
    began = NOW + DAY
    outage(watching, began, 3 * HOUR - SECOND)
    assert propose(watching, now=LATER) == 1
    ((key, amount),) = proposed(watching)
    assert (key.rpartition(":")[0], amount) == (f"KS-3.10b-between:{number}", None)
    assert "KS-3.10b decide on an outage of 60 to 180 minutes" in open_obligations(watching)
    outage(watching, NOW + 2 * DAY, 3 * HOUR)
    assert [propose(watching, now=LATER) for _ in range(2)] == [1, 0]
    assert proposed(watching)[1] == (f"KS-3.10b:{number}", "9990.00")


@pytest.mark.clause("KS-3.10b")
def test_ks_3_10b_works_that_were_allowed_are_taken_out_and_late_ones_count(
    watching: Office, sandbox: PaymentSandbox
) -> None:
    paid(watching, sandbox)
    start = NOW + DAY
    window(watching, start, start + 2 * HOUR, closed_at=start + 4 * HOUR)
    outage(watching, start, 4 * HOUR)  # two hours beyond its plan
    assert propose(watching, now=LATER) == 1
    assert f": {(start + 2 * HOUR).isoformat()} - {(start + 4 * HOUR).isoformat()}, 2:00:00" in rows(watching)[0].what
    assert rows(watching)[0].amount_minor is None


@pytest.mark.parametrize("kind", ["urgent", "emergency"])
def test_repairs_are_no_excuse(watching: Office, sandbox: PaymentSandbox, kind: str) -> None:
    paid(watching, sandbox)
    start = NOW + DAY
    window(watching, start, start + 5 * HOUR, kind=kind, closed_at=start + 5 * HOUR)
    outage(watching, start, 4 * HOUR)
    assert propose(watching, now=LATER) == 1
    assert rows(watching)[0].amount_minor == YEARLY


@pytest.mark.clause("KS-3.9")
def test_ks_3_9_what_is_not_counted_owes_nothing(watching: Office, sandbox: PaymentSandbox) -> None:
    paid(watching, sandbox)
    number = outage(watching, NOW + DAY, 4 * HOUR)
    form = OutageDecisionForm(
        outage=number, operator="О. Петрова", reason="порты закрыл заказчик", counted="no", excluded_for="closed ports"
    )
    decide_outage(watching, form, now=LATER)
    assert propose(watching, now=LATER) == 0


def test_corrected_times_are_what_counts(watching: Office, sandbox: PaymentSandbox) -> None:
    paid(watching, sandbox)
    number, began = outage(watching, NOW + DAY, 4 * HOUR), NOW + DAY
    form = OutageDecisionForm(outage=number, operator="О. Петрова", reason="журнал", ended_at=began + 20 * MINUTE)
    decide_outage(watching, form, now=LATER)
    assert propose(watching, now=LATER) == 0


def test_overlapping_outages_are_one_and_other_agreements_are_none(watching: Office, sandbox: PaymentSandbox) -> None:
    paid(watching, sandbox)
    outage(watching, NOW + DAY, 50 * MINUTE)
    outage(watching, NOW + DAY + 5 * MINUTE, 40 * MINUTE)
    outage(watching, NOW + 2 * DAY, 4 * HOUR, "platform")
    assert propose(watching, now=LATER) == 0


def test_only_the_time_in_which_a_customer_was_served_counts(watching: Office, sandbox: PaymentSandbox) -> None:
    number = paid(watching, sandbox)
    with reading(watching.sessions) as session:
        service = session.scalars(select(Service).join(Order).where(Order.number == number)).one()
    assert service.active_from is not None
    outage(watching, service.active_from - 3 * HOUR, 4 * HOUR)
    assert propose(watching, now=LATER) == 0
    outage(watching, service.active_from - HOUR, 4 * HOUR)
    assert propose(watching, now=LATER) == 1


def test_a_lasting_outage_owes_nothing_yet(watching: Office, sandbox: PaymentSandbox) -> None:
    paid(watching, sandbox)
    form = OutageForm(service="complex", operator="О. Петрова", what="x", began_at=NOW + DAY)
    number = open_outage(watching, form, now=NOW + DAY)
    assert propose(watching, now=LATER) == 0
    ending = OutageEnding(outage=number, operator="О. Петрова", ended_at=NOW + DAY + 3 * HOUR, note="готово")
    close_outage(watching, ending, now=LATER)
    assert propose(watching, now=LATER) == 1


@pytest.mark.clause("KS-3.10b")
def test_ks_3_10b_a_second_person_approves_and_the_account_gets_it_once(
    watching: Office, sandbox: PaymentSandbox
) -> None:
    paid(watching, sandbox)
    outage(watching, NOW + DAY, 3 * HOUR)
    propose(watching, now=LATER)
    number, before = rows(watching)[0].number, balance_minor(watching)
    assert decide(watching, decision(number), now=LATER) == f"{number} approved: 9990.00 RUB"
    with pytest.raises(Refused, match="was approved by"):
        decide(watching, decision(number, approve=False), now=LATER)
    assert entries(watching) == [(YEARLY, "KS-3.10b")]
    assert balance_minor(watching) == before + YEARLY
    assert [row.facts["granted"] for row in letters(watching, "compensation_decided")] == [True]
    assert not [row for row in open_obligations(watching) if "decide on" in row]
    assert f"KS-3.10b return 9990.00 RUB of {number}" in open_obligations(watching)
    send_due(watching, now=LATER)
    (letter,) = letters(watching, "compensation_decided")
    assert letter.state.value == "delivered"
    assert letters(watching, "compensation_proposed")[0].state.value == "delivered"
    outage(watching, NOW + 4 * DAY, 5 * HOUR)
    assert propose(watching, now=LATER) == 0


def test_two_approvals_at_once_are_one_entry(watching: Office, sandbox: PaymentSandbox) -> None:
    paid(watching, sandbox)
    outage(watching, NOW + DAY, 3 * HOUR)
    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(lambda _: propose(watching, now=LATER), range(3))) == 1
    number = rows(watching)[0].number

    def approve(_: int) -> bool:
        try:
            decide(watching, decision(number), now=LATER)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(approve, range(3))) == 1
    assert entries(watching) == [(YEARLY, "KS-3.10b")]


def test_what_was_declined_comes_again_only_for_other_outages(watching: Office, sandbox: PaymentSandbox) -> None:
    number = paid(watching, sandbox)
    outage(watching, NOW + DAY, 3 * HOUR)
    propose(watching, now=LATER)
    decide(watching, decision(rows(watching)[0].number, approve=False), now=LATER)
    assert entries(watching) == []
    assert [row.facts["granted"] for row in letters(watching, "compensation_decided")] == [False]
    assert propose(watching, now=LATER) == 0
    outage(watching, NOW + 2 * DAY, 3 * HOUR)
    assert [propose(watching, now=LATER) for _ in range(2)] == [1, 0]
    assert [key for key, _ in proposed(watching)] == [f"KS-3.10b:{number}", f"KS-3.10b:{number}:2"]


@pytest.mark.parametrize("again", ["О. Петрова", " о.петрова", "О.  ПЕТРОВА"])
def test_whoever_proposed_does_not_decide(watching: Office, sandbox: PaymentSandbox, again: str) -> None:
    order = paid(watching, sandbox)
    whole = {"recording": True, "addresses": True, "ports": True, "cipher": True}
    number = propose_by_hand(watching, claim(order, clause="KS-3.10c", **whole), now=LATER)
    with pytest.raises(Refused, match="another person"):
        decide(watching, decision(number, again), now=LATER)
    assert entries(watching) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE compensations SET decided_by = proposed_by",
        "UPDATE compensations SET state = 'approved'",
        "UPDATE compensations SET state = 'approved', decided_by = ''",
        "UPDATE compensations SET state = 'approved', decided_by = 'x', amount_minor = 0",
    ],
)
def test_the_database_wants_a_second_person_and_an_amount(
    watching: Office, sandbox: PaymentSandbox, change: str
) -> None:
    paid(watching, sandbox)
    outage(watching, NOW + DAY, 3 * HOUR)
    propose(watching, now=LATER)
    with pytest.raises(IntegrityError), transaction(watching.sessions) as session:
        session.execute(text(change))


@pytest.mark.clause("KS-3.10b")
def test_ks_3_10b_who_names_an_amount_proposes_it_and_another_person_approves(
    watching: Office, sandbox: PaymentSandbox
) -> None:
    paid(watching, sandbox)
    outage(watching, NOW + DAY, 2 * HOUR)
    propose(watching, now=LATER)
    number = rows(watching)[0].number
    for amount in (None, {"amount": "0", "currency": "RUB"}, {"amount": "10", "currency": "EUR"}):
        with pytest.raises(Refused, match="say how much"):
            decide(watching, decision(number, amount=amount), now=LATER)
    with pytest.raises(Refused, match=r"at most 9990\.00 RUB"):
        decide(watching, decision(number, amount={"amount": "9990.01", "currency": "RUB"}), now=LATER)
    named = {"amount": "9990.00", "currency": "RUB"}
    assert "another person decides" in decide(watching, decision(number, amount=named), now=LATER)
    assert entries(watching) == []
    told = [(row.facts["proposed_by"], row.facts["amount"][:7]) for row in letters(watching, "compensation_proposed")]
    assert told == [("dogovor", "один че"), ("И. Иванов", "9990.00")]
    for again in (decision(number), decision(number, amount=named)):
        with pytest.raises(Refused, match="another person"):
            decide(watching, again, now=LATER)
    with pytest.raises(Refused, match="is proposed"):
        decide(watching, decision(number, "О. Петрова", amount={"amount": "1", "currency": "RUB"}), now=LATER)
    assert propose(watching, now=LATER) == 0
    decide(watching, decision(number, "О. Петрова"), now=LATER)
    assert entries(watching) == [(YEARLY, "KS-3.10b")]


def test_an_amount_of_the_agreement_is_not_changed(watching: Office, sandbox: PaymentSandbox) -> None:
    paid(watching, sandbox)
    outage(watching, NOW + DAY, 3 * HOUR)
    propose(watching, now=LATER)
    number = rows(watching)[0].number
    with pytest.raises(Refused, match="is proposed"):
        decide(watching, decision(number, amount={"amount": "9990.01", "currency": "RUB"}), now=LATER)
    with pytest.raises(NotFound):
        decide(watching, decision("C-2026-999999"), now=LATER)


@pytest.mark.clause("KS-3.10c")
def test_ks_3_10c_an_intercepted_call_is_ten_yearly_prices_once(watching: Office, sandbox: PaymentSandbox) -> None:
    order = paid(watching, sandbox)
    whole = {"clause": "KS-3.10c", "recording": True, "addresses": True, "ports": True, "cipher": True}
    number = propose_by_hand(watching, claim(order, **whole), now=LATER)
    assert proposed(watching) == [(f"KS-3.10c:{order}", "99900.00")]
    with pytest.raises(Refused, match="before"):
        propose_by_hand(watching, claim(order, **whole), now=LATER)
    decide(watching, decision(number), now=LATER)
    with pytest.raises(TermsViolated, match="one-off"):
        propose_by_hand(watching, claim(order, **whole), now=LATER)
    assert entries(watching) == [(9990000, "KS-3.10c")]


@pytest.mark.clause("KS-3.10c")
def test_ks_3_10c_an_incomplete_proof_goes_to_a_person(watching: Office, sandbox: PaymentSandbox) -> None:
    order = paid(watching, sandbox)
    part = {"clause": "KS-3.10c", "recording": True, "addresses": True, "ports": True, "cipher": False}
    propose_by_hand(watching, claim(order, **part), now=LATER)
    assert proposed(watching) == [(f"KS-3.10c:{order}", None)]


@pytest.mark.clause("QS-6.2.3")
def test_qs_6_2_3_damages_are_capped_over_all_claims(watching: Office, sandbox: PaymentSandbox) -> None:
    order = paid(watching, sandbox, "Q-1", qs())
    with reading(watching.sessions) as session:
        cap = session.scalars(select(Order.price_minor).where(Order.number == order)).one() // 10
    first = {"clause": "QS-6.2.3", "claimed": {"amount": "0.07", "currency": "RUB"}}
    rest = {"clause": "QS-6.2.3", "claimed": {"amount": "100000.00", "currency": "RUB"}}
    propose_by_hand(watching, claim(order, **first), now=LATER)
    with pytest.raises(Refused, match="before"):
        propose_by_hand(watching, claim(order, **first), now=LATER)
    propose_by_hand(watching, claim(order, **rest), now=LATER)
    assert [row.amount_minor for row in rows(watching)] == [7, cap - 7]
    more = {"clause": "QS-6.2.3", "claimed": {"amount": "1.00", "currency": "RUB"}}
    with pytest.raises(TermsViolated, match=r"QS-6\.2\.3"):
        propose_by_hand(watching, claim(order, **more), now=LATER)
    decide(watching, decision(rows(watching)[1].number, approve=False), now=LATER)
    propose_by_hand(watching, claim(order, **more), now=LATER)
    assert rows(watching)[-1].amount_minor == 100


@pytest.mark.clause("QS-6.2.3")
def test_qs_6_2_3_money_of_more_than_a_year_ago_raises_no_cap(watching: Office, sandbox: PaymentSandbox) -> None:
    order = paid(watching, sandbox, "Q-1", qs())
    claimed = claim(order, clause="QS-6.2.3", claimed={"amount": "100.00", "currency": "RUB"})
    with pytest.raises(TermsViolated, match=r"QS-6\.2\.3"):
        propose_by_hand(watching, claimed, now=NOW + 366 * DAY)
    propose_by_hand(watching, claimed, now=NOW + 364 * DAY)
    assert rows(watching)[0].amount_minor == 10000


@pytest.mark.clause("QS-4.3.2")
def test_qs_4_3_2_a_period_without_any_access_is_returned_when_monitoring_shows_it(
    watching: Office, sandbox: PaymentSandbox
) -> None:
    order = paid(watching, sandbox, "Q-1", qs())
    start, end = paid_period(watching, order)
    values = {"clause": "QS-4.3.2", "access_given_at_any_time": False, "cause_is_ours": True}
    with pytest.raises(TermsViolated, match=r"QS-4\.3\.2"):  # the period is not over
        propose_by_hand(watching, claim(order, **values), now=end - SECOND)
    outage(watching, start, end - start, "broker")
    propose_by_hand(watching, claim(order, **values), now=end)
    with reading(watching.sessions) as session:
        price = session.scalars(select(Order.price_minor).where(Order.number == order)).one()
    assert rows(watching)[0].amount_minor == price


@pytest.mark.clause("QS-4.3.2")
def test_qs_4_3_2_what_monitoring_does_not_show_goes_to_a_person(watching: Office, sandbox: PaymentSandbox) -> None:
    order = paid(watching, sandbox, "Q-1", qs())
    start, end = paid_period(watching, order)
    outage(watching, start, end - start - SECOND, "broker")
    values = {"clause": "QS-4.3.2", "access_given_at_any_time": False, "cause_is_ours": True}
    propose_by_hand(watching, claim(order, **values), now=end)
    assert rows(watching)[0].amount_minor is None


def test_a_claim_is_of_the_orders_own_agreement(watching: Office, sandbox: PaymentSandbox) -> None:
    order = paid(watching, sandbox)
    damages = claim(order, clause="QS-6.2.3", claimed={"amount": "1.00", "currency": "RUB"})
    with pytest.raises(Refused, match="not an order under"):
        propose_by_hand(watching, damages, now=LATER)
    assert len(outages(watching)) == 0


def excluded(office: Office, number: str, at: datetime = LATER, **values: object) -> None:
    form = {"outage": number, "operator": "З. Заева", "reason": "журнал", **values}
    decide_outage(office, OutageDecisionForm.model_validate(form), now=at)


@pytest.mark.clause("KS-3.9", "KS-3.10b")
def test_ks_3_9_what_was_excluded_after_its_proposal_is_not_paid_and_is_withdrawn(
    watching: Office, sandbox: PaymentSandbox
) -> None:
    paid(watching, sandbox)
    outage_number = outage(watching, NOW + DAY, 3 * HOUR)
    propose(watching, now=LATER)
    number = rows(watching)[0].number
    excluded(watching, outage_number, counted="no", excluded_for="closed ports")
    with pytest.raises(Refused, match="not owed any more"):
        decide(watching, decision(number), now=LATER)
    assert [propose(watching, now=LATER) for _ in range(2)] == [0, 0]
    assert [(row.state.value, row.decided_by) for row in rows(watching)] == [("declined", None)]
    assert not [row for row in open_obligations(watching) if "decide on" in row]
    assert letters(watching, "compensation_decided") == []
    with pytest.raises(Refused, match="was declined by dogovor"):
        decide(watching, decision(number), now=LATER)
    excluded(watching, outage_number, counted="yes")
    assert propose(watching, now=LATER) == 1  # nobody declined it
    decide(watching, decision(rows(watching)[1].number), now=LATER)
    assert entries(watching) == [(YEARLY, "KS-3.10b")]


@pytest.mark.clause("KS-3.10b")
def test_ks_3_10b_an_outage_is_paid_for_once_whatever_its_times_become(
    watching: Office, sandbox: PaymentSandbox
) -> None:
    paid(watching, sandbox)
    outage_number = outage(watching, NOW + DAY, 90 * MINUTE)
    propose(watching, now=LATER)
    number = rows(watching)[0].number
    decide(watching, decision(number, amount={"amount": "500.00", "currency": "RUB"}), now=LATER)
    decide(watching, decision(number, "О. Петрова"), now=LATER)
    for began in (NOW + DAY - MINUTE, NOW + DAY - 3 * HOUR):
        excluded(watching, outage_number, began_at=began)
        assert propose(watching, now=LATER) == 0
    outage(watching, NOW + DAY + 80 * MINUTE, 60 * MINUTE)  # one outage with the first
    assert propose(watching, now=LATER) == 0
    assert entries(watching) == [(50000, "KS-3.10b")]


def test_a_named_amount_falls_with_the_outage_that_it_was_named_for(watching: Office, sandbox: PaymentSandbox) -> None:
    paid(watching, sandbox)
    outage_number = outage(watching, NOW + DAY, 90 * MINUTE)
    propose(watching, now=LATER)
    number = rows(watching)[0].number
    decide(watching, decision(number, amount={"amount": "500.00", "currency": "RUB"}), now=LATER)
    excluded(watching, outage_number, ended_at=NOW + DAY + 20 * MINUTE)
    with pytest.raises(Refused, match="not owed any more"):
        decide(watching, decision(number, "О. Петрова"), now=LATER)
    decide(watching, decision(number, "О. Петрова", approve=False), now=LATER)
    assert entries(watching) == []


@pytest.mark.clause("KS-3.10a", "KS-3.10b")
def test_ks_3_10_an_outage_that_works_interrupt_is_one_without_them(watching: Office, sandbox: PaymentSandbox) -> None:
    paid(watching, sandbox)
    start = NOW + DAY
    window(watching, start, start + 2 * HOUR, closed_at=start + 2 * HOUR)
    number = outage(watching, start - 35 * MINUTE, 2 * HOUR + 70 * MINUTE)
    assert propose(watching, now=LATER) == 1  # 70 minutes: a person decides
    (row,) = rows(watching)
    assert (row.clause, row.outages, row.amount_minor) == ("KS-3.10b", number, None)
    assert "1:10:00" in row.what


@pytest.mark.clause("KS-3.10a")
def test_ks_3_10a_outages_within_a_lasting_one_are_not_outages_of_their_own(
    watching: Office, sandbox: PaymentSandbox
) -> None:
    paid(watching, sandbox)
    start = NOW + DAY
    form = OutageForm(service="complex", operator="О. Петрова", what="x", began_at=start)
    number = open_outage(watching, form, now=start)
    outage(watching, start + HOUR, 40 * MINUTE)
    outage(watching, start + 2 * HOUR, 40 * MINUTE)
    assert propose(watching, now=start + 170 * MINUTE) == 0
    ending = OutageEnding(outage=number, operator="О. Петрова", ended_at=start + 4 * HOUR, note="готово")
    close_outage(watching, ending, now=start + 4 * HOUR)
    assert propose(watching, now=start + 5 * HOUR) == 1
    assert [(row.clause, row.amount_minor) for row in rows(watching)] == [("KS-3.10b", YEARLY)]


def test_what_was_declined_does_not_come_again_for_unlike_outages(watching: Office, sandbox: PaymentSandbox) -> None:
    paid(watching, sandbox)
    long = outage(watching, NOW + DAY, 3 * HOUR)
    propose(watching, now=LATER)
    assert rows(watching)[0].outages == long
    decide(watching, decision(rows(watching)[0].number, approve=False), now=LATER)
    for day in (2, 3):
        outage(watching, NOW + day * DAY, 60 * SECOND)
        assert propose(watching, now=LATER) == 0
    assert len(letters(watching, "compensation_decided")) == 1


def test_a_compensation_that_was_paid_out_leaves_the_price_paid(watching: Office, sandbox: PaymentSandbox) -> None:
    number = paid(watching, sandbox)
    outage(watching, NOW + DAY, 3 * HOUR)
    propose(watching, now=LATER)
    decide(watching, decision(rows(watching)[0].number), now=LATER)
    with transaction(watching.sessions) as session:
        order = find_order(session, number, lock=True)
        assert returned(session, order) == [("payout", Money.of(-9990, "RUB"))]
        for kind, back in returned(session, order):
            enter(session, order, kind=kind, of="О. Петрова", amount=back, now=LATER, clause=None)
        assert (received(session, order).minor, shortfall(session, order).minor) == (order.price_minor, 0)
        assert returned(session, order) == []


def test_a_surplus_beside_a_compensation_is_returned_as_such(watching: Office, sandbox: PaymentSandbox) -> None:
    number = paid(watching, sandbox)
    with transaction(watching.sessions) as session:
        order = find_order(session, number, lock=True)
        for kind, minor in (("compensation", 100), ("receipt", 30)):
            amount = Money.from_minor(minor, "RUB")
            enter(session, order, kind=kind, of="x", amount=amount, now=LATER, clause=None)
        assert [(kind, back.minor) for kind, back in returned(session, order)] == [("payout", -100), ("return", -30)]


@pytest.mark.clause("QS-4.3.2")
def test_qs_4_3_2_a_person_does_not_say_which_period(watching: Office, sandbox: PaymentSandbox) -> None:
    order = paid(watching, sandbox, "Q-1", qs())
    values = {"clause": "QS-4.3.2", "access_given_at_any_time": False, "cause_is_ours": True}
    with pytest.raises(ValidationError):
        claim(order, **values, period_from=NOW + HOUR, period_until=NOW + HOUR + MINUTE)
    outage(watching, NOW + HOUR, MINUTE, "broker")
    with pytest.raises(TermsViolated, match=r"QS-4\.3\.2"):
        propose_by_hand(watching, claim(order, **values), now=NOW + DAY)


@pytest.mark.clause("QS-6.2.3")
def test_qs_6_2_3_an_approval_is_weighed_against_what_was_paid_by_then(
    watching: Office, sandbox: PaymentSandbox
) -> None:
    order = paid(watching, sandbox, "Q-1", qs())
    claimed = claim(order, clause="QS-6.2.3", claimed={"amount": "100.00", "currency": "RUB"})
    number = propose_by_hand(watching, claimed, now=NOW + 364 * DAY)
    with pytest.raises(Refused, match="not owed any more"):
        decide(watching, decision(number), now=NOW + 366 * DAY)
    decide(watching, decision(number), now=NOW + 364 * DAY)
    assert entries(watching) == [(10000, "QS-6.2.3")]


def test_an_order_that_fails_does_not_stop_the_others(
    watching: Office, sandbox: PaymentSandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = [paid(watching, sandbox, name) for name in ("A-1", "A-2")]
    outage(watching, NOW + DAY, 3 * HOUR)

    def yearly(order: Order, now: datetime) -> Money:
        if order.number == numbers[0]:
            raise TermsViolated("KS-4.2", "no such package")
        return yearly_of(order, now)

    monkeypatch.setattr("tasks.outage_claims.yearly_of", yearly)
    assert propose(watching, now=LATER) == 1
    assert [key for key, _ in proposed(watching)] == [f"KS-3.10b:{numbers[1]}"]
    assert f"{numbers[0]} waits" in caplog.text


def test_nothing_new_is_seen_without_a_write(
    watching: Office, sandbox: PaymentSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid(watching, sandbox)
    for day, minutes in ((1, 90), (2, 100), (3, 200)):
        outage(watching, NOW + day * DAY, minutes * MINUTE)
    assert propose(watching, now=LATER) == 3
    monkeypatch.setattr("tasks.compensation.transaction", None)
    assert propose(watching, now=LATER) == 0
