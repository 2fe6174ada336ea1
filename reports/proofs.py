"""The proofs of a complex for the Prefect UI: a row for each contact, a column for each thing that was proven."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.terms.complex_views import SeenProof
from blocks.terms.ks_complex import ProofKind
from reports.format import moscow

WHOLE = "the complex"


def proof_rows(seen: Sequence[SeenProof]) -> list[dict[str, str]]:
    """Rows by contact, the whole complex last; the newest proof of each kind counts. `seen` is the oldest first.

    Kinds that nobody was asked for have no column; a contact that has no proof of a kind has an empty cell.
    """
    newest = {one.proof.want: one for one in seen}
    columns = [kind for kind in ProofKind if any(want.kind is kind for want in newest)]
    contacts = sorted({want.contact for want in newest}, key=lambda contact: (not contact, contact))
    return [
        _row(contact, columns, [one for want, one in newest.items() if want.contact == contact]) for contact in contacts
    ]


def _row(contact: str, columns: Sequence[ProofKind], proofs: Sequence[SeenProof]) -> dict[str, str]:
    cells = {one.proof.kind: _cell(one) for one in proofs}
    last = max(one.at for one in proofs)
    return {
        "contact": contact or WHOLE,
        **{kind.value: cells.get(kind, "") for kind in columns},
        "when": moscow(last),
    }


def _cell(one: SeenProof) -> str:
    """`yes` with what was agreed on, or `NO` with what was seen instead."""
    proof = one.proof
    if not proof.ok:
        return f"NO: {proof.detail}"
    agreed = ", ".join(dict.fromkeys(proof.facts.values()))
    return f"yes: {agreed or proof.detail}"


def proof_summary(seen: Sequence[SeenProof]) -> str:
    """One line: how many of the things that were looked at are proven, and how many attempts failed on the way."""
    newest = {one.proof.want: one.proof.ok for one in seen}
    failed = sum(not one.proof.ok for one in seen)
    told = f"{sum(newest.values())} of {len(newest)} proven"
    return f"{told}, {failed} failed attempts" if failed else told
