"""A month of the ОЦП closed by an operator in Prefect's UI."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from blocks.ledger import Act, ActState, Notice, reading
from blocks.terms.deadlines import local_date, months_later
from blocks.terms.ocp_tariffs import VAT_BP
from blocks.terms.revenue import first_day, last_day, month_of
from blocks.terms.zones import ASTANA
from flows.cli.demo_play import Demo
from flows.cli.demo_stack import DemoStack
from tests.acceptance.prefect_api import api, resume, run_to_its_end, suspended
from tests.conftest import eventually
from tests.servers.chromium import chromium_page

HEAD = "line;invoice;customer;service;tariff;from;to;quantity;price;net;vat_rate;vat;state"
pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.timeout(900)]


def listed(month: str, lines: list[tuple[str, int]]) -> str:
    """A list of lines of 990 tenge a unit, each with its quantity."""
    begins, ends, vat = first_day(month), last_day(month), VAT_BP.on(first_day(month))
    rows = [
        f"{line};INV-{line};C-1;Телевидение;TV-KINO;{begins};{ends};{units};990,00;{units * 990},00;"
        f"{vat // 100};{units * 99_000 * vat // 1_000_000},{units * 99_000 * vat // 10_000 % 100:02d};issued"
        for line, units in lines
    ]
    return "\n".join([HEAD, *rows]) + "\n"


def act_of(demo: Demo, month: str) -> Act | None:
    with reading(demo.sessions) as session:
        return session.scalar(select(Act).where(Act.month == month, Act.edition == 0))


def picture(stack: DemoStack, page_path: str, path: Path, *, shows: str) -> None:
    """A page of Prefect's UI as a person sees it, once it shows a text."""
    with chromium_page() as page:
        page.goto(f"{stack.prefect_url.removesuffix('/api')}/{page_path}")
        page.get_by_text(shows).first.wait_for(timeout=60_000)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=path, full_page=True)


@pytest.mark.clause("OCP-P5.2", "OCP-P5.3", "OCP-P5.4")
def test_ocp_p5_a_month_is_split_settled_signed_and_paid_in_the_ui(
    stack: DemoStack, demo: Demo, tmp_path: Path
) -> None:
    month = month_of(months_later(local_date(datetime.now(UTC), ASTANA), -1))
    lists = stack.home / "lists"
    lists.mkdir(exist_ok=True)
    (lists / "ours.csv").write_text(listed(month, [("L-1", 1), ("L-2", 3)]), "utf-8")
    (lists / "operator.csv").write_text(listed(month, [("L-1", 1), ("L-2", 3), ("L-3", 2)]), "cp1251")

    def done(name: str, **parameters: Any) -> None:
        assert run_to_its_end(stack, name, parameters) == "Completed", name

    done("ocp-revenue-split", month=month)
    assert act_of(demo, month) is None, "by hand it is a dry run"
    for side, file in (("ours", "ours.csv"), ("operator", "operator.csv")):
        done("load-lines", form={"act": month, "side": side, "file": file, "operator": "О. Петрова"})
    done("ocp-revenue-split", month=month, dry_run=False)
    act = act_of(demo, month)
    assert act is not None
    assert act.state is ActState.REPORTED, "a difference is open"
    settled = {"act": month, "cause": "missing_at_us", "way": "accepted", "operator": "О. Петрова"}
    done("settle-differences", form={**settled, "reason": "счёт L-3 выставил Оператор"})
    done("follow-revenue")
    for side in ("us", "operator"):
        title = f"signature of {side} on {month}"
        eventually(lambda title=title: len(suspended(stack, title)) == 1, within_s=90)  # type: ignore[misc]
        run = suspended(stack, title)[0]["id"]
        picture(stack, f"runs/flow-run/{run}", tmp_path / f"signature-{side}.png", shows=title)
        answer = {"operator": "О. Петрова", "who": "Директор", "proof": f"письмо {side}", "signed": True}
        eventually(lambda run=run, answer=answer: resume(stack, run, answer) == "ACCEPT", within_s=60)  # type: ignore[misc]
    eventually(lambda: (row := act_of(demo, month)) is not None and row.state is ActState.SIGNED, within_s=120)
    act = act_of(demo, month)
    assert act is not None
    assert (act.income_minor, act.fee_minor, act.reward_minor) == (594_000, 118_800, 475_200)
    amount = {"amount": "4752.00", "currency": "KZT"}
    today = datetime.now(ZoneInfo(ASTANA)).date().isoformat()
    paid = {"act": month, "reference": "PP-77", "paid_on": today, "amount": amount}
    done("record-payout", form={**paid, "operator": "О. Петрова"})
    act = act_of(demo, month)
    assert act is not None
    assert act.state is ActState.CLOSED
    with reading(demo.sessions) as session:
        kinds = session.scalars(select(Notice.kind).where(Notice.about == month)).all()
    assert {"ocp_data", "ocp_act"} <= set(kinds)
    shown = [row for row in api(stack, "/artifacts/latest/filter", {}) if row["key"] == f"revenue-{month}"]
    assert "5 940,00" in shown[0]["data"].replace("\N{NO-BREAK SPACE}", " ")
    picture(stack, f"artifacts/key/revenue-{month}", tmp_path / "month.png", shows=f"revenue-{month}")
