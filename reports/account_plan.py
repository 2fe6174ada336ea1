"""The plan of a purge of registrations, for our operator."""

from __future__ import annotations

from collections.abc import Sequence

from reports.story import markdown_table

Row = tuple[str, str, str]


def account_plan(rows: Sequence[Row], *, dry_run: bool) -> str:
    """Rows of customer, step and remark as Markdown; whether it was done is said above them."""
    title = "Nothing was changed: a dry run" if dry_run else "Done"
    if not rows:
        return f"{title}. No registration is due.\n"
    return f"{title}.\n\n{markdown_table(('Customer', 'Step', 'Remark'), rows)}\n"
