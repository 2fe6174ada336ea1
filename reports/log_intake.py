"""The intake of logs as Markdown, for the operator in Prefect."""

from __future__ import annotations

from blocks.terms.log_views import Intake

_MEBI = 1024 * 1024


def intake_markdown(intake: Intake) -> str:
    """The last day of the intake: a table of periods, then what needs a person."""
    lines = ["| classes | day | segments | records | MiB |", "|---|---|---:|---:|---:|"]
    lines += [
        f"| {one.classes} | {one.day} | {one.segments} | {one.records} | {one.raw_bytes / _MEBI:.1f} |"
        for one in intake.periods
    ]
    lines += ["", f"Batches that wait in the spool: {intake.waiting}. Records that came too late: {intake.dropped}."]
    for title, told in (("Refused", intake.refused), ("Needs a person", intake.troubles)):
        if told:
            lines += ["", f"{title}:", "", *(f"- `{one.replace('`', '_')}`" for one in told)]
    return "\n".join(lines) + "\n"
