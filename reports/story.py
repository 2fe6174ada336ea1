"""An order's story as Markdown, for the Prefect UI and the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from blocks.terms.views import OrderStory
from reports.format import moscow


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; cells are escaped."""
    lines = [" | ".join(header), " | ".join("---" for _ in header)]
    lines += [" | ".join(_cell(value) for value in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def order_story(story: OrderStory) -> str:
    """The story: state, money, service, what happened, what was owed, who was told, what is in the archive."""
    held = f" ({story.hold_reason})" if story.hold_reason else ""
    until = f", paid until {moscow(story.paid_until)}" if story.paid_until else ""
    bounds = f"; {story.limits}" if story.limits else ""
    service = f"{story.service} {story.service_state}{until}{bounds}" if story.service else "none yet"
    happened = ((moscow(line.at), line.what, line.why, line.who, line.clause) for line in story.lines)
    owed = ((line.clause, line.what, moscow(line.due_at), line.state, line.evidence) for line in story.owed)
    told = ((moscow(line.at), line.kind, line.recipient, line.state) for line in story.notices)
    parts = [
        f"# {story.number}: {story.state}{held}",
        markdown_table(
            ("customer", "ordered", "price", "received", "service"),
            [(story.customer, story.item, story.price, story.received, service)],
        ),
        *([f"{story.proofs} proofs that its accounts work"] if story.proofs else []),
        "## What happened",
        markdown_table(("when", "what", "why", "who", "clause"), happened),
        "## What was owed",
        markdown_table(("clause", "what", "due", "state", "evidence"), owed),
        "## Who was told",
        markdown_table(("when", "notice", "to", "delivery"), told),
    ]
    if story.documents:
        parts += ["## Documents", markdown_table(("title", "file", "sha256"), story.documents)]
    return "\n\n".join(parts) + "\n"
