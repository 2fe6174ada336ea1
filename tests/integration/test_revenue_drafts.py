"""A month put together, reported, made out under its number, corrected, and the same again from the archive."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from blocks.errors import NotFound, Refused
from blocks.ledger import (
    ActRow,
    ActState,
    ActTotal,
    DifferenceSettlement,
    Document,
    LineFile,
    ObligationState,
    reading,
)
from blocks.office import Office
from blocks.terms.ocp_tariffs import TariffTable, sandbox_tariffs
from blocks.terms.revenue import Cause, Way
from blocks.terms.revenue_split import split_month
from flows.fulfilment import send_due
from tasks import documents
from tasks.revenue_acts import open_month, reopen
from tasks.revenue_draft import UNCHANGED, Head, assemble, draft, sides_of
from tasks.revenue_forms import ReopenForm
from tasks.revenue_history import split_row, total_of
from tasks.revenue_lists import our_list
from tasks.revenue_make import final_draft, keep_act_documents, make_out, record_data, undocumented
from tests.revenue_work import (
    BASE,
    CLOUD,
    DAY,
    DEARER,
    HOUR,
    KINO,
    MONDAY,
    MONTH,
    OURS,
    PERSON,
    THEIRS,
    THEIRS_ONLY,
    act_row,
    all_of,
    drafted,
    final,
    finish,
    in_month,
    letters,
    made,
    owed,
    record,
    report_and_make,
    say,
    sign_both,
    take,
    told,
)

SEND_DATA = "send the Operator the data on invoices"


@pytest.fixture
def opened(office: Office) -> Office:
    """An office whose October is open, with our list."""
    open_month(office, MONTH, now=MONDAY)
    take(office, OURS)
    return office


def correction(office: Office, month: str = MONTH, reason: str = "ошибка в строке") -> str:
    return reopen(office, ReopenForm(month=month, reason=reason, operator=PERSON), now=MONDAY + DAY)


def rows_of(office: Office, month: str) -> dict[tuple[str, date], tuple[int, ...]]:
    """Everything acted of a month, summed by tariff and version."""
    found: dict[tuple[str, date], tuple[int, ...]] = {}
    with reading(office.sessions) as session:
        for row in session.scalars(select(ActRow).where(ActRow.month_of == month)):
            one = split_row(row)
            new = (one.lines, one.income_minor, one.fee_minor, one.reward_minor, one.vat_minor)
            old = found.get((one.tariff, one.since), (0, 0, 0, 0, 0))
            found[one.tariff, one.since] = tuple(a + b for a, b in zip(old, new, strict=True))
    return {key: sums for key, sums in found.items() if any(sums)}


def split_anew(office: Office, month: str) -> dict[tuple[str, date], tuple[int, ...]]:
    """The month shared from all its totals at once."""
    with reading(office.sessions) as session:
        totals = [total_of(row) for row in session.scalars(select(ActTotal).where(ActTotal.month_of == month))]
    return {
        (row.tariff, row.since): (row.lines, row.income_minor, row.fee_minor, row.reward_minor, row.vat_minor)
        for row in split_month(month, totals, office.settings.ocp_tariffs)
    }


def test_a_draft_is_the_month_as_it_would_be_made_out_with_what_is_in_its_way(opened: Office) -> None:
    found = drafted(opened)
    assert (found.act.income_minor, found.act.fee_minor, found.act.reward_minor) == (327900, 67578, 260322)
    assert (found.act.draft, found.act.number, found.act.dated) == (True, "", date(2026, 11, 2))
    assert found.act.titles["CLOUD-50"] == "Облачное хранилище 50 ГБ"
    assert (found.data.lines, sum(line.income_minor for line in found.data.sums)) == (3, 327900)
    assert found.statement is None
    assert found.obstacles == ("the Operator's list is not there, and nobody said that the month goes without it",)
    take(opened, THEIRS, side="operator")
    found = drafted(opened)
    assert found.obstacles == (
        "open differences, missing_at_them: 1",
        "open differences, missing_at_us: 1",
        "open differences, amount: 1",
    )
    assert found.statement is not None
    assert found.statement.open_differences == 3
    assert found.act.income_minor == 327900


@pytest.mark.clause("OCP-P5.4")
def test_ocp_p5_4_only_explained_or_accepted_differences_let_an_act_be_made_out(opened: Office) -> None:
    take(opened, THEIRS, side="operator")
    with pytest.raises(Refused, match="open differences") as refused:
        report_and_make(opened)
    assert refused.value.reason == "obstacles"
    assert say(opened, Cause.AMOUNT, Way.ACCEPTED, "L2") == 1
    assert say(opened, Cause.MISSING_AT_THEM) == 1
    with pytest.raises(Refused, match="missing_at_us: 1"):
        report_and_make(opened)
    assert say(opened, Cause.MISSING_AT_US, Way.ACCEPTED) == 1
    report_and_make(opened)
    act = act_row(opened)
    # 1490.00 + 900.00 + 990.00 at 20 %, 799.00 at 22.5 %: 676.00 + 179.775 = 855.775, half up 855.78
    assert (act.state, act.income_minor, act.fee_minor, act.reward_minor) == (ActState.MADE, 417900, 85578, 332322)
    assert (act.vat_minor, act.year, act.number) == (23840 + 14400 + 15840 + 12784, 2026, 1)
    assert act.reconciliation_key is not None


def test_the_last_word_on_a_line_holds_and_the_same_word_again_changes_nothing(opened: Office) -> None:
    take(opened, THEIRS, side="operator")
    assert [say(opened, Cause.AMOUNT, Way.ACCEPTED), say(opened, Cause.AMOUNT, Way.ACCEPTED)] == [1, 0]
    assert drafted(opened).act.income_minor == 318900
    assert [say(opened, Cause.AMOUNT, Way.EXPLAINED, "L2") for _ in range(2)] == [1, 0]
    assert drafted(opened).act.income_minor == 327900
    assert say(opened, Cause.AMOUNT, Way.ACCEPTED, "L2") == 1
    assert drafted(opened).act.income_minor == 318900
    assert say(opened, Cause.AMOUNT, Way.EXPLAINED, "L2") == 1
    assert drafted(opened).act.income_minor == 327900
    assert len(all_of(opened, DifferenceSettlement)) == 4
    assert told(opened).count("settled") == 4


def test_a_word_on_a_cause_is_for_these_lists_alone_and_one_on_a_line_for_its_amount(opened: Office) -> None:
    take(opened, BASE + KINO + THEIRS_ONLY, side="operator")
    say(opened, Cause.MISSING_AT_THEM, Way.EXPLAINED, "L3")
    say(opened, Cause.MISSING_AT_US)
    assert drafted(opened).obstacles == ()
    take(opened, BASE + DEARER + THEIRS_ONLY, side="operator")
    assert drafted(opened).obstacles == ("open differences, missing_at_us: 1", "open differences, amount: 1")


def test_a_word_is_refused_where_nothing_differs_so(opened: Office) -> None:
    with pytest.raises(Refused) as refused:
        say(opened, Cause.AMOUNT)
    assert refused.value.reason == "no_list"
    take(opened, THEIRS, side="operator")
    for words in ((Cause.TARIFF, Way.EXPLAINED), (Cause.AMOUNT, Way.EXPLAINED, "L2", "L3")):
        with pytest.raises(Refused, match="no difference of that cause") as refused:
            say(opened, *words)
        assert refused.value.reason == "line"
    with pytest.raises(Refused, match="is there"):
        say(opened, "no_list")
    assert all_of(opened, DifferenceSettlement) == []


def test_a_month_may_go_without_the_operators_list_and_an_empty_one_only_by_a_word_on_just_that(office: Office) -> None:
    open_month(office, MONTH, now=MONDAY)
    take(office, OURS)
    assert [say(office, "no_list"), say(office, "no_list")] == [1, 0]
    assert drafted(office).obstacles == ()
    take(office, "")
    assert drafted(office).obstacles == ("our list has no lines, and nobody said so of this list",)
    assert say(office, "no_list") == 1
    assert drafted(office).obstacles == ()
    take(office, "", side="operator")
    assert drafted(office).obstacles == ()
    take(office, BASE, side="operator")
    assert drafted(office).obstacles == ("open differences, missing_at_us: 1",)


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_the_data_is_given_when_its_letter_is_delivered(opened: Office) -> None:
    found = drafted(opened)
    for hour in range(2):
        record_data(opened, found, b"xlsx", now=MONDAY + hour * HOUR)
    assert owed(opened, SEND_DATA).state is ObligationState.OPEN  # type: ignore[union-attr]
    assert act_row(opened).state is ActState.REPORTED
    [letter] = letters(opened, "ocp_data")
    assert (letter.recipient, letter.about, letter.agreement) == (
        opened.settings.ocp_operator_email,
        MONTH,
        "OCP",
    )
    assert send_due(opened, now=MONDAY + HOUR, about=MONTH) == 1
    given = owed(opened, SEND_DATA)
    assert given is not None
    assert given.state is ObligationState.FULFILLED
    assert (given.evidence or "").startswith(f"notice {letter.id} delivered")
    [document] = all_of(opened, Document)
    assert opened.archive.get(document.sha256) == b"xlsx"
    assert b"ocp-data-2026-10.xlsx" in next(opened.settings.outbox.glob("*.eml")).read_bytes()
    assert told(opened) == ["opened", "list taken", "data sent"]


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_after_new_lines_the_corrected_data_is_given(opened: Office) -> None:
    record_data(opened, drafted(opened), b"first", now=MONDAY)
    tomorrow = MONDAY + DAY
    assert drafted(opened, now=tomorrow).data.dated == date(2026, 11, 2)  # what was given keeps its day
    record(opened, [KINO.replace("L2", "L5")])
    found = drafted(opened, now=tomorrow)
    assert found.data.dated == date(2026, 11, 3)
    record_data(opened, found, b"second", now=tomorrow)
    assert [letter.facts["again"] for letter in letters(opened, "ocp_data")] == [False, True]
    assert act_row(opened).reported_at == MONDAY
    send_due(opened, now=tomorrow)
    assert [(letter.subject or "").split()[0] for letter in letters(opened, "ocp_data")] == ["Данные", "Исправленные"]


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_data_that_is_right_again_is_given_again(opened: Office) -> None:
    for lines in (OURS, BASE, OURS, OURS):
        take(opened, lines)
        record_data(opened, drafted(opened), lines.encode(), now=MONDAY)
    assert [letter.facts["lines"] for letter in letters(opened, "ocp_data")] == [3, 1, 3]


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_the_data_of_a_reopened_month_is_corrected_data(office: Office) -> None:
    made(office)
    ref = correction(office)
    record_data(office, drafted(office, ref), b"xlsx", now=MONDAY + DAY)
    assert [letter.facts["again"] for letter in letters(office, "ocp_data")] == [False, True]
    assert owed(office, SEND_DATA, ref) is None


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_data_too_big_for_mail_goes_as_a_link(opened: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAILED_BYTES", 10)
    record_data(opened, drafted(opened), b"x" * 11, now=MONDAY)
    send_due(opened, now=MONDAY)
    [letter] = letters(opened, "ocp_data")
    [key] = letter.documents
    assert f"[[document-link:{key}]]" in (letter.body or "")
    assert b"Content-Disposition: attachment" not in next(opened.settings.outbox.glob("*.eml")).read_bytes()


@pytest.mark.parametrize(("sizes", "carried"), [((10, 1), [True, False]), ((11, 10), [False, True]), ((), [])])
def test_a_letter_carries_what_there_is_room_for(
    sizes: tuple[int, ...], carried: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAILED_BYTES", 10)
    assert documents.carried_by_mail(sizes) == carried


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_an_act_is_not_made_out_before_the_data_on_just_its_lines_was_given(opened: Office) -> None:
    say(opened, "no_list")
    with pytest.raises(Refused, match="was not given") as refused:
        make_out_from(opened)
    assert refused.value.reason == "data"
    record_data(opened, drafted(opened), b"xlsx", now=MONDAY)
    record(opened, [KINO.replace("L2", "L5")])
    with pytest.raises(Refused, match="was not given"):
        make_out_from(opened)
    assert all_of(opened, ActRow) == []


def make_out_from(office: Office, ref: str = MONTH, between: Callable[[], object] = lambda: None) -> None:
    """Make out a draft, after something that happens in between."""
    scratch = office.settings.home / "scratch"
    scratch.mkdir(exist_ok=True)
    found = draft(office, ref, now=MONDAY, scratch=scratch)
    between()
    make_out(office, found, now=MONDAY)


def test_a_draft_that_the_ledger_has_left_behind_is_not_made_out(office: Office) -> None:
    open_month(office, "2026-09", now=MONDAY)
    september = in_month(BASE, "2026-09")
    take(office, september, ref="2026-09")
    say(office, "no_list", ref="2026-09")
    open_month(office, MONTH, now=MONDAY)
    take(office, OURS)
    take(office, OURS, side="operator")
    record_data(office, drafted(office), b"xlsx", now=MONDAY)
    take(office, THEIRS, side="operator")
    for cause in (Cause.AMOUNT, Cause.MISSING_AT_THEM, Cause.MISSING_AT_US):
        say(office, cause)
    changes: list[Callable[[], object]] = [
        lambda: say(office, Cause.AMOUNT, Way.ACCEPTED, "L2"),
        lambda: report_and_make(office, "2026-09"),
        lambda: take(office, OURS, side="operator"),
        lambda: take(office, BASE),
    ]
    for change in changes:
        with pytest.raises(Refused, match="after the draft") as refused:
            make_out_from(office, between=change)
        assert refused.value.reason == "stale"
    take(office, OURS)
    with pytest.raises(Refused, match="after the draft"):
        make_out_from(office, between=lambda: record(office, [CLOUD.replace("L3", "L9")]))


def test_an_act_that_is_made_out_is_not_made_out_again(opened: Office) -> None:
    say(opened, "no_list")
    report_and_make(opened)
    before = told(opened)
    with pytest.raises(Refused) as refused:
        drafted(opened)
    assert refused.value.reason == "made"
    assert told(opened) == before
    with pytest.raises(Refused):
        say(opened, "no_list")


def test_two_drafts_of_one_act_make_one(opened: Office, tmp_path: Path) -> None:
    say(opened, "no_list")
    found = draft(opened, MONTH, now=MONDAY, scratch=tmp_path)
    record_data(opened, found, b"xlsx", now=MONDAY)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: make_out(opened, found, now=MONDAY), range(2)))
    assert (act_row(opened).number, told(opened).count("made out")) == (1, 1)
    with pytest.raises(Refused):
        record_data(opened, found, b"later", now=MONDAY)


def test_acts_are_numbered_without_holes_in_the_year_of_astana(office: Office) -> None:
    months = ("2026-08", "2026-09", MONTH)
    for month in months:
        open_month(office, month, now=MONDAY)
        take(office, in_month(BASE, month), ref=month)
        say(office, "no_list", ref=month)
    new_year = datetime(2026, 12, 31, 19, 0, tzinfo=UTC)
    report_and_make(office, MONTH, now=MONDAY)
    report_and_make(office, "2026-08", now=new_year)
    take(office, "", ref="2026-09")
    with pytest.raises(Refused, match="no lines"):  # which takes no number
        report_and_make(office, "2026-09", now=new_year)
    take(office, in_month(BASE, "2026-09"), ref="2026-09")
    report_and_make(office, "2026-09", now=new_year)
    numbers = [(act_row(office, ref).year, act_row(office, ref).number) for ref in (MONTH, "2026-08", "2026-09")]
    assert numbers == [(2026, 1), (2027, 1), (2027, 2)]


def test_acts_made_out_at_once_have_numbers_of_their_own(office: Office, tmp_path: Path) -> None:
    months = ("2026-07", "2026-08", "2026-09", MONTH)
    for month in months:
        open_month(office, month, now=MONDAY)
        take(office, in_month(BASE, month), ref=month)
        say(office, "no_list", ref=month)
        record_data(office, drafted(office, month), b"xlsx", now=MONDAY)

    def make(month: str) -> None:
        scratch = tmp_path / month
        scratch.mkdir(exist_ok=True)
        while True:
            try:
                return make_out(office, draft(office, month, now=MONDAY, scratch=scratch), now=MONDAY)
            except Refused as error:
                if error.reason != "stale":
                    raise

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, months))
    assert sorted(act_row(office, month).number or 0 for month in months) == [1, 2, 3, 4]


@pytest.mark.clause("OCP-P5.4")
def test_ocp_p5_4_a_correction_adds_what_makes_the_month_right_and_edits_nothing(office: Office) -> None:
    made(office)
    first = {row.position: split_row(row) for row in all_of(office, ActRow)}
    ref = correction(office, reason="строка L2 выставлена дважды")
    two = KINO.replace("1,990.00,990.00,16,158.40", "2,990.00,1980.00,16,316.80")
    take(office, BASE + two + KINO.replace("L2", "L6"), ref=ref)
    say(office, "no_list", ref=ref)
    finish(office, ref, MONDAY + DAY)
    act = act_row(office, ref)
    assert (act.edition, act.number, act.reason) == (1, 2, "строка L2 выставлена дважды")
    assert act.income_minor == (149000 + 198000 + 99000) - 327900
    assert rows_of(office, MONTH) == split_anew(office, MONTH)
    assert rows_of(office, MONTH)["TV-KINO", date(2026, 10, 1)][1] == 297000
    assert ("CLOUD-50", date(2026, 10, 1)) not in rows_of(office, MONTH)
    for row in all_of(office, ActRow):
        if row.act_id == 1:
            assert split_row(row) == first[row.position]


@pytest.mark.clause("OCP-P5.4")
def test_ocp_p5_4_a_refund_reaches_back_as_a_row_of_the_next_act_and_a_later_correction_counts_with_it(
    office: Office,
) -> None:
    made(office)
    refund = CLOUD.replace("L3", "L30").replace("issued,", "refunded,L3")
    november = in_month(KINO.replace("L2", "N1"), "2026-11") + refund
    december = datetime(2026, 12, 2, 1, 0, tzinfo=UTC)
    made(office, november, "2026-11", now=december)
    rows = [row for row in all_of(office, ActRow) if row.act_id == 2]
    # The fee of October alone becomes 2480.00 x 20 % = 496.00: 179.78 less, as the row of it was rounded up.
    assert [(row.month_of, row.tariff, row.income_minor, row.fee_minor) for row in rows] == [
        ("2026-11", "TV-KINO", 99000, 19800),
        (MONTH, "CLOUD-50", -79900, -17978),
    ]
    ref = correction(office)
    take(office, BASE + CLOUD, ref=ref)
    say(office, "no_list", ref=ref, now=december)
    finish(office, ref, december)
    assert act_row(office, ref).income_minor == -99000
    assert rows_of(office, MONTH) == split_anew(office, MONTH)
    assert rows_of(office, MONTH) == {
        ("TV-BASE", date(2026, 10, 1)): (1, 149000, 29800, 119200, 23840),
        ("CLOUD-50", date(2026, 10, 1)): (2, 0, 0, 0, 0),  # the line and its refund
    }


@pytest.mark.clause("OCP-P5.4")
def test_ocp_p5_4_what_was_accepted_stays_accepted_in_a_correction(opened: Office) -> None:
    take(opened, BASE + DEARER + CLOUD, side="operator")
    say(opened, Cause.AMOUNT, Way.ACCEPTED, "L2")
    report_and_make(opened)
    assert act_row(opened).income_minor == 318900
    ref = correction(opened)
    found = drafted(opened, ref)
    assert (found.rows, found.obstacles) == ((), (UNCHANGED,))
    take(opened, OURS + KINO.replace("L2", "L7"), ref=ref)
    assert drafted(opened, ref).obstacles == ("open differences, missing_at_them: 1",)
    say(opened, Cause.MISSING_AT_THEM, Way.EXPLAINED, "L7", ref=ref)
    finish(opened, ref, MONDAY + DAY)
    assert act_row(opened, ref).income_minor == 99000


def test_a_word_on_going_without_a_list_is_for_its_own_act(office: Office) -> None:
    made(office)
    assert drafted(office, correction(office)).obstacles != ()


def test_documents_are_kept_and_sent_once_and_start_the_clock_of_signatures(opened: Office) -> None:
    say(opened, "no_list")
    with pytest.raises(Refused, match="not made out"):
        keep_act_documents(opened, MONTH, [], now=MONDAY)
    report_and_make(opened)
    assert undocumented(opened) == [MONTH]
    papers = final(opened)
    for day in range(2):
        keep_act_documents(opened, MONTH, papers, now=MONDAY + day * DAY)
    assert undocumented(opened) == []
    [letter] = letters(opened, "ocp_act")
    assert letter.documents == ["ocp-act:2026-10:act", "ocp-act:2026-10:data", "ocp-act:2026-10:picture"]
    send_due(opened, now=MONDAY, about=MONTH)
    [sent] = letters(opened, "ocp_act")
    assert "ОЦП-2026-0001" in (sent.subject or "")
    assert "2\xa0603,22\xa0тенге" in (sent.body or "")
    stored = {row.key: row.sha256 for row in all_of(opened, Document)}
    assert [opened.archive.get(stored[key]) for key in letter.documents] == [one.content for one in papers]
    signing = owed(opened, "have the act and its invoice signed by both")
    assert signing is not None
    assert signing.due_at == datetime(2026, 11, 5, 19, 0, tzinfo=UTC)
    assert told(opened)[-2:] == ["made out", "documents sent"]


def test_an_act_is_the_same_to_the_byte_whatever_comes_after_it(office: Office, tmp_path: Path) -> None:
    september = in_month(BASE, "2026-09")
    made(office, september, "2026-09")
    open_month(office, MONTH, now=MONDAY)
    take(office, BASE)
    record(office, [KINO, CLOUD])
    take(office, THEIRS, side="operator")
    for cause in (Cause.AMOUNT, Cause.MISSING_AT_THEM, Cause.MISSING_AT_US):
        say(office, cause)
    drafted_first = drafted(office)
    report_and_make(office)
    first = final(office)
    for month in ("2026-09", MONTH):
        ref = correction(office, month)
        record(office, [in_month(KINO.replace("L2", f"L5-{month}"), month)], month)
        take(office, in_month(BASE, month), side="operator", ref=ref)
        say(office, Cause.MISSING_AT_THEM, ref=ref)
        finish(office, ref, MONDAY + DAY)
    made(office, in_month(KINO, "2026-11"), "2026-11", now=datetime(2026, 12, 2, tzinfo=UTC))
    sign_both(office)
    changed = office.settings.model_copy(
        update={"provider_name": "Другое имя", "ocp_agreement": "Другой договор", "ocp_operator_signatory": "Другой"}
    )
    vars(changed)["ocp_tariffs"] = retitled()
    later = Office(changed, office.engine, office.sessions)
    assert final(later) == first
    again = final_draft(later, MONTH, tmp_path)
    assert (again.totals, again.rows, again.data) == (drafted_first.totals, drafted_first.rows, drafted_first.data)
    assert (again.act.number, again.act.draft, again.obstacles) == ("ОЦП-2026-0002", False, ())
    assert again.statement is not None
    assert again.statement.open_differences == 0


def retitled() -> TariffTable:
    table = sandbox_tariffs()
    return table.model_copy(update={"tariff": tuple(row.model_copy(update={"title": "Иное"}) for row in table.tariff)})


@pytest.mark.clause("OCP-P5.2")
def test_ocp_p5_2_the_data_keeps_its_day_in_an_act_that_is_made_out_later(opened: Office, tmp_path: Path) -> None:
    record_data(opened, drafted(opened), b"xlsx", now=MONDAY)
    say(opened, "no_list")
    make_out(opened, draft(opened, MONTH, now=MONDAY + DAY, scratch=tmp_path), now=MONDAY + DAY)
    again = final_draft(opened, MONTH, tmp_path)
    assert (again.data.dated, again.act.dated) == (date(2026, 11, 2), date(2026, 11, 3))


def test_an_act_that_is_not_made_out_has_no_final_form(opened: Office, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not made out"):
        final_draft(opened, MONTH, tmp_path)
    with pytest.raises(NotFound):
        final_draft(opened, "2026-09", tmp_path)


def test_the_picture_shows_the_months_of_a_year_by_service_and_by_share(office: Office) -> None:
    now = datetime(2027, 2, 2, 1, 0, tzinfo=UTC)
    for month in ("2026-01", "2026-02", "2026-12"):
        made(office, in_month(KINO, month), month, now=now)
    ref = open_month(office, "2027-01", now=now)
    take(office, in_month(KINO + CLOUD, ref), ref=ref, now=now)
    picture = drafted(office, ref).picture
    assert [(one.month, one.service, one.income_minor) for one in picture.services] == [
        ("2026-02", "ТВ", 99000),
        ("2026-12", "ТВ", 99000),
        (ref, "Облако", 79900),
        (ref, "ТВ", 99000),
    ]
    assert [(one.month, one.income_minor, one.fee_minor, one.reward_minor) for one in picture.shares] == [
        ("2026-02", 99000, 19800, 79200),
        ("2026-12", 99000, 19800, 79200),
        (ref, 178900, 37778, 141122),
    ]


def test_a_month_is_put_together_without_a_ledger(opened: Office, tmp_path: Path) -> None:
    sides = sides_of(opened.settings)
    head = Head(month=MONTH, edition=0, reason="", number="", dated=date(2026, 11, 2), sides=sides)
    ours = our_list(opened, MONTH, tmp_path)
    found = assemble(ours, ours, head=head, tariffs=sandbox_tariffs(), scratch=tmp_path)
    assert (found.ref, found.act.reward_minor, found.obstacles) == (MONTH, 260322, ())
    assert found.rows == drafted(opened).rows


def test_the_list_that_an_act_was_made_out_of_is_kept_whole(opened: Office) -> None:
    record(opened, [KINO.replace("L2", "L5")])
    say(opened, "no_list")
    report_and_make(opened)
    [whole] = [row for row in all_of(opened, LineFile) if row.side == "whole"]
    assert whole.lines == 4
    assert opened.archive.get(whole.parquet_sha256)[:4] == b"PAR1"
