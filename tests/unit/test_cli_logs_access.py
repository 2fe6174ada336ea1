"""`dogovor logs read`, `verify` and `journal`, as a reader runs them."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from blocks.errors import NotFound, Refused, TermsViolated
from blocks.ledger import transaction
from blocks.office import Office
from flows import runtime
from flows.cli.logs_access import app, reader
from tasks.log_journal import note_log
from tests.log_access_work import DAY, LINES, granted, journal, seal_lines
from tests.work import NOW

Dogovor = Callable[..., Result]
ACCOUNT = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def logs(sqlite_office: Office, monkeypatch: pytest.MonkeyPatch) -> Dogovor:
    """The commands on an office of the test's own, at NOW, without sudo."""
    monkeypatch.setattr(runtime, "office", lambda: sqlite_office)
    monkeypatch.setattr(runtime, "now", lambda: NOW)
    monkeypatch.delenv("SUDO_USER", raising=False)

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(app, list(arguments))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


def test_the_reader_is_the_account_of_the_machine_or_whoever_called_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("USER", "somebody")
    monkeypatch.setenv("LOGNAME", "somebody")
    assert reader() == ACCOUNT
    monkeypatch.setenv("SUDO_USER", "anna")
    assert reader() == "anna"


def test_a_user_id_without_an_account_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(Refused, match="no account"):
        reader()


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_the_grants_own_account_gets_the_records_byte_for_byte(logs: Dogovor, sqlite_office: Office) -> None:
    seal_lines(sqlite_office)
    grant = granted(sqlite_office, login=ACCOUNT)
    done = logs("read", "--grant", grant, "--day", str(DAY))
    assert done.stdout_bytes == b"".join(LINES)
    assert (
        logs("read", "--grant", grant, "--day", str(DAY), "--project", "shop", "--class", "qs-payload").exit_code == 0
    )
    with pytest.raises(TermsViolated, match="does not open the project bank"):
        logs("read", "--grant", grant, "--day", str(DAY), "--project", "bank")
    assert [line.who for line in journal(sqlite_office, "read", "refused")] == [ACCOUNT] * 3


@pytest.mark.clause("QS-3.5.4")
def test_qs_3_5_4_another_account_gets_nothing(logs: Dogovor, sqlite_office: Office) -> None:
    seal_lines(sqlite_office)
    grant = granted(sqlite_office, login="somebody-else")
    with pytest.raises(TermsViolated, match=f"it is not {ACCOUNT}'s"):
        logs("read", "--grant", grant, "--day", str(DAY))


def test_a_day_that_is_none_is_refused_in_words(logs: Dogovor) -> None:
    with pytest.raises(Refused, match=r"no such day: 22\.05\.2026"):
        logs("read", "--grant", "LG-2026-000001", "--day", "22.05.2026")
    with pytest.raises(NotFound, match="LG-2026-000001"):
        logs("read", "--grant", "LG-2026-000001", "--day", "2026-05-22")
    assert logs("read", "--grant", "LG-2026-000001").exit_code == 2


def test_verification_tells_the_heads_and_ends_with_0(logs: Dogovor, sqlite_office: Office) -> None:
    seal_lines(sqlite_office)
    granted(sqlite_office)
    done = logs("verify", "--archive")
    assert done.exit_code == 0
    assert f"journal: 2 rows, head {journal(sqlite_office)[-1].chain}" in done.stdout
    assert "nothing is wrong" in done.stdout
    assert "1 of 1 segments looked at" in done.stderr


def test_verification_that_finds_something_says_what_and_ends_with_1(logs: Dogovor, sqlite_office: Office) -> None:
    name = seal_lines(sqlite_office)
    (sqlite_office.settings.home / "objects" / name).unlink()
    assert logs("verify").exit_code == 0
    done = logs("verify", "--archive")
    assert done.exit_code == 1
    assert f"WRONG: {name}: not in the archive" in done.stdout
    assert "nothing is wrong" not in done.stdout


def test_the_journal_is_printed_whole_or_about_one_thing(logs: Dogovor, sqlite_office: Office) -> None:
    grant = granted(sqlite_office)
    with transaction(sqlite_office.sessions) as session:
        note_log(session, kind="sealed", about="qs-payload/2026-11-10", who="dogovor", now=NOW)
    lines = [line.split("\t") for line in logs("journal").stdout.splitlines()]
    assert [line[1] for line in lines] == ["asked", "granted", "sealed"]
    assert lines[0][0] == NOW.isoformat()
    assert json.loads(lines[0][4])["project"] == "shop"
    about = [line.split("\t") for line in logs("journal", "--about", grant).stdout.splitlines()]
    assert [line[1:4] for line in about] == [["asked", grant, "Анна Примерова"], ["granted", grant, "О. Петрова"]]
