"""The doctor looks at the archive of logs and at the data keys."""

from __future__ import annotations

from blocks.office import Office
from tasks.doctor import Finding, examine
from tests.log_work import NOW


def found(office: Office, part: str) -> Finding:
    return next(finding for finding in examine(office, now=NOW) if finding.part == part)


def test_a_key_that_stands_in_no_copy_is_found_until_it_is_copied(sqlite_office: Office) -> None:
    assert found(sqlite_office, "data keys").well
    sqlite_office.keys.make("period/qs-payload/2026-11-22", now=NOW)
    missed = found(sqlite_office, "data keys")
    assert (missed.well, missed.seen) == (False, "Refused: 1 keys stand in no copy")
    sqlite_office.keys.renew_copy(now=NOW)
    assert found(sqlite_office, "data keys").seen == "1 keys, all of them in 1 copies"


def test_the_archives_country_is_told_or_missed(sqlite_office: Office) -> None:
    assert "nobody declared" in found(sqlite_office, "log archive").seen
