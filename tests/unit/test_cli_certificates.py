"""`dogovor certificates plan`, run as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.test_cli import dogovor

PLAN = ("certificates", "plan", "K000001.example.net", "--from", "2026-11-23")


def rows(table: str) -> list[str]:
    return [line for line in table.splitlines() if line.startswith("| ") and line[2].isdigit()]


def test_a_year_is_printed_and_drawn(tmp_path: Path) -> None:
    told = dogovor(tmp_path, *PLAN, "--days", "47", "--picture", str(tmp_path / "year.png"))
    assert "# План замены сертификатов k000001.example.net: 23\N{NO-BREAK SPACE}ноября 2026" in told
    assert len(rows(told)) == 24
    assert "02.01.2027 09:00–11:00 МСК" in rows(told)[0]
    assert (tmp_path / "year.png").read_bytes().startswith(b"\x89PNG")
    dogovor(tmp_path, *PLAN, "--days", "398", "--picture", str(tmp_path / "year.svg"))
    assert (tmp_path / "year.svg").read_bytes().startswith(b"<svg")
    dogovor(tmp_path, *PLAN, "--picture", str(tmp_path / "year.pdf"))
    assert (tmp_path / "year.pdf").read_bytes().startswith(b"%PDF")


def test_without_days_the_certificates_last_as_long_as_public_cas_may_issue(tmp_path: Path) -> None:
    told = dogovor(tmp_path, *PLAN)
    assert "(200 дней)" in told
    assert rows(told) == rows(dogovor(tmp_path, *PLAN, "--public"))
    assert rows(told) != rows(dogovor(tmp_path, *PLAN, "--days", "200"))


def test_a_plan_that_breaks_its_promise_says_what_to_do(tmp_path: Path) -> None:
    told = dogovor(tmp_path, *PLAN, "--days", "6")
    assert "нарушено: 103" in told
    assert "не меньше 40 дней" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--days", "90", "--public"), "give one"),
        (("--days", "1"), "before it could be replaced"),
        (("--from", "23.11.2026"), "is no day"),
        (("--from", "2019-01-01"), "no public certificate lifetime"),
        (("--picture", "year.gif"), "a .pdf, .png or .svg file"),
    ],
)
def test_what_cannot_be_planned_or_drawn_is_said_in_a_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    assert said in dogovor(tmp_path, *PLAN, *arguments, code=1)


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_ask_tells_by_when_the_notice_is_due(tmp_path: Path) -> None:
    facts = '{"swap_at": "2026-12-26T09:00:00+03:00"}'
    answer = json.loads(dogovor(tmp_path, "ask", "KS-3.8", "--facts", facts, "--json"))
    assert answer["decision"]["verdict"] == "refused"
    assert answer["decision"]["deadline"]["due"] == "2026-11-26T06:00:00Z"
    assert "counted back from" in answer["reading"]


def test_a_certificate_is_ordered_listed_and_its_story_shown(tmp_path: Path) -> None:
    names = ("--name", "shop.example.net", "--name", "www.shop.example.net")
    order = ("certificates", "issue", *names, "--authority", "local", "--operator", "О. Петрова")
    assert "would be ordered: shop.example.net at local" in dogovor(tmp_path, *order, "--dry-run")
    assert dogovor(tmp_path, "certificates", "list").strip() == ""
    assert "the order at local is issued" in dogovor(tmp_path, *order)
    assert dogovor(tmp_path, "certificates", "list").startswith("shop.example.net\tnothing")
    told = dogovor(tmp_path, "certificates", "show", "shop.example.net")
    assert "asked_for" in told
    assert "О. Петрова" in told
