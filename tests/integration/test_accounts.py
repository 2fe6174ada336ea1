"""The end of registrations on both databases: leaving (QS-8.2), destruction (QS-8.3), idleness (QS-3.6.1)."""

from __future__ import annotations

import json
import mailbox
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from blocks.errors import NotFound, Refused, TermsViolated, Transient
from blocks.ledger import (
    Customer,
    Document,
    InboxEvent,
    InboxState,
    LogJournal,
    LogPeriod,
    LogSegment,
    Notice,
    NoticeState,
    ObligationState,
    Order,
    Payment,
    PaymentState,
    SealedSecret,
    Service,
    ServiceState,
    reading,
    transaction,
)
from blocks.office import Office, open_office
from blocks.settings import Settings
from flows import account_ends
from flows.account_ends import plan_accounts, purge_accounts
from tasks.account_deletion import erase
from tasks.account_destruction import empty, tombstone
from tasks.account_endings import keep_account
from tasks.account_facts import last_active
from tasks.account_forms import KeepForm
from tasks.log_journal import add_segment
from tasks.notices import envelope_of, put_off, read_reports
from tasks.order_forms import EventKind
from tests.accounts import (
    EMAIL,
    END,
    MARKED,
    NAME,
    bytes_with_marks,
    customer,
    endings,
    free_account,
    heap_with_marks,
    leave,
    letters,
    marked_by_hand,
    owed,
    paid_account,
    payments,
    rows_with_marks,
    states,
    talkative,
)
from tests.conftest import PaymentSandbox, close_office
from tests.tickets import act, put_ticket
from tests.work import (
    COMPANY,
    DAY,
    MINUTE,
    NOW,
    drain,
    ks,
    ordered,
    payment_of,
    put,
    put_order,
    put_payment,
    put_receipt,
    qs,
)

INSTANT = timedelta(microseconds=1)
NOTICE_DUE = datetime(2027, 11, 20, 9, 0, tzinfo=UTC)
NEXT_RUN = END + timedelta(hours=4)
EVERYWHERE = {
    "account_endings.why",
    "compensations.reason",
    "compensations.what",
    "customers.email",
    "customers.name",
    "documents.title",
    "inbox.payload",
    "notices.body",
    "notices.facts",
    "notices.recipient",
    "obligations.evidence",
    "order_events.why",
    "payments.order_ref",
    "services.product",
    "steps.result",
    "ticket_events.text",
    "ticket_events.who",
    "tickets.sender",
    "tickets.subject",
}


def documents(office: Office) -> dict[str, Document]:
    with reading(office.sessions) as session:
        return {row.key: row for row in session.scalars(select(Document))}


@pytest.mark.clause("QS-8.2")
def test_qs_8_2_too_short_a_notice_is_refused_and_leaves_nothing_behind(office: Office) -> None:
    free_account(office)
    with pytest.raises(TermsViolated, match="2026-12-04 at the soonest"):
        leave(office, ends_on="2026-12-03")
    assert endings(office) == []
    leave(office, ends_on="2026-12-04")
    assert [row.clause for row in endings(office)] == ["QS-8.3"]


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_the_end_opens_an_obligation_seven_days_after_it_and_tells_the_customer(office: Office) -> None:
    free_account(office)
    leave(office)
    [owed_row] = owed(office, "QS-8.3")
    assert owed_row.subject == "customer 1"
    assert owed_row.due_at == END + 7 * DAY
    assert END < owed_row.warn_at < owed_row.due_at
    assert [row.recipient for row in letters(office, "agreement_ends")] == [EMAIL]
    with pytest.raises(Refused, match="ends already"):
        leave(office)


@pytest.mark.clause("QS-8.2")
def test_qs_8_2_a_user_who_leaves_keeps_access_to_the_end_of_the_paid_period(
    office: Office, sandbox: PaymentSandbox
) -> None:
    paid_account(office, sandbox)
    leave(office)
    assert endings(office)[0].ended_at == datetime(2027, 2, 20, 9, 1, tzinfo=UTC)
    assert owed(office, "QS-8.2") == []
    purge_accounts(office, now=NEXT_RUN)
    assert states(office) == [("active", None)]


@pytest.mark.clause("QS-8.2")
def test_qs_8_2_who_asks_for_deletion_gives_up_the_rest_of_the_paid_period(
    office: Office, sandbox: PaymentSandbox
) -> None:
    paid_account(office, sandbox)
    leave(office, who="deletion request")
    assert endings(office)[0].ended_at == END
    assert owed(office, "QS-8.2") == []


@pytest.mark.clause("QS-8.2")
def test_qs_8_2_when_we_leave_a_person_returns_the_unused_part_before_anything_is_destroyed(
    office: Office, sandbox: PaymentSandbox
) -> None:
    number = paid_account(office, sandbox)
    leave(office, who="provider")
    # 2790 for 92 days; 6 December to 20 February are 77 of them.
    [back] = owed(office, "QS-8.2")
    assert (back.subject, back.what, back.due_at) == (number, "return 2335.11 RUB of an unused period", END)
    assert len(letters(office, "account_refund")) == 1
    purged = purge_accounts(office, now=NEXT_RUN)
    assert (purged.deleted, purged.waiting) == ([], [1])
    assert states(office) == [("terminated", None)]
    assert customer(office).email == EMAIL
    assert [row.facts["reasons"] for row in letters(office, "account_kept")] == [
        [f"{number}: QS-8.2 return 2335.11 RUB of an unused period"]
    ]
    purge_accounts(office, now=NEXT_RUN + MINUTE)
    assert len(letters(office, "account_kept")) == 1
    with transaction(office.sessions) as session:
        session.execute(update(type(back)).values(state=ObligationState.FULFILLED).where(type(back).id == back.id))
    assert purge_accounts(office, now=NEXT_RUN + DAY).deleted == [1]


def test_further_periods_paid_in_advance_are_returned_whole_when_we_leave(
    office: Office, sandbox: PaymentSandbox
) -> None:
    number = paid_account(office, sandbox)
    with reading(office.sessions) as session:
        project = session.scalars(select(Service.name)).one()
    put_order(office, "P-2", qs("start", 1, project), MARKED, NOW + MINUTE)
    drain(office, NOW + MINUTE)
    with reading(office.sessions) as session:
        second = session.scalars(select(Order.number).where(Order.number != number)).one()
    pay(office, sandbox, second, NOW + 2 * MINUTE)
    leave(office, NOW + 3 * MINUTE, who="provider")
    assert [(row.subject, row.what) for row in owed(office, "QS-8.2")] == [
        (number, "return 2335.11 RUB of an unused period"),
        (second, "return 990.00 RUB of an unused period"),
    ]


def pay(office: Office, sandbox: PaymentSandbox, number: str, at: datetime) -> None:
    payment = payment_of(office, number)
    sandbox.pay(payment)
    put_payment(office, payment, at=at)
    drain(office, at)


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_access_ends_with_the_agreement_and_not_before(office: Office) -> None:
    free_account(office)
    leave(office)
    purge_accounts(office, now=END - INSTANT)
    assert states(office) == [("active", None)]
    assert purge_accounts(office, now=END).deleted == [1]
    assert states(office) == [("terminated", None)]


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_registration_data_is_nowhere_in_the_ledger_afterwards(office: Office, sandbox: PaymentSandbox) -> None:
    paid_account(office, sandbox)
    talkative(office, NOW + 5 * MINUTE)
    sheet = marked_by_hand(office, NOW + 7 * MINUTE)
    leave(office, NOW + 10 * MINUTE, who="deletion request")
    assert rows_with_marks(office) == EVERYWHERE
    money = [row.amount_minor for row in payments(office)]
    assert purge_accounts(office, now=NEXT_RUN).deleted == [1]
    assert rows_with_marks(office) == set()
    with pytest.raises(NotFound):
        office.archive.get(sheet)
    assert [row.amount_minor for row in payments(office)] == money
    gone = customer(office)
    assert (gone.email, gone.name, gone.password_hash) == ("deleted-1@deleted.invalid", "", None)
    if office.engine.dialect.name == "sqlite":
        assert bytes_with_marks(office) == {}
    else:
        assert heap_with_marks(office) == {}


def test_no_act_is_made_while_a_reader_keeps_what_was_erased_in_the_tables(
    settings_for: Callable[..., Settings], ledger_url: str
) -> None:
    office = open_office(settings_for(ledger_url=ledger_url))
    free_account(office)
    leave(office)
    with office.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    assert "pg_statistic" in heap_with_marks(office)
    with reading(office.sessions) as session:
        session.scalars(select(LogJournal)).all()
        with pytest.raises(Transient, match="still read"):
            purge_accounts(office, now=NEXT_RUN)
    assert endings(office)[0].act_key is None
    assert purge_accounts(office, now=NEXT_RUN + DAY).deleted == [1]
    assert heap_with_marks(office) == {}
    assert endings(office)[0].act_key is not None
    close_office(office)


def test_the_search_of_the_files_finds_what_is_there(office: Office) -> None:
    free_account(office)
    found = bytes_with_marks(office) if office.engine.dialect.name == "sqlite" else heap_with_marks(office)
    assert found


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_the_act_names_no_person_and_is_the_evidence(office: Office, sandbox: PaymentSandbox) -> None:
    paid_account(office, sandbox)
    leave(office, who="deletion request")
    purge_accounts(office, now=NEXT_RUN)
    kept = documents(office)
    told = json.loads(office.archive.get(kept["account-destruction-data:1"].sha256))
    assert told["customer"] == 1
    assert told["clause"] == "QS-8.3"
    assert told["copies_until"] == "2026-12-12"
    assert told["counts"]["customers"] == 1
    assert told["kept"]["payments"] == 1
    assert "@" not in json.dumps(told)
    assert office.archive.get(kept["account-destruction:1"].sha256).startswith(b"%PDF")
    [done] = owed(office, "QS-8.3")
    assert done.state is ObligationState.FULFILLED
    assert done.evidence == f"account-destruction:1 sha256 {kept['account-destruction:1'].sha256}"
    [ending] = endings(office)
    assert (ending.deleted_at, ending.act_key) == (NEXT_RUN, "account-destruction:1")
    with reading(office.sessions) as session:
        assert [(row.kind, row.about) for row in session.scalars(select(LogJournal))] == [
            ("account.deleted", "customer 1")
        ]


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_an_invoice_stays_because_a_law_keeps_it(office: Office) -> None:
    number = ordered(office, "C-1", qs("start", 3), {**COMPANY, "email": EMAIL})
    put_receipt(office, number, "2790.00", "B-1")
    drain(office, NOW)
    leave(office, who="deletion request")
    invoice = documents(office)[f"invoice:{number}"]
    purge_accounts(office, now=NEXT_RUN)
    assert office.archive.get(invoice.sha256).startswith(b"%PDF")
    told = json.loads(office.archive.get(documents(office)["account-destruction-data:1"].sha256))
    assert told["kept"]["accounting_documents"] == 1


def test_what_never_became_an_order_goes_as_well(sqlite_office: Office) -> None:
    free_account(sqlite_office)
    put(sqlite_office, EventKind.ORDER, {"customer": {"email": EMAIL.upper()}, "order": "?"}, "e-9", "shop")
    drain(sqlite_office, NOW)
    leave(sqlite_office)
    purge_accounts(sqlite_office, now=NEXT_RUN)
    with reading(sqlite_office.sessions) as session:
        assert session.scalars(select(InboxEvent.payload)).all() == [{}, {}]
        assert set(session.scalars(select(InboxEvent.state))) == {InboxState.DONE}


def test_a_dry_run_and_a_plan_change_nothing(office: Office) -> None:
    free_account(office)
    leave(office)
    plan = plan_accounts(office, now=NEXT_RUN)
    assert [(one.customer, one.clause, one.waits_for) for one in plan.doomed] == [(1, "QS-8.3", ())]
    assert customer(office).email == EMAIL
    assert states(office) == [("active", None)]


def test_deleting_again_finds_nothing_and_a_restored_ledger_is_cleared_again(office: Office) -> None:
    free_account(office)
    leave(office)
    purge_accounts(office, now=NEXT_RUN)
    with transaction(office.sessions) as session:
        assert erase(session, 1, NEXT_RUN).counts == {}
    assert list(office.keys.tombstones("customer/")) == [tombstone(1)]
    with transaction(office.sessions) as session:
        row = session.get_one(Customer, 1)
        row.name, row.email = NAME, EMAIL
    with transaction(office.sessions) as session:
        assert erase(session, 1, NEXT_RUN).counts == {"customers": 1}
    assert rows_with_marks(office) == set()


def test_a_report_that_comes_late_brings_no_address_back(office: Office, tmp_path: Path) -> None:
    free_account(office)
    leave(office)
    box = mailbox.Maildir(tmp_path / "bounces", create=True)
    told = office.settings.model_copy(update={"bounce_maildir": tmp_path / "bounces"})
    reading_mail = Office(told, office.engine, office.sessions)
    mine = [row.id for kind in ("order_received", "agreement_ends") for row in letters(office, kind)]
    purge_accounts(office, now=NEXT_RUN)
    for number in mine:
        box.add(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
            "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.test\n"
            f"Original-Envelope-Id: {envelope_of(office, number)}\n\n"
            f"Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no {EMAIL}\n\n--b--\n"
        )
    assert len(mine) == 2
    put_off(office, mine[0], why=f"no letter for {NAME}", now=NEXT_RUN)
    read_reports(reading_mail, now=NEXT_RUN + DAY)
    assert list(reading_mail.bounces.unread() if reading_mail.bounces else ["?"]) == []
    assert rows_with_marks(office) == set()


def test_an_order_that_the_shop_sends_again_brings_nothing_back(office: Office) -> None:
    free_account(office)
    leave(office)
    purge_accounts(office, now=NEXT_RUN)
    put_order(office, "A-1", qs("free", 0), MARKED, NEXT_RUN + DAY)
    put_order(office, "A-1", qs("free", 0), MARKED, NEXT_RUN + 2 * DAY)
    drain(office, NEXT_RUN + 2 * DAY)
    assert rows_with_marks(office) == set()
    with reading(office.sessions) as session:
        assert set(session.scalars(select(InboxEvent.state))) == {InboxState.DONE}
        assert session.scalars(select(Customer.id)).all() == [1]


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_who_orders_anew_after_the_end_was_recorded_is_not_deleted_with_it(
    office: Office, sandbox: PaymentSandbox
) -> None:
    free_account(office)
    leave(office)
    number = paid_account(office, sandbox, END - DAY, order="P-2")
    assert purge_accounts(office, now=NEXT_RUN).waiting == [1]
    assert states(office) == [("terminated", None), ("active", None)]
    assert customer(office).email == EMAIL
    assert office.keys.tombstones("customer/") == {}
    [told] = letters(office, "account_kept")
    assert told.facts["reasons"] == [f"{number} was ordered after the end was put on record: keep the registration"]
    keep_account(office, KeepForm(customer=EMAIL, reason="вернулся", operator="О. Петрова"), now=NEXT_RUN + MINUTE)
    assert purge_accounts(office, now=NEXT_RUN + DAY).waiting == []


def test_nobody_keeps_a_registration_whose_data_is_gone_and_its_act_is_still_made(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = free_account(office)
    purge_accounts(office, now=NOTICE_DUE)
    purge_accounts(office, now=NOTICE_DUE + 40 * DAY)
    late = NOTICE_DUE + 200 * DAY

    def killed(_office: Office) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(account_ends, "scrub_ledger", killed)
    with pytest.raises(KeyboardInterrupt):
        purge_accounts(office, now=late)
    monkeypatch.undo()
    with pytest.raises(Refused, match="destroyed already"):
        keep_account(office, KeepForm(customer=number, reason="просил", operator="О. Петрова"), now=late)
    traffic(office, late)  # records of before that come late
    assert purge_accounts(office, now=late + DAY).deleted == [1]
    assert endings(office)[-1].act_key == "account-destruction:1"


def test_another_customer_keeps_everything(office: Office) -> None:
    free_account(office)
    other = {"kind": "person", "name": "Борис Соседов", "email": "neighbour@example.test"}
    ordered(office, "B-1", qs("free", 0), other)
    leave(office)
    mine = select(Notice.body).where(Notice.recipient == other["email"]).order_by(Notice.id)
    with reading(office.sessions) as session:
        before = session.scalars(mine).all()
    purge_accounts(office, now=NEXT_RUN)
    with reading(office.sessions) as session:
        after = session.scalars(mine).all()
        assert session.get_one(Customer, 2).name == "Борис Соседов"
    assert before == after != []


def test_the_same_address_under_another_agreement_stays_there(office: Office) -> None:
    free_account(office)
    ordered(office, "K-1", ks(2), MARKED)
    leave(office)
    with reading(office.sessions) as session:
        mine = session.scalars(select(Notice.body).where(Notice.agreement == "KS")).all()
    purge_accounts(office, now=NEXT_RUN)
    with reading(office.sessions) as session:
        assert session.scalars(select(Notice.body).where(Notice.agreement == "KS")).all() == mine
        assert session.scalars(select(Customer.email).order_by(Customer.id)).all() == [
            "deleted-1@deleted.invalid",
            EMAIL,
        ]


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("order_events", "UPDATE order_events SET why = 'another'"),
        ("order_events", "UPDATE order_events SET why = '', kind = 'another'"),
        ("order_events", "UPDATE order_events SET clause = NULL"),
        ("order_events", "DELETE FROM order_events"),
        ("ticket_events", "UPDATE ticket_events SET who = 'another'"),
        ("ticket_events", "UPDATE ticket_events SET text = '', at = '2020-01-01 00:00:00'"),
        ("ticket_events", "DELETE FROM ticket_events"),
    ],
)
def test_the_texts_of_a_story_can_be_emptied_and_nothing_else_of_it(office: Office, table: str, change: str) -> None:
    free_account(office)
    talkative(office)
    with pytest.raises(DBAPIError, match="append-only"), transaction(office.sessions) as session:
        session.execute(text(change))
    column = "why" if table == "order_events" else "text"
    with transaction(office.sessions) as session:
        session.execute(text(f"UPDATE {table} SET {column} = '', who = ''"))  # noqa: S608


@pytest.mark.clause("QS-3.6.1")
def test_qs_3_6_1_notice_block_and_deletion_each_at_its_moment(office: Office) -> None:
    free_account(office)
    assert purge_accounts(office, now=NOTICE_DUE - INSTANT).steps == {}
    assert purge_accounts(office, now=NOTICE_DUE).steps == {"notice": 1}
    assert purge_accounts(office, now=NOTICE_DUE + MINUTE).steps == {}
    assert [row.recipient for row in letters(office, "account_idle")] == [EMAIL]
    block_due = datetime(2027, 12, 20, 21, 0, tzinfo=UTC)
    assert purge_accounts(office, now=block_due - INSTANT).steps == {}
    assert purge_accounts(office, now=block_due).steps == {"block": 1}
    assert states(office) == [("suspended", "idle")]
    delete_due = datetime(2028, 3, 20, 21, 0, tzinfo=UTC)
    [notified, destroy] = owed(office, "QS-3.6.1")
    assert notified.state is ObligationState.FULFILLED
    assert (destroy.due_at, destroy.state) == (delete_due + DAY, ObligationState.OPEN)
    assert delete_due < destroy.warn_at < destroy.due_at
    assert purge_accounts(office, now=delete_due - INSTANT).deleted == []
    assert purge_accounts(office, now=delete_due).deleted == [1]
    assert rows_with_marks(office) == set()
    assert owed(office, "QS-3.6.1")[1].state is ObligationState.FULFILLED
    assert purge_accounts(office, now=delete_due + 400 * DAY).steps == {}


@pytest.mark.clause("QS-3.6.1")
@pytest.mark.parametrize("come_back_after", ["notice", "block"])
def test_qs_3_6_1_a_customer_who_comes_back_takes_all_back(office: Office, come_back_after: str) -> None:
    free_account(office)
    purge_accounts(office, now=NOTICE_DUE)
    at = NOTICE_DUE + DAY
    if come_back_after == "block":
        at = NOTICE_DUE + 40 * DAY
        purge_accounts(office, now=at)
        assert states(office) == [("suspended", "idle")]
    talkative(office, at + DAY)
    assert purge_accounts(office, now=at + 2 * DAY).steps == {"resume": 1}
    assert states(office) == [("active", None)]
    assert endings(office)[0].resumed_at == at + 2 * DAY
    assert {row.state for row in owed(office, "QS-3.6.1")} <= {ObligationState.LIFTED, ObligationState.FULFILLED}
    assert purge_accounts(office, now=at + 300 * DAY).steps == {}
    assert purge_accounts(office, now=at + 400 * DAY).steps == {"notice": 1}


@pytest.mark.clause("QS-3.6.1", "QS-12.4")
def test_qs_12_4_a_bounced_notice_blocks_nobody_and_a_corrected_address_gets_a_new_one(office: Office) -> None:
    free_account(office)
    purge_accounts(office, now=NOTICE_DUE)
    with transaction(office.sessions) as session:
        session.execute(
            update(Notice).where(Notice.kind == "account_idle").values(state=NoticeState.BOUNCED, sent_at=NOTICE_DUE)
        )
    for days in (31, 32):
        assert purge_accounts(office, now=NOTICE_DUE + days * DAY).steps == {}
    assert states(office) == [("active", None)]
    assert len(letters(office, "account_kept")) == 1
    with transaction(office.sessions) as session:
        session.get_one(Customer, 1).email = "corrected@example.test"
    assert purge_accounts(office, now=NOTICE_DUE + 33 * DAY).steps == {"notice": 1}
    assert [row.recipient for row in letters(office, "account_idle")] == [EMAIL, "corrected@example.test"]
    assert purge_accounts(office, now=NOTICE_DUE + 60 * DAY).steps == {}
    assert purge_accounts(office, now=NOTICE_DUE + 65 * DAY).steps == {"block": 1}


@pytest.mark.clause("QS-3.6.1")
def test_qs_3_6_1_a_paid_period_keeps_a_silent_registration(office: Office, sandbox: PaymentSandbox) -> None:
    paid_account(office, sandbox)
    until = datetime(2028, 5, 1, tzinfo=UTC)
    with transaction(office.sessions) as session:
        session.execute(update(Service).values(paid_until=until))
    assert purge_accounts(office, now=until - INSTANT).steps == {}
    assert purge_accounts(office, now=until).steps == {"notice": 1}


def traffic(office: Office, at: datetime) -> None:
    """A sealed segment of the registration's project, whose last record is of that moment."""
    with transaction(office.sessions) as session:
        project = session.scalars(select(Service.name)).one()
        period = LogPeriod(classes="qs-metadata", day=at.date(), made_at=at)
        session.add(period)
        session.flush()
        row = LogSegment(
            name="logs/qs-metadata/1.seg",
            period_id=period.id,
            project=project,
            records=1,
            raw_bytes=1,
            size=1,
            sha256="0" * 64,
            version="1",
            first_at=at,
            last_at=at,
            russian=False,
            pack="1",
            sealed_at=at,
        )
        add_segment(session, row)


def opened_page(office: Office, at: datetime) -> None:
    with transaction(office.sessions) as session:
        session.execute(update(SealedSecret).values(revealed_at=at))


def ordered_again(office: Office, at: datetime) -> None:
    ordered(office, "A-2", qs("free", 0), MARKED, at)


def paid(office: Office, at: datetime) -> None:
    with transaction(office.sessions) as session:
        order = session.scalars(select(Order)).one()
        session.add(
            Payment(
                provider="bank",
                provider_id="b-1",
                order_id=order.id,
                amount_minor=100,
                currency="RUB",
                state=PaymentState.SUCCEEDED,
                created_at=NOW,
                settled_at=at,
            )
        )


@pytest.mark.clause("QS-3.6.1")
@pytest.mark.parametrize("sign", [traffic, opened_page, ordered_again, paid, talkative])
def test_qs_3_6_1_each_sign_of_life_is_activity(
    sqlite_office: Office, sign: Callable[[Office, datetime], object]
) -> None:
    free_account(sqlite_office)
    at = NOW + 100 * DAY
    with reading(sqlite_office.sessions) as session:
        assert last_active(session, now=at + DAY) == {1: NOW}
    sign(sqlite_office, at)
    with reading(sqlite_office.sessions) as session:
        assert at <= last_active(session, now=at + DAY)[1] <= at + MINUTE
        assert last_active(session, 1, now=at + DAY) == last_active(session, now=at + DAY)


def test_traffic_that_a_log_dates_into_the_future_counts_as_now(sqlite_office: Office) -> None:
    free_account(sqlite_office)
    traffic(sqlite_office, NOW + 900 * DAY)
    with reading(sqlite_office.sessions) as session:
        assert last_active(session, now=NOW + DAY) == {1: NOW + DAY}


def test_activity_between_the_plan_and_the_deletion_saves_a_registration(office: Office) -> None:
    free_account(office)
    purge_accounts(office, now=NOTICE_DUE)
    purge_accounts(office, now=NOTICE_DUE + 40 * DAY)
    late = NOTICE_DUE + 200 * DAY
    [one] = plan_accounts(office, now=late).doomed
    opened_page(office, late)
    assert not empty(office, one, now=late)
    assert customer(office).email == EMAIL
    assert office.keys.tombstones("customer/") == {}


def test_a_person_may_keep_a_registration_and_that_counts_as_activity(office: Office) -> None:
    free_account(office)
    keep = KeepForm(customer=EMAIL, reason="просил", operator="О. Петрова")
    with pytest.raises(NotFound):
        keep_account(office, keep, now=NOW)
    purge_accounts(office, now=NOTICE_DUE)
    keep_account(office, keep, now=NOTICE_DUE + DAY)
    assert purge_accounts(office, now=NOTICE_DUE + 2 * DAY).steps == {}
    leave(office, NOTICE_DUE + 3 * DAY, noticed_at=NOTICE_DUE + 2 * DAY, ends_on="2027-12-31")
    keep_account(office, keep, now=NOTICE_DUE + 4 * DAY)
    assert {row.state for row in owed(office, "QS-8.3")} == {ObligationState.LIFTED}
    assert purge_accounts(office, now=NOTICE_DUE + 60 * DAY).deleted == []


def test_a_new_free_project_takes_the_place_of_one_that_idleness_blocked(office: Office) -> None:
    free_account(office)
    purge_accounts(office, now=NOTICE_DUE)
    purge_accounts(office, now=NOTICE_DUE + 40 * DAY)
    free_account(office, NOTICE_DUE + 41 * DAY, order="A-2")
    assert purge_accounts(office, now=NOTICE_DUE + 42 * DAY).steps == {"resume": 1}
    assert states(office) == [("terminated", None), ("active", None)]


@pytest.mark.parametrize("named", ["nobody@example.test", "QS-2026-000099"])
def test_the_end_for_an_unknown_customer_is_not_found_and_repeats_no_address(office: Office, named: str) -> None:
    with pytest.raises(NotFound) as caught:
        leave(office, customer=named)
    assert "nobody@" not in str(caught.value)


def test_an_open_ticket_or_order_keeps_an_ended_registration_for_a_person(office: Office) -> None:
    free_account(office)
    ticket = put_ticket(office, NOW, agreement="QS", sender=EMAIL, service=None)
    unpaid = ordered(office, "P-9", qs("start", 3), MARKED, END - DAY)
    leave(office)
    assert purge_accounts(office, now=NEXT_RUN).waiting == [1]
    [told] = letters(office, "account_kept")
    assert told.facts["reasons"][0] == f"{unpaid} is pending"
    assert told.facts["reasons"][-1] == f"{ticket} is open"
    act(office, ticket, "resolved", NEXT_RUN + MINUTE)
    assert purge_accounts(office, now=NEXT_RUN + DAY).waiting == [1]


def test_a_deleted_customers_project_is_over_and_its_token_forgotten(office: Office) -> None:
    free_account(office)
    leave(office)
    purge_accounts(office, now=NEXT_RUN)
    with reading(office.sessions) as session:
        service = session.scalars(select(Service)).one()
    assert (service.state, service.token_hash) == (ServiceState.TERMINATED, None)
