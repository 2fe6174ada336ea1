"""`dogovor backup`, `copies` and `restore`, run as a user runs them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.test_cli import dogovor


def test_a_copy_is_made_listed_rehearsed_and_restored(tmp_path: Path) -> None:
    made = dogovor(tmp_path, "backup", "--operator", "Анна")
    found = re.match(r"(\S+): \d+ rows, \d+ bytes, restored and compared", made)
    assert found is not None, made
    (tmp_path / "ledger.sqlite3").rename(tmp_path / "lost.sqlite3")
    listed = dogovor(tmp_path, "copies")
    assert f"| {found[1]} |" in listed
    into = f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    asked = ("restore", "--copy", found[1], "--into", into, "--operator", "Анна")
    assert "Would be restored" in dogovor(tmp_path, *asked)
    assert "# Restored" in dogovor(tmp_path, *asked, "--yes")
    assert "holds rows already" in dogovor(tmp_path, *asked, "--yes", code=1)
    assert "no key backup/20260101" in dogovor(tmp_path, *asked[:2], "20260101", *asked[3:], code=1)
