"""The flow that seals logs, without a Prefect server: what it does, shows and fails on."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from blocks.errors import Refused
from blocks.office import Office
from flows import logs, runtime
from tests.log_work import NOW, batch, lines_of, record, take


@pytest.fixture
def shown(sqlite_office: Office, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of the artifacts that the flow makes."""
    texts: list[str] = []
    monkeypatch.setattr(runtime, "office", lambda: sqlite_office)
    monkeypatch.setattr(logs, "get_run_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr(logs, "create_markdown_artifact", lambda *, markdown, **_: texts.append(markdown))
    return texts


def test_the_flow_seals_the_spool_and_dropped_files_and_shows_the_last_day(
    sqlite_office: Office, shown: list[str]
) -> None:
    take(sqlite_office, [record(1), record(2)])
    sqlite_office.settings.log_drops.mkdir()
    (sqlite_office.settings.log_drops / "a.jsonl").write_bytes(batch([record(3)]))
    (sqlite_office.settings.log_drops / "b.jsonl").write_bytes(batch([b"?"]))
    done = logs.seal_logs.fn(as_of=NOW)
    assert done == {"batches": 1, "files": 1, "records": 3, "dropped": 0, "refused": 1}
    assert lines_of(sqlite_office) == Counter([record(1), record(2), record(3)])
    assert "| qs-metadata | 2026-11-22 | 2 | 3 | 0.0 |" in shown[0]
    assert "- `b.jsonl: line 1 is no JSON`" in shown[0]


def test_the_flow_fails_at_its_end_when_a_batch_is_not_in_its_spool(sqlite_office: Office, shown: list[str]) -> None:
    take(sqlite_office, [record(1)])
    next((sqlite_office.settings.home / "spool").glob("*.batch")).unlink()
    take(sqlite_office, [record(2)], "evt-2")
    with pytest.raises(Refused, match="missing in the spool"):
        logs.seal_logs.fn(as_of=NOW)
    assert lines_of(sqlite_office) == Counter([record(2)])
    assert "Needs a person" in shown[0]
