"""Invoice lines on record (OCP-3.2.6): by signed webhook into the ledger, and out of it as a month."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from blocks.ledger import ActState, InboxEvent, InboxState, InvoiceLine, Refusal, reading, transaction
from blocks.lines import rows, writing
from blocks.lines.columns import SCHEMA
from blocks.office import Office
from flows.gateway.edge import MAX_BODY
from tasks.inbox import unpark
from tasks.invoice_lines import holds
from tasks.line_export import export_month
from tasks.line_forms import LinesForm
from tasks.line_statements import record_lines
from tests.conftest import eventually
from tests.gateway_server import gateway, signed
from tests.invoice_lines import add_act, ocp_line, recorded, ssl_customer, ssl_line, state_lines
from tests.work import DAY, MINUTE, NOW, drain, inbox_states

SECOND = timedelta(seconds=1)
KNOWN = "OCP: 0 lines recorded, 1 known before"
ADDED = "OCP: 1 lines recorded, 0 known before"


def current(office: Office, month: str = "2026-11", agreement: str = "OCP") -> dict[str, InvoiceLine]:
    with reading(office.sessions) as session:
        of_month = select(InvoiceLine).where(InvoiceLine.agreement == agreement, InvoiceLine.month == month, holds())
        return {row.line: row for row in session.scalars(of_month.order_by(InvoiceLine.line))}


def months(office: Office) -> list[tuple[str, str]]:
    with reading(office.sessions) as session:
        return [(row.line, row.month) for row in session.scalars(select(InvoiceLine).order_by(InvoiceLine.id))]


@pytest.mark.clause("OCP-3.2.6")
def test_ocp_3_2_6_a_stated_line_is_on_record_with_exact_sums(office: Office) -> None:
    line = ocp_line(cart="K-7", quantity="0.335", state="paid")
    assert state_lines(office, line, at=NOW + MINUTE) == ADDED
    row = current(office)["L-1"]
    assert (row.month, row.source, row.cart, row.state, row.currency) == ("2026-11", "shop", "K-7", "paid", "KZT")
    assert (row.quantity_milli, row.price_minor, row.vat_bp) == (335, 99000, 1600)
    assert (row.net_minor, row.vat_minor) == (33165, 5306)  # 331.65, and 16 % of it is 53.064
    assert (row.stated_at, row.recorded_at) == (NOW, NOW + MINUTE)


@pytest.mark.clause("OCP-3.2.6")
def test_ocp_3_2_6_the_same_statement_again_changes_nothing_and_another_is_a_conflict(office: Office) -> None:
    assert state_lines(office, ocp_line()) == ADDED
    assert state_lines(office, ocp_line(), at=NOW + DAY) == KNOWN
    same = ocp_line(quantity="1.000", stated_at="2026-11-20T14:00:00+05:00", vat_percent="16.00")
    assert state_lines(office, same) == KNOWN
    assert "was stated otherwise" in state_lines(office, ocp_line(quantity="2"))
    assert "was stated otherwise" in state_lines(office, ocp_line("L-2"), ocp_line("L-2", invoice="I-2"))
    assert recorded(office) == 1
    assert list(inbox_states(office)) == [InboxState.DONE] * 3 + [InboxState.PARKED] * 2


def test_a_line_stated_twice_in_one_event_is_recorded_once(office: Office) -> None:
    assert state_lines(office, ocp_line(), ocp_line()) == "OCP: 1 lines recorded, 1 known before"


@pytest.mark.clause("OCP-3.2.6")
def test_ocp_3_2_6_the_latest_statement_holds_in_whatever_order_they_come(office: Office) -> None:
    later = (NOW + DAY).isoformat()
    state_lines(office, ocp_line(state="paid", stated_at=later), at=NOW + DAY)
    state_lines(office, ocp_line(state="issued"), at=NOW + 2 * DAY)
    assert current(office)["L-1"].state == "paid"
    state_lines(office, ocp_line(state="cancelled", stated_at=(NOW + DAY + SECOND).isoformat()), at=NOW + 2 * DAY)
    assert current(office)["L-1"].state == "cancelled"
    assert recorded(office) == 3


def test_a_line_that_moves_to_another_month_is_reported_there_alone(office: Office) -> None:
    state_lines(office, ocp_line())
    moved = {"begins_on": "2026-12-01", "ends_on": "2026-12-31", "stated_at": (NOW + MINUTE).isoformat()}
    assert state_lines(office, ocp_line(**moved)) == ADDED
    assert (list(current(office)), list(current(office, "2026-12"))) == ([], ["L-1"])


def test_one_bad_line_keeps_all_lines_of_its_event_out_and_a_person_sees_why(office: Office) -> None:
    bad = (ocp_line("L-2", tariff="NONE"), ocp_line("L-3", quantity="0"), ocp_line("L-4", vat_percent="12"))
    outcome = state_lines(office, ocp_line(), *bad)
    assert outcome == (
        "L-2: unknown tariff NONE; L-3: the quantity is above zero; L-4: the VAT rate of 2026-11-01 is another"
    )
    assert recorded(office) == 0
    assert list(inbox_states(office)) == [InboxState.PARKED]


def test_a_refusal_tells_of_ten_faults_and_how_many_more_there_are(office: Office) -> None:
    outcome = state_lines(office, *(ocp_line(f"L-{n}", tariff="NONE") for n in range(12)))
    assert outcome.count("unknown tariff") == 10
    assert outcome.endswith("(and 2 more faults)")


@pytest.mark.parametrize(("ahead", "taken"), [(timedelta(minutes=5), True), (timedelta(minutes=5, seconds=1), False)])
def test_a_statement_of_the_future_is_refused(sqlite_office: Office, ahead: timedelta, taken: bool) -> None:
    assert (state_lines(sqlite_office, ocp_line(stated_at=(NOW + ahead).isoformat())) == ADDED) == taken


def test_a_line_belongs_to_its_source(office: Office) -> None:
    state_lines(office, ocp_line())
    later = ocp_line(state="cancelled", stated_at=(NOW + MINUTE).isoformat())
    assert state_lines(office, later, source="other") == "L-1 is a line of another source"
    assert current(office)["L-1"].state == "issued"


def test_a_line_of_the_same_name_under_another_agreement_is_another_line(office: Office) -> None:
    ssl_customer(office)
    state_lines(office, ocp_line("N-1"))
    december = {"begins_on": "2026-12-01", "ends_on": "2026-12-01", "stated_at": (NOW + MINUTE).isoformat()}
    state_lines(office, ssl_line("N-1", **december), agreement="SSL", source="other", at=NOW + MINUTE)
    add_act(office, "2026-12", ActState.MADE)
    state_lines(office, ssl_line("N-2", **december), agreement="SSL", at=NOW + MINUTE)
    assert list(current(office)) == ["N-1"]
    assert list(current(office, "2026-12", "SSL")) == ["N-1", "N-2"]


def test_the_same_line_from_many_at_once_is_recorded_once(office: Office) -> None:
    form = LinesForm.model_validate({"agreement": "OCP", "lines": [ocp_line(f"L-{n}") for n in range(20)]})
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: record_lines(office, "shop", form, received_at=NOW), range(6)))
    assert recorded(office) == 20


def test_a_line_keeps_what_it_corrects(office: Office) -> None:
    state_lines(office, ocp_line("R-1", state="refunded", corrects="L-1"))
    other = ocp_line("R-1", state="refunded", corrects="L-2", stated_at=(NOW + MINUTE).isoformat())
    assert state_lines(office, other) == "R-1 was stated to correct L-1"


@pytest.mark.clause("OCP-3.2.6")
@pytest.mark.parametrize("state", [ActState.MADE, ActState.SIGNED, ActState.CLOSED])
def test_ocp_3_2_6_a_month_that_is_made_out_takes_corrections_alone(office: Office, state: ActState) -> None:
    october = {"begins_on": "2026-10-01", "ends_on": "2026-10-31"}
    state_lines(office, ocp_line(**october))
    add_act(office, "2026-10", state)
    again = {"stated_at": (NOW + MINUTE).isoformat()}
    moved = state_lines(office, ocp_line(**again))
    for refused in (
        state_lines(office, ocp_line("L-2", **october)),
        state_lines(office, ocp_line(**october, **again)),
        moved,
    ):
        assert "2026-10 is made out; state a new line, `refunded` or `correction`" in refused
    assert state_lines(office, ocp_line(**october)) == KNOWN
    refund = ocp_line("R-1", **october, **again, state="refunded", corrects="L-1")
    assert state_lines(office, refund) == ADDED
    assert months(office) == [("L-1", "2026-10"), ("R-1", "2026-11")]


def test_a_month_that_was_reopened_takes_lines_again(office: Office) -> None:
    october = {"begins_on": "2026-10-01", "ends_on": "2026-10-31"}
    for edition, state in enumerate((ActState.CLOSED, ActState.OPEN)):
        add_act(office, "2026-10", state, edition)
    assert state_lines(office, ocp_line(**october)) == ADDED


@pytest.mark.parametrize("state", [ActState.OPEN, ActState.REPORTED])
def test_a_month_whose_act_is_not_made_out_takes_lines(sqlite_office: Office, state: ActState) -> None:
    add_act(sqlite_office, "2026-11", state)
    assert state_lines(sqlite_office, ocp_line()) == ADDED


def test_the_database_itself_refuses_a_line_of_a_month_that_is_made_out(office: Office) -> None:
    add_act(office, "2026-11", ActState.MADE)
    values = {name: getattr(line_row(), name) for name in InvoiceLine.__table__.columns.keys() if name != "id"}  # noqa: SIM118
    with pytest.raises(DBAPIError, match="the month is made out"), transaction(office.sessions) as session:
        session.add(InvoiceLine(**values))
    with transaction(office.sessions) as session:
        session.add(InvoiceLine(**values | {"month": "2026-12"}))


def line_row() -> InvoiceLine:
    day = datetime(2026, 11, 1, tzinfo=UTC).date()
    return InvoiceLine(
        agreement="OCP", month="2026-11", line="L-1", stated_at=NOW, source="shop", invoice="I-1", customer="C-1",
        cart="", service="Услуга", tariff="TV-KINO", begins_on=day, ends_on=day, quantity_milli=1000,
        price_minor=1, net_minor=1, vat_bp=0, vat_minor=0, currency="KZT", state="issued", corrects="",
        recorded_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stated_at", "month"),
    [("2026-11-30T18:59:59+00:00", "2026-11"), ("2026-11-30T19:00:00+00:00", "2026-12")],
)
def test_the_month_of_a_correction_is_told_in_astana(office: Office, stated_at: str, month: str) -> None:
    october = {"begins_on": "2026-10-01", "ends_on": "2026-10-31"}
    refund = ocp_line("R-1", state="refunded", corrects="L-1", stated_at=stated_at, **october)
    state_lines(office, refund, at=NOW + 20 * DAY)
    assert months(office) == [("R-1", month)]


def test_a_correction_that_is_stated_again_stays_in_its_month_and_is_refused_once_that_is_made_out(
    office: Office,
) -> None:
    october = {"begins_on": "2026-10-01", "ends_on": "2026-10-31", "corrects": "L-1", "state": "correction"}
    december = {"stated_at": (NOW + 20 * DAY).isoformat(), "quantity": "-2"}
    state_lines(office, ocp_line("K-1", **october, quantity="-1"))
    assert state_lines(office, ocp_line("K-1", **october, **december), at=NOW + 20 * DAY) == ADDED
    assert months(office) == [("K-1", "2026-11")] * 2
    assert current(office)["K-1"].net_minor == -198000
    add_act(office, "2026-11", ActState.MADE)
    january = ocp_line("K-1", **october | december | {"stated_at": (NOW + 50 * DAY).isoformat()})
    assert "2026-11 is made out" in state_lines(office, january, at=NOW + 50 * DAY)


def test_lines_of_a_customer_are_found_as_they_stand(office: Office) -> None:
    state_lines(office, ocp_line("b"), ocp_line("a"), ocp_line("c", customer="user-18"))
    state_lines(office, ocp_line("a", state="cancelled", stated_at=(NOW + MINUTE).isoformat()))
    found = [row for row in current(office).values() if row.customer == "user-17"]
    assert [(row.line, row.state) for row in found] == [("a", "cancelled"), ("b", "issued")]
    assert current(office, agreement="SSL") == {}


def test_a_month_is_exported_in_the_canonical_form_by_line(office: Office, tmp_path: Path) -> None:
    names = ["b", "a-1", "A-2", "a2", "я", "B"]
    state_lines(office, *(ocp_line(name) for name in names), ocp_line("=cmd", cart="K", service="=1+1"))
    state_lines(office, ocp_line("b", state="paid", stated_at=(NOW + MINUTE).isoformat()))
    december = {"begins_on": "2026-12-01", "ends_on": "2026-12-31"}
    state_lines(office, ocp_line("other", **december))
    target = tmp_path / "lines.parquet"
    with reading(office.sessions) as session:
        assert export_month(session, "OCP", "2026-11", target) == 7
        assert export_month(session, "OCP", "2026-11", tmp_path / "again.parquet") == 7
        assert export_month(session, "OCP", "2027-01", tmp_path / "none.parquet") == 0
    table = pq.read_table(target)
    assert table.schema.equals(SCHEMA)
    assert table["line"].to_pylist() == sorted([*names, "=cmd"])
    first = table.to_pylist()[0]
    assert (first["line"], first["cart"], first["service"], first["corrects"]) == ("=cmd", "K", "=1+1", "")
    assert (first["net_minor"], first["begins_on"].isoformat()) == (99000, "2026-11-01")
    assert dict(zip(table["line"].to_pylist(), table["state"].to_pylist(), strict=True))["b"] == "paid"
    assert target.read_bytes() == (tmp_path / "again.parquet").read_bytes()
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == [
        "again.parquet",
        "lines.parquet",
        "none.parquet",
    ]


def test_an_export_of_more_rows_than_memory_holds_at_once_is_whole(
    sqlite_office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BATCH", 2)
    monkeypatch.setattr(writing, "GROUP", 2)
    state_lines(sqlite_office, *(ocp_line(f"L-{n}") for n in range(5)))
    with reading(sqlite_office.sessions) as session:
        assert export_month(session, "OCP", "2026-11", tmp_path / "lines.parquet") == 5
    stored = pq.ParquetFile(tmp_path / "lines.parquet")
    assert (stored.num_row_groups, stored.read()["line"].to_pylist()) == (3, [f"L-{n}" for n in range(5)])


def test_an_export_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Any:
        yield ("text",) * len(SCHEMA)

    with pytest.raises(Exception, match="str"):
        rows.write_rows(broken(), tmp_path / "lines.parquet")
    assert list(tmp_path.iterdir()) == []


def body(*lines: dict[str, Any], agreement: str = "OCP") -> str:
    return json.dumps({"agreement": agreement, "lines": list(lines)}, ensure_ascii=False)


@pytest.mark.clause("OCP-3.2.6")
def test_ocp_3_2_6_signed_lines_are_stored_once_and_forged_ones_only_counted(office: Office) -> None:
    good = body(ocp_line())
    stale = signed(good, at=datetime.now(UTC) - timedelta(minutes=5, seconds=5))
    with gateway(office) as http:
        for duplicate in (False, True):
            answer = http.post("/webhooks/lines", content=good.encode(), headers=signed(good))
            assert (answer.status_code, answer.json()) == (202, {"duplicate": duplicate})
        other = body(ocp_line("L-2"))
        assert http.post("/webhooks/lines", content=other.encode(), headers=signed(other)).status_code == 409
        for headers in (signed(good + " "), stale, {}):
            assert http.post("/webhooks/lines", content=good.encode(), headers=headers).status_code == 401
        eventually(lambda: refusals(office) == {"conflict": 1, "signature": 3}, within_s=5)
        schema = http.get("/openapi.json").json()["paths"]["/webhooks/lines"]["post"]["requestBody"]
        assert set(schema["content"]["application/json"]["schema"]["required"]) == {"agreement", "lines"}
    drain(office, NOW + 3650 * DAY)
    assert list(current(office)) == ["L-1"]


def refusals(office: Office) -> dict[str, int]:
    with reading(office.sessions) as session:
        return {row.reason: row.count for row in session.scalars(select(Refusal))}


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 1},
        {"quantity": 0.5},
        {"quantity": "1e3"},
        {"quantity": "NaN"},
        {"quantity": "0.0001"},
        {"quantity": "1,5"},
        {"quantity": "٣"},
        {"quantity": "1" * 16},
        {"price": {"amount": 990.5, "currency": "KZT"}},
        {"price": {"amount": "990.005", "currency": "KZT"}},
        {"price": {"amount": "1000000000000000", "currency": "KZT"}},
        {"price": {"amount": "NaN", "currency": "KZT"}},
        {"price": {"amount": "1", "currency": "GBP"}},
        {"vat_percent": 16},
        {"vat_percent": "-1"},
        {"begins_on": 20260101},
        {"begins_on": "01.11.2026"},
        {"begins_on": "2026-11-31"},
        {"stated_at": "2026-11-20T12:00:00"},
        {"state": "unknown"},
        {"line": ""},
        {"line": "x" * 65},
        {"service": "a\nb"},
        {"extra": 1},
    ],
)
def test_a_genuine_event_whose_line_does_not_read_is_refused_at_the_door(
    sqlite_office: Office, changes: dict[str, Any]
) -> None:
    told = body(ocp_line(), ocp_line("L-2") | changes)
    with gateway(sqlite_office) as http:
        assert http.post("/webhooks/lines", content=told.encode(), headers=signed(told)).status_code == 422
    assert list(inbox_states(sqlite_office)) == []


def test_an_event_has_one_to_five_hundred_lines_within_the_limit_of_a_body(sqlite_office: Office) -> None:
    short = {"invoice": "I", "customer": "C", "service": "ТВ"}
    sizes = {0: 422, 1: 202, 500: 202, 501: 422}
    with gateway(sqlite_office) as http:
        for number, status in sizes.items():
            told = body(*(ocp_line(f"L-{n}", **short) for n in range(number)))
            assert len(told.encode()) < MAX_BODY
            answer = http.post("/webhooks/lines", content=told.encode(), headers=signed(told, f"evt-{number}"))
            assert answer.status_code == status, number
        long = body(*(ocp_line(f"L-{n}", service="Ы" * 200) for n in range(500)))
        assert http.post("/webhooks/lines", content=long.encode(), headers=signed(long, "evt-l")).status_code == 413
    drain(sqlite_office, datetime.now(UTC) + MINUTE)
    assert recorded(sqlite_office) == 500


def test_lines_of_certificates_need_a_customer_that_we_know(office: Office) -> None:
    assert state_lines(office, ssl_line(), agreement="SSL") == "S-1: the customer is not in the ledger"
    ssl_customer(office)
    told = ssl_line(customer="Client@Example.test")
    assert state_lines(office, told, agreement="SSL") == "SSL: 1 lines recorded, 0 known before"
    assert current(office, agreement="SSL")["S-1"].customer == "client@example.test"
    assert current(office) == {}


def test_a_parked_event_is_recorded_when_its_cause_is_mended(office: Office) -> None:
    state_lines(office, ssl_line(), agreement="SSL")
    ssl_customer(office)
    assert unpark(office.sessions, now=NOW + MINUTE) == 1
    drain(office, NOW + MINUTE)
    assert list(current(office, agreement="SSL")) == ["S-1"]
    with reading(office.sessions) as session:
        assert session.scalars(select(InboxEvent.state)).one() is InboxState.DONE
