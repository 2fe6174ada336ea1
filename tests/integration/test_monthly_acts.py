"""Monthly acts of certificate customers (SSL-7.6): from lines to letters and downloads, on both databases."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default as default_policy
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import (
    Document,
    MonthlyAct,
    MonthlyActLine,
    Notice,
    NoticeState,
    Obligation,
    ObligationState,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.revenue_views import CustomerAct
from flows import customer_acts
from flows.customer_acts import acts_to_make, make_acts
from reports.monthly_act import monthly_act_pdf
from tasks.downloads import document_token, download
from tasks.monthly_act_letters import act_view, unsent_acts
from tasks.monthly_acts import ActOf, make_act
from tasks.obligations import watch
from tests.gateway_server import gateway
from tests.invoice_lines import CUSTOMER, monthly_acts, ssl_customer, ssl_line, state_lines
from tests.work import DAY, MINUTE, NOW, open_obligations

LAST = datetime(2026, 11, 30, 18, 50, tzinfo=UTC)  # 21:50 in Minsk
MIDNIGHT = datetime(2026, 11, 30, 21, 0, tzinfo=UTC)  # 00:00 of 1 December in Minsk
ADDED = "SSL: 1 lines recorded, 0 known before"
OWED = "SSL-7.6 send edition 0 of the act in BYN"


@pytest.fixture
def customer(office: Office) -> int:
    return ssl_customer(office)


def stated(office: Office, *lines: dict[str, Any], at: datetime = NOW) -> str:
    return state_lines(office, *lines, agreement="SSL", at=at)


def obligations(office: Office) -> list[tuple[str, ObligationState, datetime]]:
    with reading(office.sessions) as session:
        rows = session.scalars(select(Obligation).where(Obligation.clause == "SSL-7.6").order_by(Obligation.id))
        return [(row.what, row.state, row.due_at) for row in rows]


def letters(office: Office) -> list[Notice]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Notice).where(Notice.kind == "monthly_act").order_by(Notice.id)))


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_an_act_is_owed_from_the_first_line_to_the_end_of_the_last_day_in_minsk(
    office: Office, customer: int
) -> None:
    stated(office, ssl_line(), at=NOW)
    assert obligations(office) == [("send edition 0 of the act in BYN", ObligationState.OPEN, MIDNIGHT)]
    stated(office, ssl_line("S-2", stated_at=(NOW + DAY).isoformat()), at=NOW + DAY)
    assert len(obligations(office)) == 1
    with reading(office.sessions) as session:
        row = session.scalars(select(Obligation)).one()
        assert (row.opened_at, row.subject) == (NOW, f"SSL 2026-11 customer {customer}")


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_on_the_last_day_the_act_goes_out_with_its_invoice(office: Office, customer: int) -> None:
    stated(office, ssl_line(quantity="2"), ssl_line("S-2", "10.005"[:5], state="paid", begins_on="2026-11-02"))
    assert make_acts(office, now=LAST) == ["SSL-A-2026-000001"]
    assert monthly_acts(office) == [(2026, 1, "2026-11", 0, 25000)]
    [letter] = letters(office)
    assert (letter.recipient, letter.state, letter.about) == (CUSTOMER, NoticeState.DELIVERED, "SSL-A-2026-000001")
    assert letter.documents == ["monthly-act:SSL-A-2026-000001", "monthly-invoice:SSL-A-2026-000001"]
    assert letter.subject == "Акт SSL-A-2026-000001 за ноябрь 2026 года"
    assert "на 250,00\xa0бел. руб." in (letter.body or "").replace(",00 ", ",00\xa0")
    assert obligations(office) == [("send edition 0 of the act in BYN", ObligationState.FULFILLED, MIDNIGHT)]
    [file] = office.settings.outbox.glob("*.eml")
    message = message_from_bytes(file.read_bytes(), policy=default_policy)
    attached = {part.get_filename(): part.get_content() for part in message.iter_attachments()}
    assert list(attached) == ["act-SSL-A-2026-000001.pdf", "invoice-SSL-A-2026-000001.pdf"]
    assert all(content.startswith(b"%PDF") for content in attached.values())
    assert make_acts(office, now=LAST + 2 * 60 * MINUTE) == []
    assert len(letters(office)) == 1


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_an_act_tells_its_services_in_order_and_is_the_same_later(office: Office, customer: int) -> None:
    lines = (ssl_line("b"), ssl_line("a"), ssl_line("c", "5.00", begins_on="2026-11-02", ends_on="2026-11-03"))
    stated(office, *lines)
    make_acts(office, now=LAST)
    view = act_view(office, "SSL-A-2026-000001")
    assert (view.customer, view.customer_details) == ("ООО «Клиент»", "ИНН/УНП 7701234567, client@example.test")
    assert (view.dated, view.month, view.currency, view.total_minor) == (date(2026, 11, 30), "2026-11", "BYN", 24500)
    assert [line.net_minor for line in view.lines] == [500, 12000, 12000]
    assert view.provider.name == office.settings.provider_name
    stated(office, ssl_line("a", state="paid", stated_at=(NOW + 11 * DAY).isoformat()), at=NOW + 11 * DAY)
    assert act_view(office, "SSL-A-2026-000001") == view
    for unknown in ("SSL-A-2026-000002", "KS-A-2026-000001", "nonsense", "SSL-A-2026-1"):
        with pytest.raises(NotFound):
            act_view(office, unknown)


@pytest.mark.clause("SSL-7.6")
@pytest.mark.parametrize(
    ("now", "made"),
    [
        (datetime(2026, 11, 29, 20, 59, 59, tzinfo=UTC), 0),
        (datetime(2026, 11, 29, 21, 0, tzinfo=UTC), 1),
        (datetime(2026, 12, 28, 21, 0, tzinfo=UTC), 1),
    ],
)
def test_ssl_7_6_an_act_waits_for_the_last_day_and_is_made_up_for_after_it(
    office: Office, customer: int, now: datetime, made: int
) -> None:
    stated(office, ssl_line(), ssl_line("S-2", begins_on="2026-12-01", ends_on="2026-12-01"))
    assert len(make_acts(office, now=now)) == made
    assert [act[2] for act in monthly_acts(office)] == ["2026-11"] * made


def test_a_month_that_is_not_at_its_last_day_is_refused(office: Office, customer: int) -> None:
    stated(office, ssl_line())
    with pytest.raises(Refused, match="dated its last day"):
        acts_to_make(office, now=LAST - DAY, month="2026-11")
    with pytest.raises(Refused, match="dated its last day"):
        make_act(office, ActOf("2026-11", customer, "BYN"), now=LAST - DAY)
    assert monthly_acts(office) == []


def test_one_month_can_be_asked_for(office: Office, customer: int) -> None:
    october = {"begins_on": "2026-10-05", "ends_on": "2026-10-05"}
    stated(office, ssl_line(), ssl_line("S-2", **october))
    assert [due.of.month for due in acts_to_make(office, now=LAST)] == ["2026-10", "2026-11"]
    assert [due.of.month for due in acts_to_make(office, now=LAST, month="2026-11")] == ["2026-11"]
    make_acts(office, now=LAST, month="2026-11")
    assert monthly_acts(office) == [(2026, 1, "2026-11", 0, 12000)]


def test_what_would_be_made_changes_nothing(office: Office, customer: int) -> None:
    stated(office, ssl_line(), ssl_line("S-2", "30.00"))
    [due] = acts_to_make(office, now=LAST)
    assert (due.customer, due.edition, due.lines, due.total_minor) == ("ООО «Клиент»", 0, 2, 15000)
    assert (monthly_acts(office), letters(office)) == ([], [])


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_each_customer_and_currency_has_an_act_numbered_without_holes_in_a_year(office: Office) -> None:
    for n in (1, 2):
        ssl_customer(office, f"c{n}@example.test", f"Клиент {n}")
    january = {"begins_on": "2027-01-11", "ends_on": "2027-01-11"}
    stated(
        office, *(ssl_line(f"S-{n}", customer=f"c{n}@example.test", currency=c) for n, c in ((1, "BYN"), (2, "USD")))
    )
    stated(office, ssl_line("S-3", customer="c1@example.test", currency="EUR"))
    stated(office, ssl_line("S-4", customer="c1@example.test", **january))
    assert len(make_acts(office, now=LAST)) == 3
    assert len(make_acts(office, now=datetime(2027, 1, 31, 19, 0, tzinfo=UTC))) == 1
    assert [act[:4] for act in monthly_acts(office)] == [
        (2026, 1, "2026-11", 0),
        (2026, 2, "2026-11", 0),
        (2026, 3, "2026-11", 0),
        (2027, 1, "2027-01", 0),
    ]


def test_an_act_of_december_that_is_made_in_january_has_a_number_of_its_own_year(office: Office, customer: int) -> None:
    stated(office, ssl_line(begins_on="2026-12-31", ends_on="2026-12-31"))
    make_acts(office, now=datetime(2027, 1, 4, 19, 0, tzinfo=UTC))
    assert monthly_acts(office) == [(2026, 1, "2026-12", 0, 12000)]
    assert act_view(office, "SSL-A-2026-000001").dated == date(2026, 12, 31)


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_what_is_recorded_after_the_act_comes_in_a_further_edition_and_is_late(
    office: Office, customer: int
) -> None:
    stated(office, ssl_line())
    make_acts(office, now=LAST)
    stated(office, ssl_line("S-2", "7.00"), at=MIDNIGHT + DAY)
    assert open_obligations(office) == ["SSL-7.6 send edition 1 of the act in BYN"]
    assert watch(office.sessions, operator="operator@example.net", now=MIDNIGHT + DAY + MINUTE).breached == 1
    assert make_acts(office, now=MIDNIGHT + DAY + MINUTE) == ["SSL-A-2026-000002"]
    assert monthly_acts(office) == [(2026, 1, "2026-11", 0, 12000), (2026, 2, "2026-11", 1, 700)]
    assert "не вошли в предыдущие акты" in (letters(office)[1].body or "")
    assert "не вошли в предыдущие акты" not in (letters(office)[0].body or "")
    assert open_obligations(office) == []


@pytest.mark.clause("SSL-7.6")
@pytest.mark.parametrize("state", ["cancelled", "refunded"])
def test_ssl_7_6_a_line_that_came_to_nothing_stands_in_no_act_and_owes_none(
    office: Office, customer: int, state: str
) -> None:
    stated(office, ssl_line())
    assert open_obligations(office) == [OWED]
    stated(office, ssl_line(state=state, stated_at=(NOW + MINUTE).isoformat()), at=NOW + MINUTE)
    assert open_obligations(office) == []
    assert (acts_to_make(office, now=LAST), make_acts(office, now=LAST)) == ([], [])
    stated(office, ssl_line(state="issued", stated_at=(NOW + 2 * MINUTE).isoformat()), at=NOW + 2 * MINUTE)
    assert open_obligations(office) == [OWED]
    assert len(make_acts(office, now=LAST)) == 1


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_a_correction_of_an_earlier_month_comes_in_the_current_act(office: Office, customer: int) -> None:
    stated(office, ssl_line(), ssl_line("S-2", "50.00"))
    make_acts(office, now=LAST)
    december = {"stated_at": (NOW + 20 * DAY).isoformat()}
    refund = ssl_line("R-1", state="refunded", corrects="S-1", **december)
    corrected = ssl_line("K-2", "50.00", state="correction", corrects="S-2", quantity="-0.1", **december)
    fresh = ssl_line("S-3", "200.00", begins_on="2026-12-10", ends_on="2026-12-10", **december)
    stated(office, refund, corrected, fresh, at=NOW + 20 * DAY)
    end = datetime(2026, 12, 31, 18, 50, tzinfo=UTC)
    assert [(due.lines, due.total_minor) for due in acts_to_make(office, now=end)] == [(3, 20000 - 12000 - 500)]
    make_acts(office, now=end)
    assert monthly_acts(office)[1:] == [(2026, 2, "2026-12", 0, 20000 - 12000 - 500)]
    rows = {(line.quantity_milli, line.net_minor) for line in act_view(office, "SSL-A-2026-000002").lines}
    assert rows == {(-1000, -12000), (-100, -500), (1000, 20000)}


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_a_line_that_stands_in_an_act_changes_by_correction_alone(office: Office, customer: int) -> None:
    stated(office, ssl_line())
    make_acts(office, now=LAST)
    later = {"stated_at": (LAST + DAY).isoformat()}
    changes: list[dict[str, Any]] = [
        {"state": "cancelled"},
        {"state": "refunded"},
        {"quantity": "2"},
        {"service": "Другой сертификат"},
        {"price": {"amount": "120.00", "currency": "USD"}},
        {"begins_on": "2026-11-19"},
        {"begins_on": "2026-12-01", "ends_on": "2026-12-01"},
    ]
    for change in changes:
        assert "S-1 stands in an act of 2026-11; state a new line" in stated(
            office, ssl_line(**later | change), at=LAST + DAY
        )
    assert stated(office, ssl_line(state="paid", **later), at=LAST + DAY) == ADDED
    early = ssl_line(quantity="3", stated_at=(NOW - DAY).isoformat())
    assert stated(office, early, at=LAST + DAY) == ADDED, "a statement that holds no more changes nothing"
    assert make_acts(office, now=LAST + 2 * DAY) == []
    assert open_obligations(office) == []


def test_a_line_that_moves_to_another_customer_lifts_what_was_owed_to_the_first(office: Office, customer: int) -> None:
    other = ssl_customer(office, "other@example.test", "Другой")
    stated(office, ssl_line())
    stated(office, ssl_line(customer="other@example.test", stated_at=(NOW + MINUTE).isoformat()), at=NOW + MINUTE)
    with reading(office.sessions) as session:
        rows = session.execute(select(Obligation.subject, Obligation.state).order_by(Obligation.id)).all()
    assert [tuple(row) for row in rows] == [
        (f"SSL 2026-11 customer {customer}", ObligationState.LIFTED),
        (f"SSL 2026-11 customer {other}", ObligationState.OPEN),
    ]


def test_a_letter_that_bounced_leaves_the_act_owed(office: Office, customer: int) -> None:
    stated(office, ssl_line())
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(office.mail, "send", refuse_letter)
        make_acts(office, now=LAST)
    assert open_obligations(office) == [OWED]
    assert [letter.state for letter in letters(office)] == [NoticeState.BOUNCED]


def refuse_letter(_letter: object) -> None:
    raise Refused("mail", "no such mailbox")


def test_an_act_whose_documents_fail_keeps_no_other_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in (1, 2):
        ssl_customer(office, f"c{n}@example.test", f"Клиент {n}")
    stated(office, *(ssl_line(f"S-{n}", customer=f"c{n}@example.test") for n in (1, 2)))

    def fails(act: CustomerAct) -> bytes:
        if act.customer == "Клиент 1":
            raise ValueError("no font")
        return monthly_act_pdf(act)

    with monkeypatch.context() as broken:
        broken.setattr(customer_acts, "monthly_act_pdf", fails)
        with pytest.raises(Refused, match=r"no documents of SSL-A-2026-000001$"):
            make_acts(office, now=LAST)
    assert [letter.about for letter in letters(office)] == ["SSL-A-2026-000002"]
    assert unsent_acts(office) == ["SSL-A-2026-000001"]
    assert make_acts(office, now=LAST + MINUTE) == ["SSL-A-2026-000001"]
    assert open_obligations(office) == []


def test_what_may_work_later_stops_the_run(sqlite_office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    ssl_customer(sqlite_office)
    stated(sqlite_office, ssl_line())

    def away(_act: CustomerAct) -> bytes:
        raise Transient("the ledger did not answer")

    monkeypatch.setattr(customer_acts, "monthly_act_pdf", away)
    with pytest.raises(Transient):
        make_acts(sqlite_office, now=LAST)


def test_runs_at_the_same_time_make_each_act_once(office: Office) -> None:
    for n in range(4):
        ssl_customer(office, f"c{n}@example.test", f"Клиент {n}")
    stated(office, *(ssl_line(f"S-{n}", customer=f"c{n}@example.test") for n in range(4)))
    due = [act.of for act in acts_to_make(office, now=LAST)] * 3
    with ThreadPoolExecutor(6) as pool:
        made = [number for number in pool.map(lambda of: make_act(office, of, now=LAST), due) if number]
    assert sorted(made) == [f"SSL-A-2026-{n:06d}" for n in range(1, 5)]


def test_the_database_refuses_a_changed_act_and_a_line_in_two_acts(office: Office, customer: int) -> None:
    stated(office, ssl_line())
    make_acts(office, now=LAST)
    with pytest.raises(DBAPIError, match="append-only"), transaction(office.sessions) as session:
        session.execute(update(MonthlyAct).values(total_minor=1))
    with reading(office.sessions) as session:
        act, line = session.scalars(select(MonthlyAct)).one(), session.scalars(select(MonthlyActLine)).one()
    with pytest.raises(DBAPIError), transaction(office.sessions) as session:
        session.add(MonthlyActLine(line_id=line.line_id, act_id=act.id))


def links(office: Office) -> list[str]:
    """The links of the only letter that went out."""
    [file] = office.settings.outbox.glob("*.eml")
    body = message_from_bytes(file.read_bytes(), policy=default_policy).get_body(("plain",))
    assert body is not None
    return re.findall(r"http://\S+", body.get_content())


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_both_documents_stay_for_download_under_links_that_nobody_can_guess(
    office: Office, customer: int
) -> None:
    stated(office, ssl_line())
    make_acts(office, now=LAST)
    paths = [link.removeprefix(str(office.settings.public_url).rstrip("/")) for link in links(office)]
    assert all(re.fullmatch(r"/documents/\d+-[A-Za-z0-9_-]{43}", path) for path in paths)
    assert "[[document-link:monthly-act:SSL-A-2026-000001]]" in (letters(office)[0].body or ""), "the ledger keeps none"
    with reading(office.sessions) as session:
        kept = session.scalars(select(Document).order_by(Document.id)).all()
    with gateway(office) as http:
        for path, row in zip(paths, kept, strict=True):
            for answer in (http.get(path), http.get(path)):
                assert answer.status_code == 200
                assert answer.content == office.archive.get(row.sha256)
                assert answer.headers["content-type"] == "application/pdf"
                assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{row.file_name}"
                assert answer.headers["x-robots-tag"] == "noindex"
                assert answer.headers["cache-control"] == "no-store"
                assert answer.headers["x-content-type-options"] == "nosniff"
        number, _, mark = paths[0].removeprefix("/documents/").partition("-")
        other = paths[1].removeprefix("/documents/").partition("-")[2]
        unknown = [
            f"{number}-{other}",
            f"{number}-{mark[:-1]}",
            f"{number}-{mark}x",
            f"0{number}-{mark}",
            f"99-{mark}",
            f"-{mark}",
            number,
            mark,
            "x" * 43,
            "9" * 400,
            "%D9%A1-x",
            f"{number}-%D0%B6",
            "..%2f..",
        ]
        page = http.get(f"/secrets/{'x' * 43}")
        for token in unknown:
            answer = http.get(f"/documents/{token}")
            assert answer.status_code == 404, token
            if "%2f" not in token:
                assert answer.text == page.text, token


def test_a_document_that_was_altered_in_the_archive_is_not_served(sqlite_office: Office) -> None:
    ssl_customer(sqlite_office)
    stated(sqlite_office, ssl_line())
    make_acts(sqlite_office, now=LAST)
    with reading(sqlite_office.sessions) as session:
        row = session.scalars(select(Document).order_by(Document.id)).first()
    assert row is not None
    (sqlite_office.settings.archive / row.sha256[:2] / row.sha256).write_bytes(b"other")
    with pytest.raises(Refused, match="altered"):
        download(sqlite_office, document_token(sqlite_office, row))


def test_a_download_is_counted_against_its_callers_limit(office: Office, customer: int) -> None:
    stated(office, ssl_line())
    make_acts(office, now=LAST)
    limited = Office(office.settings.model_copy(update={"requests_a_minute": 2}), office.engine, office.sessions)
    path = "/documents/" + links(office)[0].rpartition("/")[2]
    with gateway(limited) as http:
        assert [http.get(path).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.clause("SSL-7.6")
def test_ssl_7_6_an_act_without_obligation_still_goes_out(office: Office, customer: int) -> None:
    stated(office, ssl_line())
    with transaction(office.sessions) as session:
        session.delete(session.scalars(select(Obligation)).one())
    assert len(make_acts(office, now=LAST)) == 1
    assert [letter.state for letter in letters(office)] == [NoticeState.DELIVERED]


def test_late_in_the_month_the_watch_warns_of_an_act_that_was_not_sent(office: Office, customer: int) -> None:
    stated(office, ssl_line())
    warn = NOW + (MIDNIGHT - NOW) * 4 / 5
    operator = office.settings.operator_email
    assert watch(office.sessions, operator=operator, now=warn - timedelta(seconds=1)).warned == 0
    assert watch(office.sessions, operator=operator, now=warn).warned == 1
    assert watch(office.sessions, operator=operator, now=MIDNIGHT).breached == 0
    assert watch(office.sessions, operator=operator, now=MIDNIGHT + MINUTE).breached == 1
