"""The life of an act: opened, signed by both, paid, chased, corrected; and what the database refuses by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from blocks.errors import NotFound, Refused
from blocks.ledger import Act, ActState, Obligation, ObligationState, Payout, transaction
from blocks.office import Office
from blocks.terms.money import Money
from flows.fulfilment import send_due
from tasks.revenue_acts import chase, open_month, open_refs, record_payout, reopen, sign
from tasks.revenue_forms import ListForm, ReopenForm, SettleForm
from tests.revenue_work import (
    BASE,
    CLOUD,
    DAY,
    HOUR,
    KINO,
    MONDAY,
    MONTH,
    PERSON,
    REWARD,
    act_row,
    all_of,
    finish,
    in_month,
    letters,
    made,
    owed,
    payout,
    record,
    say,
    sign_both,
    signature,
    take,
    told,
)

ASTANA_MIDNIGHT = datetime(2026, 10, 31, 19, 0, tzinfo=UTC)  # 1 November, 00:00 in Astana
SIGN, BE_PAID = "have the act and its invoice signed by both", "be paid the reward"
TUESDAY = MONDAY + DAY


def reopened(office: Office, reason: str = "ошибка в строке") -> str:
    return reopen(office, ReopenForm(month=MONTH, reason=reason, operator=PERSON), now=MONDAY + 2 * DAY)


@pytest.mark.clause("OCP-P5.1", "OCP-P5.2")
def test_ocp_p5_2_a_month_is_opened_once_when_it_is_over_in_astana_and_owes_its_data_by_the_end_of_the_9th(
    office: Office,
) -> None:
    with pytest.raises(Refused, match="not over") as refused:
        open_month(office, MONTH, now=ASTANA_MIDNIGHT - timedelta(microseconds=1))
    assert refused.value.reason == "early"
    assert all_of(office, Act) == []
    assert [open_month(office, MONTH, now=ASTANA_MIDNIGHT + DAY * n) for n in range(2)] == [MONTH, MONTH]
    assert open_refs(office) == [MONTH]
    [row] = all_of(office, Obligation)
    assert (row.clause, row.subject, row.opened_at) == ("OCP-P5.2", "OCP 2026-10", ASTANA_MIDNIGHT)
    assert row.due_at == datetime(2026, 11, 9, 19, 0, tzinfo=UTC)  # 10 November, 00:00 in Astana
    assert told(office) == ["opened"]


@pytest.mark.parametrize("ref", ["2026-13", "2026-10/0", "2026-10/", "1999-10", "2026-10/1/2", "2026-10 "])
def test_an_act_is_named_by_its_month_and_edition(ref: str) -> None:
    with pytest.raises(ValidationError):
        ListForm.model_validate({"act": ref, "side": "ours", "file": "x.csv", "operator": PERSON})


def test_a_missing_list_has_no_lines_and_nothing_to_accept() -> None:
    form = {"act": MONTH, "cause": "no_list", "way": "explained", "operator": PERSON, "reason": "письмо № 7"}
    SettleForm.model_validate(form)
    for change in ({"way": "accepted"}, {"lines": ["L1"]}):
        with pytest.raises(ValidationError, match="nothing to accept"):
            SettleForm.model_validate({**form, **change})


def test_only_an_act_that_is_made_out_is_signed(office: Office) -> None:
    open_month(office, MONTH, now=MONDAY)
    with pytest.raises(Refused, match="not made out") as refused:
        sign(office, signature("us"), now=TUESDAY)
    assert refused.value.reason == "state"


@pytest.mark.clause("OCP-P5.3")
def test_ocp_p5_3_the_reward_falls_due_three_working_days_after_the_later_of_two_signatures(office: Office) -> None:
    made(office)
    friday, saturday = MONDAY + 4 * DAY, MONDAY + 5 * DAY
    assert sign(office, signature("operator", at=friday), now=saturday) is ActState.MADE
    assert owed(office, BE_PAID) is None
    assert sign(office, signature("us", at=TUESDAY), now=saturday) is ActState.SIGNED
    due = owed(office, BE_PAID)
    assert due is not None
    assert (due.clause, due.state) == ("OCP-P5.3", ObligationState.OPEN)
    assert due.due_at == datetime(2026, 11, 11, 19, 0, tzinfo=UTC)  # Monday to Wednesday, the 11th, to its end
    signing = owed(office, SIGN)
    assert signing is not None
    assert (signing.state, signing.fulfilled_at) == (ObligationState.FULFILLED, friday)
    act = act_row(office)
    assert (act.signed_by_us_at, act.signed_by_operator_at) == (TUESDAY, friday)


@pytest.mark.clause("OCP-P5.3")
def test_ocp_p5_3_a_signature_counts_once_and_another_of_the_same_side_is_refused(office: Office) -> None:
    made(office)
    sign(office, signature("operator"), now=TUESDAY)
    before = told(office)
    sign(office, signature("operator"), now=TUESDAY + DAY)
    sign(office, signature("operator", at=TUESDAY), now=TUESDAY + DAY)
    assert act_row(office).signed_by_operator_at == TUESDAY
    assert told(office) == before
    others = [
        signature("operator", at=TUESDAY + HOUR),
        signature("operator").model_copy(update={"who": "другой"}),
        signature("operator").model_copy(update={"proof": "скан № 6"}),
    ]
    for other in others:
        with pytest.raises(Refused, match="another hand"):
            sign(office, other, now=TUESDAY + DAY)


@pytest.mark.clause("OCP-P5.3")
def test_ocp_p5_3_a_signature_is_neither_from_before_the_act_nor_from_the_future(office: Office) -> None:
    made(office)
    instant = timedelta(microseconds=1)
    for at in (MONDAY - instant, TUESDAY + instant):
        with pytest.raises(Refused, match="was not signed at") as refused:
            sign(office, signature("us", at=at), now=TUESDAY)
        assert refused.value.reason == "time"
    sign(office, signature("us", at=MONDAY), now=TUESDAY)
    sign(office, signature("operator", at=TUESDAY), now=TUESDAY)
    assert act_row(office).state is ActState.SIGNED


@pytest.mark.clause("OCP-P5.3", "OCP-P5.4")
def test_ocp_p5_3_the_reward_may_come_in_parts_and_closes_the_act_when_it_is_whole(office: Office) -> None:
    made(office)
    sign_both(office)
    now = MONDAY + 3 * DAY
    assert record_payout(office, payout("2603.21", "KZ-1"), now=now) is ActState.SIGNED
    assert owed(office, BE_PAID).state is ObligationState.OPEN  # type: ignore[union-attr]
    assert record_payout(office, payout("0.01", "KZ-2"), now=now) is ActState.CLOSED
    paid = owed(office, BE_PAID)
    assert paid is not None
    assert paid.state is ObligationState.FULFILLED
    assert paid.fulfilled_at == datetime(2026, 11, 3, 19, 0, tzinfo=UTC)  # the end of the day on which it came
    assert "KZ-2" in (paid.evidence or "")
    assert act_row(office).closed_at == now
    assert open_refs(office) == []
    assert letters(office, "ocp_surplus") == []


@pytest.mark.clause("OCP-P5.3")
def test_ocp_p5_3_money_is_recorded_once_by_its_bank_reference(office: Office) -> None:
    made(office)
    sign_both(office)
    for _ in range(2):
        record_payout(office, payout(), now=TUESDAY)
    assert len(all_of(office, Payout)) == 1
    for other in (payout("1.00"), payout(on=MONDAY.date())):
        with pytest.raises(Refused, match="on record with another") as refused:
            record_payout(office, other, now=TUESDAY)
        assert refused.value.reason == "conflict"


@pytest.mark.clause("OCP-P5.3")
def test_ocp_p5_3_one_reference_pays_one_act(office: Office) -> None:
    september = made(office, in_month(BASE, "2026-09"), "2026-09")
    made(office)
    for ref in (september, MONTH):
        sign_both(office, ref)
    record_payout(office, payout(), now=TUESDAY)
    with pytest.raises(Refused, match="on record with another"):
        record_payout(office, payout(ref=september), now=TUESDAY)


@pytest.mark.clause("OCP-P5.3")
def test_ocp_p5_3_money_above_the_reward_is_recorded_and_told_to_our_operator(office: Office) -> None:
    made(office)
    sign_both(office)
    record_payout(office, payout("2604.22", "KZ-1"), now=TUESDAY)
    record_payout(office, payout("5.00", "KZ-2"), now=TUESDAY)
    assert act_row(office).state is ActState.CLOSED
    assert [(row.facts["reference"], row.facts["over"]) for row in letters(office, "ocp_surplus")] == [
        ("KZ-1", "1.00 KZT"),
        ("KZ-2", "5.00 KZT"),
    ]
    assert send_due(office, now=TUESDAY) == 2


@pytest.mark.clause("OCP-P5.4")
def test_ocp_p5_4_a_payout_is_a_positive_sum_of_tenge_that_came_for_a_signed_act(office: Office) -> None:
    made(office)
    with pytest.raises(Refused, match="signatures first"):
        record_payout(office, payout(), now=TUESDAY)
    sign_both(office)
    for amount in (Money.of(REWARD, "RUB"), Money.of(0, "KZT"), Money.of("-1.00", "KZT")):
        with pytest.raises(Refused, match="sum of tenge"):
            record_payout(office, payout().model_copy(update={"amount": amount}), now=TUESDAY)
    tomorrow = date(2026, 11, 4)
    with pytest.raises(Refused, match="not come yet"):
        record_payout(office, payout(on=tomorrow), now=datetime(2026, 11, 3, 18, 59, tzinfo=UTC))
    assert all_of(office, Payout) == []
    record_payout(office, payout(on=tomorrow), now=datetime(2026, 11, 3, 19, 0, tzinfo=UTC))


@pytest.mark.clause("OCP-P5.3")
def test_ocp_p5_3_an_act_without_a_reward_is_closed_by_its_signatures(office: Office) -> None:
    made(office, "")
    assert act_row(office).reward_minor == 0
    sign_both(office)
    assert act_row(office).state is ActState.CLOSED
    assert owed(office, BE_PAID) is None
    assert letters(office, "ocp_we_owe") == []


@pytest.mark.clause("OCP-P5.3", "OCP-P5.4")
def test_ocp_p5_4_a_correction_below_zero_is_closed_by_its_signatures_and_our_operator_hears_what_we_owe(
    office: Office,
) -> None:
    made(office)
    ref = reopened(office)
    take(office, BASE + KINO, ref=ref)
    say(office, "no_list", ref=ref)
    finish(office, ref, MONDAY + 2 * DAY)
    assert act_row(office, ref).reward_minor == -(79900 - 17978)
    sign_both(office, ref, now=MONDAY + 3 * DAY)
    assert act_row(office, ref).state is ActState.CLOSED
    [letter] = letters(office, "ocp_we_owe")
    assert letter.facts["owed"] == "619.22 KZT"
    assert send_due(office, now=MONDAY + 3 * DAY) == 1


def test_a_month_is_reopened_only_when_its_latest_act_is_made_out(office: Office) -> None:
    with pytest.raises(NotFound):
        reopened(office)
    open_month(office, MONTH, now=MONDAY)
    with pytest.raises(Refused, match="correct that one"):
        reopened(office)


def test_a_reopened_month_has_a_correction_act_and_the_same_form_finds_it_again(office: Office) -> None:
    made(office)
    assert [reopened(office), reopened(office)] == ["2026-10/1", "2026-10/1"]
    with pytest.raises(Refused, match="correct that one"):
        reopened(office, "другая причина")
    assert open_refs(office) == [MONTH, "2026-10/1"]
    assert told(office, "2026-10/1") == ["reopened"]
    assert open_month(office, MONTH, now=MONDAY + 3 * DAY) == MONTH
    assert owed(office, "send the Operator the data on invoices", "2026-10/1") is None


@pytest.mark.clause("OCP-P5.3")
def test_ocp_p5_3_a_signature_that_does_not_come_is_asked_for_once_a_working_day(office: Office) -> None:
    made(office)  # sent on Monday: signed by the end of Thursday
    thursday_ends = datetime(2026, 11, 5, 19, 0, tzinfo=UTC)
    assert chase(office, now=thursday_ends) == []
    friday = thursday_ends + HOUR
    assert chase(office, now=friday) == [MONTH]
    assert chase(office, now=friday + 2 * HOUR) == []
    assert chase(office, now=friday + DAY) == []  # Saturday
    assert chase(office, now=friday + 3 * DAY) == [MONTH]
    first, second = letters(office, "ocp_signature_late")
    assert first.recipient == office.settings.ocp_operator_email
    assert (first.facts["due_on"], second.about) == ("05.11.2026", MONTH)
    assert told(office)[-2:] == ["chased", "chased"]
    sign(office, signature("operator"), now=friday + 4 * DAY)
    assert chase(office, now=friday + 4 * DAY) == []  # what is missing now is our own signature
    assert send_due(office, now=friday + 4 * DAY) == 2


@pytest.mark.clause("OCP-P5.3")
def test_ocp_p5_3_a_reward_that_does_not_come_in_time_is_asked_for(office: Office) -> None:
    made(office)
    sign_both(office, now=TUESDAY)  # paid by the end of Friday
    record_payout(office, payout("603.22"), now=TUESDAY)
    friday_ends = datetime(2026, 11, 6, 19, 0, tzinfo=UTC)
    assert chase(office, now=friday_ends) == []
    monday = friday_ends + 2 * DAY + HOUR
    assert chase(office, now=monday - 2 * HOUR) == []  # still Sunday
    assert chase(office, now=monday) == [MONTH]
    [letter] = letters(office, "ocp_payout_late")
    assert (letter.facts["due_on"], letter.facts["missing"]) == ("06.11.2026", "2000.00 KZT")
    assert send_due(office, now=monday) == 1
    assert "06.11.2026" in (letters(office, "ocp_payout_late")[0].body or "")


FROZEN = (
    """INSERT INTO act_rows (act_id, position, month_of, tariff, since, until, fee_bp, lines, income_minor, fee_minor,
    reward_minor, vat_minor, rounding_minor)
    SELECT id, 99, month, 'TV-KINO', '2026-10-01', '2026-10-31', 2000, 1, 1, 0, 1, 0, 0 FROM acts""",
    """INSERT INTO act_totals (act_id, position, month_of, tariff, begins_on, ends_on, lines, income_minor, vat_minor)
    SELECT id, 99, month, 'TV-KINO', '2026-10-01', '2026-10-31', 1, 1, 0 FROM acts""",
    """INSERT INTO line_files (act_id, side, name, sha256, parquet_sha256, lines, who, loaded_at)
    SELECT id, 'ours', 'x', 'x', 'x', 1, 'x', opened_at FROM acts""",
    """INSERT INTO difference_settlements (act_id, key, cause, way, who, reason, at)
    SELECT id, 'x', 'amount', 'accepted', 'x', 'x', opened_at FROM acts""",
    "UPDATE acts SET reward_minor = reward_minor + 1",
    "UPDATE acts SET number = number + 1",
    "UPDATE acts SET state = 'open'",
    "UPDATE acts SET reason = 'иная'",
    "UPDATE acts SET reconciliation_key = 'x'",
    "UPDATE acts SET signed_by_us_at = NULL",
    "UPDATE acts SET signed_by_operator_at = made_at",
    "UPDATE acts SET state = 'made'",
    "DELETE FROM acts",
)


@pytest.mark.clause("OCP-P5.4")
@pytest.mark.parametrize("change", FROZEN)
def test_ocp_p5_4_the_database_lets_nothing_of_an_act_that_is_made_out_change(office: Office, change: str) -> None:
    made(office)
    sign_both(office)
    with pytest.raises(DBAPIError, match=r"is made out|is not deleted"), transaction(office.sessions) as session:
        session.execute(text(change))


def test_the_database_lets_nothing_of_a_closed_act_change(office: Office) -> None:
    made(office)
    sign_both(office)
    record_payout(office, payout(), now=TUESDAY)
    for change in ("state = 'signed'", "closed_at = NULL", "reported_at = NULL"):
        with pytest.raises(DBAPIError, match="is made out"), transaction(office.sessions) as session:
            session.execute(text(f"UPDATE acts SET {change}"))  # noqa: S608 - what a test tries


@pytest.mark.clause("OCP-P5.3")
def test_ocp_p5_3_money_did_not_come_before_its_act_was_made_out(office: Office) -> None:
    made(office)
    sign_both(office)
    with pytest.raises(Refused, match="before the act") as refused:
        record_payout(office, payout(on=MONDAY.date() - DAY), now=TUESDAY)
    assert refused.value.reason == "time"
    record_payout(office, payout(on=MONDAY.date()), now=TUESDAY)


@pytest.mark.parametrize(
    "table", ["act_rows", "act_totals", "line_files", "difference_settlements", "act_events", "payouts"]
)
@pytest.mark.parametrize("change", ["UPDATE {} SET act_id = act_id", "DELETE FROM {}"])
def test_the_journals_of_acts_cannot_be_altered(office: Office, table: str, change: str) -> None:
    made(office)
    sign_both(office)
    record_payout(office, payout(), now=TUESDAY)
    with pytest.raises(DBAPIError, match="append-only"), transaction(office.sessions) as session:
        session.execute(text(change.format(table)))


def test_the_database_takes_a_line_of_a_month_that_is_made_out_only_when_it_is_reopened(office: Office) -> None:
    made(office)
    with pytest.raises(DBAPIError, match="made out"):
        record(office, [CLOUD])
    record(office, [in_month(CLOUD.replace("L3", "L9"), "2026-11")], "2026-11")
    reopened(office)
    record(office, [CLOUD])
