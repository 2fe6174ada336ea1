"""The proofs of a complex for the Prefect UI: a row a contact, a column a thing proven, and what was agreed on."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.terms.complex_views import SeenProof
from blocks.terms.ks_complex import ProofKind
from reports.format import moscow

WHOLE = "the complex"
_AGREED = ("tls", "cipher", "mechanism", "srtp")


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
    agreed = (one.proof.facts[name] for one in proofs for name in _AGREED if name in one.proof.facts)
    return {
        "contact": contact or WHOLE,
        **{kind.value: cells.get(kind, "") for kind in columns},
        "agreed on": ", ".join(dict.fromkeys(agreed)),
        "when": moscow(max(one.at for one in proofs)),
    }


def _cell(one: SeenProof) -> str:
    """`yes`, for what was no connection of a contact with what was seen; or `NO` with what was seen instead."""
    if not one.proof.ok:
        return f"NO: {one.proof.detail}"
    return "yes" if one.proof.contact and one.proof.facts else f"yes: {one.proof.detail}"


def proof_summary(seen: Sequence[SeenProof]) -> str:
    """One line: how many of the things that were looked at are proven, and how many attempts failed on the way."""
    newest = {one.proof.want: one.proof.ok for one in seen}
    failed = sum(not one.proof.ok for one in seen)
    told = f"{sum(newest.values())} of {len(newest)} proven"
    return f"{told}, {failed} failed attempts" if failed else told
