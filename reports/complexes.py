"""A complex that is about to be deleted, for the Prefect UI."""

from __future__ import annotations

from datetime import datetime

from reports.format import moscow


def complex_markdown(
    domain: str, state: str, contacts: int, suspended_since: datetime | None, *, dry_run: bool, refused: str = ""
) -> str:
    """What goes with a complex: said before it is done, whether this is a dry run, and why it is refused."""
    since = f" since {moscow(suspended_since)}" if suspended_since else ""
    title = "Nothing was changed: a dry run" if dry_run else "To be deleted"
    no = f"As things stand this is **refused**: {refused}\n\n" if refused else ""
    return (
        f"# {title}\n\n"
        f"**{domain}** is {state}{since}.\n\n"
        f"{no}"
        f"With it go the accounts of {contacts} contacts (XMPP, mail, SIP), their mailboxes, stored messages and "
        "files, the domain's names and its certificate. None of it comes back.\n\n"
        "To be deleted it must be suspended, its domain typed, and the agreement's last day over.\n"
    )
