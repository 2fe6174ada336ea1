"""Copies of the ledger and a restore, as Markdown for our own people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blocks.terms.copies import CopyLine, RestoreView
from reports.format import moscow


def copies_markdown(lines: Sequence[CopyLine]) -> str:
    """A table of copies, the newest first."""
    if not lines:
        return "There is no copy.\n"
    head = "| copy | made | rows | bytes | proven | lives until | opens |\n|---|---|--:|--:|---|---|---|\n"
    return head + "".join(
        f"| {one.name} | {moscow(one.made_at)} | {_figure(one.rows)} | {_figure(one.size)} "
        f"| {moscow(one.verified_at) if one.verified_at else 'NO'} | {moscow(one.expires_at)} "
        f"| {'yes' if one.opens else 'NO'} |\n"
        for one in lines
    )


def restore_markdown(view: RestoreView) -> str:
    """What a restore did, or would do: rows by table, what was destroyed again, what was lost since the copy."""
    parts = [
        f"# {'Restored' if view.done else 'Would be restored'}: {view.name}\n",
        f"Made {moscow(view.made_at)}, schema {view.revision}, {sum(view.counts.values())} rows.\n",
        _table("rows", view.counts),
        f"## {'Destroyed again' if view.done else 'To be destroyed again where it is in the copy'}\n",
        _list("registration data of customer", map(str, view.customers)),
        _list("log period", view.periods),
        "## Since the copy\n",
        _since(view),
    ]
    return "\n".join(parts)


def _since(view: RestoreView) -> str:
    if view.newest is None:
        told = "No newer copy opens, so nobody can tell from copies how much was lost.\n"
    elif view.behind:
        told = f"{view.newest} holds more rows:\n\n" + _table("more rows", view.behind)
    else:
        told = f"{view.newest} holds no more rows.\n"
    if not view.done:
        return told
    told += "\n" + _list("period that only the key store knew, opened again:", view.found)
    told += (
        f"\n{view.letters} letters and {view.events} events of the inbox may have been sent and worked on: they wait.\n"
    )
    return f"{told}\n{view.unknown_segments} segments lie in the archive without a row.\n"


def _table(what: str, counts: Mapping[str, int]) -> str:
    rows = "".join(f"| {table} | {count} |\n" for table, count in counts.items() if count)
    return f"| table | {what} |\n|---|--:|\n{rows}"


def _list(what: str, names: Sequence[str] | map[str]) -> str:
    return "".join(f"- {what} {name}\n" for name in names) or f"- no {what.rstrip(':')}\n"


def _figure(number: int | None) -> str:
    return "?" if number is None else str(number)
