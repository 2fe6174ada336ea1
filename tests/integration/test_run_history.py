"""Prefect's own run history on a real server: what operators typed into forms is gone with the run, to the byte."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.errors import Transient
from blocks.office import Office
from flows.stack import Stack, environment, history
from tasks.doctor import Finding, examine
from tasks.run_history import history_file, scrub_history
from tests.acceptance.prefect_api import api
from tests.conftest import eventually
from tests.servers.processes import free_port

MARK = "marked-person@example.test"
OLD = "2026-01-01 00:00:00.000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Prefect server as the installation starts it, but one that looks for old runs each second."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    seconds = {
        "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "1",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ORPHAN_CLEANUP_LOOP_SECONDS": "1",
    }
    stack = Stack(home, environment(home, port) | seconds, free_port(), print)
    child = stack.run("prefect", "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    try:
        stack.wait_for(child, f"{stack.prefect_url}/health")
        yield stack
    finally:
        stack.stop()


def file_of(stack: Stack) -> Path:
    return stack.home / "prefect" / "prefect.db"


def run_of(stack: Stack, name: str, state: str, *, old: bool) -> str:
    """A flow run with a form as its parameters, in that state; an old one ended (or paused) long ago."""
    flow = api(stack, "/flows/", {"name": "end-agreement"})
    form = {"form": {"customer": f"{name}-{MARK}", "reason": "x" * 3000}}
    run = api(stack, "/flow_runs/", {"flow_id": flow["id"], "name": name, "parameters": form})
    api(stack, f"/flow_runs/{run['id']}/set_state", {"state": {"type": state}, "force": True})
    artifact = {"key": name, "type": "markdown", "data": f"{name}-{MARK}", "flow_run_id": run["id"]}
    api(stack, "/artifacts/", artifact)
    if old:
        with closing(sqlite3.connect(file_of(stack), timeout=60)) as database, database:
            database.execute("UPDATE flow_run SET start_time = ?, created = ? WHERE name = ?", (OLD, OLD, name))
            database.execute("UPDATE flow_run SET end_time = ? WHERE name = ? AND end_time IS NOT NULL", (OLD, name))
    return str(run["id"])


def rows(stack: Stack, query: str) -> list[str]:
    with closing(sqlite3.connect(file_of(stack), timeout=60)) as database:
        return [str(row[0]) for row in database.execute(query)]


def in_files(stack: Stack, name: str) -> bool:
    files = file_of(stack).parent.glob("prefect.db*")
    return any(f"{name}-{MARK}".encode() in path.read_bytes() for path in files)


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_ended_runs_and_what_was_typed_into_them_are_gone_and_others_stay(server: Stack) -> None:
    run_of(server, "recent", "COMPLETED", old=False)
    run_of(server, "waiting", "PAUSED", old=True)
    run_of(server, "ended", "COMPLETED", old=True)
    eventually(lambda: "ended" not in rows(server, "SELECT name FROM flow_run"), within_s=60)
    eventually(lambda: "ended" not in rows(server, "SELECT key FROM artifact_collection"), within_s=60)
    # An artifact's content is in its event too, which lives as long as its run.
    told = "SELECT id FROM events WHERE payload LIKE '%ended-marked-person%'"
    eventually(lambda: bool(rows(server, told)), within_s=60)
    with closing(sqlite3.connect(file_of(server), timeout=60)) as database, database:
        database.execute("UPDATE events SET occurred = ? WHERE payload LIKE '%ended-marked-person%'", (OLD,))
    eventually(lambda: not rows(server, told), within_s=60)
    assert {"recent", "waiting"} <= set(rows(server, "SELECT name FROM flow_run"))
    assert {"recent", "waiting"} <= set(rows(server, "SELECT key FROM artifact_collection"))
    scrub_history(file_of(server))
    assert not in_files(server, "ended")
    assert in_files(server, "recent")
    assert in_files(server, "waiting")


@pytest.mark.clause("QS-8.3")
def test_qs_8_3_the_doctor_sees_how_long_runs_are_kept(server: Stack, sqlite_office: Office) -> None:
    found = run_history_of(sqlite_office, server.prefect_url)
    assert (found.well, found.seen) == (True, "ended runs are deleted after 6 days, 0:00:00")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"enabled": ["events"]}, "deletes ended runs never"),
        ({"enabled": False}, "deletes ended runs never"),
        ({"retention_period": "P6DT1S"}, "deletes ended runs after 6 days, 0:00:01"),
        ({"loop_seconds": 3601.0}, "hourly is needed"),
        ({"orphan_cleanup_loop_seconds": 86400.0}, "looked at every 24 h"),
    ],
)
def test_the_doctor_finds_a_prefect_that_keeps_runs_too_long(
    monkeypatch: pytest.MonkeyPatch, sqlite_office: Office, change: dict[str, Any], told: str
) -> None:
    vacuum = {
        "enabled": ["events", "flow_runs"],
        "retention_period": "P6D",
        "loop_seconds": 3600.0,
        "orphan_cleanup_loop_seconds": 3600.0,
        **change,
    }

    def answer(url: str, **_: object) -> httpx.Response:
        content = {"server": {"services": {"db_vacuum": vacuum}}} if url.endswith("/admin/settings") else True
        return httpx.Response(200, json=content, request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx, "get", answer)
    found = run_history_of(sqlite_office, "http://127.0.0.1:1/api")
    assert not found.well
    assert told in found.seen
    assert found.mend


def run_history_of(office: Office, url: str) -> Finding:
    findings = examine(office, now=datetime(2026, 11, 22, tzinfo=UTC), prefect_url=url)
    return next(finding for finding in findings if finding.part == "run history")


def test_ended_runs_live_six_days_as_copies_of_the_ledger_do() -> None:
    assert history()["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"] == str(6 * 24 * 3600)
    assert history()["PREFECT_SERVER_EVENTS_RETENTION_PERIOD"] == "PT518400S"


def test_only_a_file_of_sqlite_is_scrubbed(tmp_path: Path) -> None:
    assert history_file(None) is None
    assert history_file("postgresql+asyncpg://u:p@db/prefect") is None
    assert history_file("sqlite+aiosqlite:///:memory:") is None
    assert history_file(f"sqlite+aiosqlite:///{tmp_path}/prefect.db") == tmp_path / "prefect.db"
    with pytest.raises(Transient):
        scrub_history(tmp_path / "nothing.db")
    assert list(tmp_path.iterdir()) == []


def test_deleted_bytes_leave_a_file_that_does_not_overwrite_them_itself(tmp_path: Path) -> None:
    path = tmp_path / "prefect.db"
    with closing(sqlite3.connect(path)) as database:
        for pragma in ("journal_mode=WAL", "secure_delete=OFF"):
            database.execute(f"PRAGMA {pragma}")
        with database:
            database.execute("CREATE TABLE flow_run (parameters TEXT)")
            database.executemany("INSERT INTO flow_run VALUES (?)", [(f"{MARK} {number}",) for number in range(200)])
        with database:
            database.execute("DELETE FROM flow_run WHERE rowid > 1")
        assert f"{MARK} 150".encode() in b"".join(one.read_bytes() for one in tmp_path.iterdir())
        scrub_history(path)
        left = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert f"{MARK} 150".encode() not in left
    assert f"{MARK} 0".encode() in left
