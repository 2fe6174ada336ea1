"""A plan of works and what the agreements say of it, as Markdown for the Prefect UI."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from blocks.terms.works_plan import PlanVerdict
from reports.format import moscow
from reports.story import markdown_table


def plan_markdown(number: str, starts_at: datetime, minutes: int, services: Sequence[str], verdict: PlanVerdict) -> str:
    """Accepted with its notices and their latest times, or refused with each broken clause and the nearest dates."""
    span = f"{moscow(starts_at)} to {moscow(starts_at + timedelta(minutes=minutes))}"
    parts = [
        f"# {number or 'A plan'}: {'accepted' if verdict.accepted else 'refused'}",
        f"{span}: {', '.join(services)}",
    ]
    if verdict.broken:
        parts += ["## Broken", markdown_table(("clause", "why"), [(d.clause, d.what) for d in verdict.broken])]
    if not verdict.accepted:
        dates = [f"- {moscow(date.start)} to {moscow(date.end)}" for date in verdict.suggestions]
        parts += ["## Nearest dates that pass", "\n".join(dates) or verdict.why_no_date]
    if verdict.needs_agreement:
        parts.append(f"The ОЦП Operator must agree: {', '.join(verdict.needs_agreement)}.")
    told = [(n.agreement, n.audience, n.clause, moscow(n.latest.due)) for n in verdict.notices]
    parts += ["## Notices", markdown_table(("agreement", "to", "clause", "at the latest"), told)]
    return "\n\n".join(parts) + "\n"
