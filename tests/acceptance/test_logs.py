"""Logs on a running installation: taken, read under a grant, held, destroyed; then everything is searched."""

from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from blocks.clients.objects_directory import DirectoryObjects
from blocks.ledger import Document, LogGrant, LogJournal, LogPeriod, LogPurge, LogSegment, reading
from blocks.ledger.types import PurgeState
from blocks.logs.segment import Label
from blocks.terms.retention import LogClass, day_of, life
from flows.cli.demo_play import Demo
from flows.cli.demo_stack import DemoStack
from tests.acceptance.prefect_api import api, resume, run_to_its_end, suspended, wait_run
from tests.acceptance.test_revenue import picture
from tests.attack import Stolen, every_byte, in_clear, opens
from tests.conftest import eventually

pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.timeout(900)]
PAYLOAD = [LogClass.PAYLOAD]
DOOMED, HELD = "doomed-c41d", "held-9e77"


def records(mark: str, project: str, ended: datetime) -> list[dict[str, Any]]:
    common = {"class": "qs-payload", "project": project, "ended_at": ended.isoformat(), "residency": "RU"}
    return [{**common, "n": n, "text": f"{mark} {n}"} for n in range(50)]


def replica(demo: Demo) -> list[Stolen]:
    """Every segment of the two projects, as somebody keeps it who copied the archive."""
    objects = DirectoryObjects(demo.stack.home / "objects")
    with reading(demo.sessions) as session:
        query = select(LogSegment, LogPeriod).join(LogPeriod, LogPeriod.id == LogSegment.period_id)
        rows = session.execute(query.where(LogSegment.project.in_(["acme", "court"]))).all()
        return [Stolen(Label(row.name, of.classes, of.day, row.project), objects.get(row.name)) for row, of in rows]


def artifact(stack: DemoStack, key: str) -> dict[str, Any]:
    """The newest artifact of that key."""
    [found] = [row for row in api(stack, "/artifacts/latest/filter", {}) if row["key"] == key]
    return dict(found)


def read_by(home: Path, stolen: list[Stolen]) -> tuple[list[str], set[str]]:
    """Marks in clear anywhere in an installation's home, and marks in what its keys open."""
    files = {path: content for path, content in every_byte(home).items() if "bytecode" not in path.parts}
    opened = opens(stolen, files, bytes.fromhex((home / "log-kek.key").read_text()))
    return in_clear(files, (DOOMED, HELD)), {m for m in (DOOMED, HELD) for one in opened if m.encode() in one}


@pytest.mark.clause("QS-3.5.3a", "QS-3.5.4", "QS-3.8.3")
def test_qs_3_5_3a_a_days_logs_are_read_under_a_grant_and_die_on_their_day(
    stack: DemoStack, demo: Demo, tmp_path: Path
) -> None:
    ended = datetime.now(UTC) - timedelta(minutes=1)
    day = day_of(PAYLOAD, ended)
    for mark, project in ((DOOMED, "acme"), (HELD, "court")):
        assert demo.post_logs(f"evt-{project}", records(mark, project, ended)) == 202

    def done(name: str, **parameters: Any) -> None:
        assert run_to_its_end(stack, name, parameters) == "Completed", name

    done("seal-logs")
    need, login = "Разобрать сбой доставки", pwd.getpwuid(os.getuid()).pw_name
    asked = {"person": "Анна Примерова", "login": login, "need": need, "classes": ["qs-payload"], "project": "acme"}
    done("request-log-access", form=asked | {"day_from": str(day), "day_to": str(day)})
    with reading(demo.sessions) as session:
        grant = session.scalars(select(LogGrant.number).where(LogGrant.need == need)).one()
    eventually(lambda: len(suspended(stack, f"access {grant}")) == 1, within_s=120)
    run = str(suspended(stack, f"access {grant}")[0]["id"])
    answer = {"operator": "О. Петрова", "reason": "жалоба есть", "approve": True}
    eventually(lambda: resume(stack, run, answer) == "ACCEPT", within_s=60)
    assert wait_run(stack, run, "Completed") == "Completed"
    assert DOOMED in demo.command("logs", "read", "--grant", grant, "--day", str(day))
    done("show-log-journal")
    seen = artifact(stack, "log-journal")["latest_id"]
    picture(stack, f"artifacts/artifact/{seen}", tmp_path / "journal.png", shows=grant)
    done("revoke-log-access", form={"grant": grant, "operator": "О. Петрова", "reason": "жалоба закрыта"})

    hold = {"person": "Анна Примерова", "why": "запрос суда 12/26", "project": "court"}
    done("hold-logs", form=hold | {"day_from": str(day), "day_to": str(day)})
    done("backup-ledger")
    stolen = replica(demo)
    assert read_by(stack.home, stolen) == ([], {DOOMED, HELD}), "sealed, and readable with its keys"

    at = (life(PAYLOAD, day, today=day).kept_until + timedelta(hours=3, minutes=30)).isoformat()
    done("purge-logs", as_of=at)
    assert read_by(stack.home, stolen)[1] == {DOOMED, HELD}, "by hand it is a dry run"
    seen = artifact(stack, "purge-plan")["latest_id"]
    picture(stack, f"artifacts/artifact/{seen}", tmp_path / "plan.png", shows="Purge of logs at")
    done("purge-logs", as_of=at, dry_run=False, operator="О. Петрова", after_pause=True)
    assert read_by(stack.home, stolen) == ([], {HELD})

    with reading(demo.sessions) as session:
        purge = session.scalars(select(LogPurge).order_by(LogPurge.id.desc()).limit(1)).one()
        acts = session.scalars(select(Document.file_name).where(Document.key.like(f"{purge.number}:%"))).all()
        kinds = set(session.scalars(select(LogJournal.kind)))
    assert purge.state is PurgeState.PROVEN
    assert len(acts) == 2
    assert {"asked", "granted", "read", "hold.placed", "copied", "purged", "proven"} <= kinds
    assert "nothing is wrong" in demo.command("logs", "verify", "--archive")
    assert purge.number in artifact(stack, "purge-logs")["data"]
