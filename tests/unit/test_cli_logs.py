"""`dogovor logs purge` refuses what is not said plainly."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from blocks.errors import Refused
from blocks.office import Office
from flows import runtime
from flows.cli.app import app
from tests.purge_work import DUE, sealed


@pytest.fixture
def known(sqlite_office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(runtime, "office", lambda: sqlite_office)
    monkeypatch.setattr(runtime, "now", lambda: DUE)
    return sqlite_office


@pytest.mark.parametrize("given", [[], ["--dry-run", "--yes"], ["--yes"], ["--yes", "--person", " "]])
def test_a_purge_needs_one_choice_and_a_person(known: Office, given: list[str]) -> None:
    sealed(known, "a")
    result = CliRunner().invoke(app, ["logs", "purge", *given])
    assert isinstance(result.exception, Refused)
    assert known.keys.names() == ["period/qs-payload/2026-05-21"]


def test_a_dry_run_shows_and_a_real_one_destroys_and_names_its_act(known: Office) -> None:
    sealed(known, "a")
    shown = CliRunner().invoke(app, ["logs", "purge", "--dry-run"])
    assert "1 class-days, 1 segments" in shown.output
    done = CliRunner().invoke(app, ["logs", "purge", "--yes", "--person", "Анна"])
    assert "1 keys destroyed; proven: LP-2026-000001" in done.output
    assert known.keys.names() == []
