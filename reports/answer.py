"""A rule's answer as Markdown, for the Prefect UI and the terminal."""

from __future__ import annotations

from blocks.terms.base import Answer
from reports.format import moscow


def answer_text(answer: Answer) -> str:
    """The decision, what it names, its clause with the source, and how we read it."""
    decision = answer.decision
    lines = [f"# {decision.clause}: {decision.verdict.value}", decision.what]
    if decision.amount is not None:
        lines.append(f"**How much:** {decision.amount}")
    if decision.deadline is not None:
        provisional = ", provisional: a year without a decreed calendar" if decision.deadline.provisional else ""
        local = decision.deadline.local.isoformat(timespec="seconds")
        lines.append(f"**By when:** {moscow(decision.deadline.due)} ({local} {decision.deadline.zone}{provisional})")
    lines += [f"- {name}: {value}" for name, value in decision.values.items()]
    lines += [f"**Clause:** {answer.line} ({answer.source})", f"**How we read it:** {answer.reading}"]
    return "\n\n".join(lines) + "\n"
