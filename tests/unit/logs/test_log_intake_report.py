"""The intake of logs as the operator sees it."""

from __future__ import annotations

from datetime import date

from blocks.terms.log_views import Intake, IntakePeriod
from reports.log_intake import intake_markdown


def test_the_intake_shows_periods_what_waits_and_what_needs_a_person() -> None:
    period = IntakePeriod(classes="ocp", day=date(2026, 11, 22), segments=2, records=70, raw_bytes=3 << 20)
    text = intake_markdown(Intake(periods=(period,), waiting=3, dropped=4, refused=("a`.jsonl: bad",)))
    assert "| ocp | 2026-11-22 | 2 | 70 | 3.0 |" in text
    assert "wait in the spool: 3. Records that came too late: 4." in text
    assert "Refused:\n\n- `a_.jsonl: bad`\n" in text
    assert "Needs a person" not in text
