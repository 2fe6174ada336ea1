"""A site's certificates as Markdown for the Prefect UI and the terminal, and a row of it for the table of a pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from blocks.terms.certificate_story import CertificateStory
from blocks.terms.zones import MOSCOW
from reports.format import moscow, span

_SHORT = 16


def story_markdown(story: CertificateStory) -> str:
    """State, plan, certificates and journal of a site."""
    return "\n".join([*_head(story), "", *_certificates(story), "", *_journal(story), ""])


def story_row(story: CertificateStory) -> dict[str, str]:
    """One row: what is shown and until when, what comes and when."""
    shown = next((each for each in story.certificates if each.state == "in_service"), None)
    later = [each for each in story.certificates if each.state in {"issued", "published", "announced"}]
    coming = later[-1] if later else None
    return {
        "site": story.slug,
        "shows": shown.fingerprint[:_SHORT] if shown else "nothing",
        "until": moscow(shown.not_after) if shown else "",
        "comes": f"{coming.fingerprint[:_SHORT]} ({coming.state})" if coming else "",
        "swap": span(story.plan.swap.start, story.plan.swap.end, MOSCOW) if story.plan else "",
        "order": story.order,
    }


def _head(story: CertificateStory) -> Iterator[str]:
    yield f"# {story.slug}"
    yield ""
    yield f"{', '.join(story.names)} from {story.authority}, shown by {', '.join(story.consumers) or 'nobody here'}"
    if story.retired:
        yield ""
        yield "**Retired**: nothing is shown here any more."
    if story.order:
        yield ""
        yield f"The newest order at the CA: {story.order}"
    if story.plan is not None:
        plan = story.plan
        yield ""
        yield f"The plan: ordered {moscow(plan.issue_at)}, announced by {moscow(plan.announce_by)}, "
        yield f"swapped {span(plan.swap.start, plan.swap.end, MOSCOW)}."
        if plan.finding:
            yield ""
            yield f"**KS-3.8**: {plan.finding}"


def _certificates(story: CertificateStory) -> Iterator[str]:
    yield "| certificate | state | valid | published | announced | swap | in service |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for each in story.certificates:
        valid = f"{moscow(each.not_before)} to {moscow(each.not_after)}"
        state = f"{each.state} ({each.emergency})" if each.emergency else each.state
        moments = (each.published_at, each.announced_at, each.swap_at, each.in_service_at)
        cells = " | ".join(_when(moment) for moment in moments)
        yield f"| {each.fingerprint[:_SHORT]} | {state} | {valid} | {cells} |"


def _journal(story: CertificateStory) -> Iterator[str]:
    yield "| when | what | who | why | clause |"
    yield "| --- | --- | --- | --- | --- |"
    for line in story.lines:
        why = line.why.replace("|", "\\|").replace("\n", " ")
        yield f"| {moscow(line.at)} | {line.kind} | {line.who} | {why} | {line.clause} |"


def _when(moment: datetime | None) -> str:
    return moscow(moment) if moment is not None else ""
