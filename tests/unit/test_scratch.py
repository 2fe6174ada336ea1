"""The scratch folder: one process at a time, and nothing in it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.clients.scratch import private_file, scratch
from blocks.durable import erase
from blocks.errors import Transient


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_lies_in_it_is_gone_afterwards_whatever_happens(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"

    def fail() -> None:
        with scratch(folder):
            private_file(folder / "plain").write_bytes(b"secret" * 1000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert left(folder) == ["lock"]


def test_what_a_killed_process_left_is_gone_when_the_next_one_begins(tmp_path: Path) -> None:
    (tmp_path / "plain.sqlite3-wal").write_bytes(b"secret")
    with scratch(tmp_path):
        assert left(tmp_path) == ["lock"]


def test_two_do_not_use_it_at_once(tmp_path: Path) -> None:
    with scratch(tmp_path):
        private_file(tmp_path / "mine")
        with pytest.raises(Transient, match="at work"), scratch(tmp_path):
            pass
        assert left(tmp_path) == ["lock", "mine"]


def test_the_folder_and_its_files_are_its_owners_alone(tmp_path: Path) -> None:
    with scratch(tmp_path / "scratch") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert private_file(folder / "plain").stat().st_mode & 0o777 == 0o600


def test_a_file_is_overwritten_before_it_is_removed(tmp_path: Path) -> None:
    path, link = tmp_path / "plain", tmp_path / "seen"
    path.write_bytes(b"secret" * 500_000)
    link.hardlink_to(path)
    erase(path)
    assert not path.exists()
    assert link.read_bytes() == bytes(3_000_000)
