"""Differences between our list and the Operator's with the words that settle them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from blocks.terms.revenue import Difference, Reconciliation, Settlement, Way, words_on
from blocks.terms.revenue_views import ReconciliationView
from reports.format import count, minor, signed
from reports.words import CAUSES, WAYS

OPEN = "открыто"
CLOSING = "Стороны подтверждают сведения этого акта на дату его составления."
CAUSES_HEADER = ("Причина", "Строк", "У Провайдера, тенге", "У Оператора, тенге", "Разница, тенге")
_NAMES = {
    Way.ACCEPTED: "Принято по данным Оператора",
    Way.EXPLAINED: "Объяснено: остаются данные Провайдера",
    None: "Открыто",
}


class Settled(NamedTuple):
    """A difference with the word that settles it, if one does."""

    difference: Difference
    word: Settlement | None

    @property
    def way(self) -> str:
        """How it is settled, in Russian."""
        return way_said(None if self.word is None else self.word.way)


def way_said(way: Way | None) -> str:
    """A way of settling in one word."""
    return OPEN if way is None else WAYS[way]


def settled(view: ReconciliationView) -> list[Settled]:
    """Every difference with the word that holds for it (`words_on`).

    Raises ValueError where the sums, or the number of open differences, are not what the view says.
    """
    result = view.result
    told = [Settled(*one) for one in zip(result.differences, words_on(result, view.settlements), strict=True)]
    _check(result)
    if sum(one.word is None for one in told) != view.open_differences:
        raise ValueError("the open differences are not as many as the statement says")
    return told


def _check(result: Reconciliation) -> None:
    """Whether both lists are what matched and what differs together."""
    ours, theirs = (
        result.matched_minor + sum(getattr(total, kind) for total in result.by_cause)
        for kind in ("ours_minor", "theirs_minor")
    )
    counted = sum(total.lines for total in result.by_cause)
    if (ours, theirs, counted) != (result.ours_minor, result.theirs_minor, len(result.differences)):
        raise ValueError("the differences do not add up to the lists")


def by_way(told: Sequence[Settled]) -> list[tuple[str, str, int, int]]:
    """The ways and what is open: its name and its word, how many differences, and the sum of what differs."""
    rows = []
    for way, name in _NAMES.items():
        deltas = [one.difference.delta_minor for one in told if (None if one.word is None else one.word.way) is way]
        rows.append((name, way_said(way), len(deltas), sum(deltas)))
    return rows


def causes_of(difference: Difference) -> str:
    """All causes of a difference, the one that it is counted under first."""
    return ", ".join(CAUSES[cause] for cause in difference.causes)


def cause_rows(result: Reconciliation) -> list[tuple[str, ...]]:
    """What matched and the differences by cause, as people read them, without the last sum."""
    rows = [
        (CAUSES[one.cause], count(one.lines), minor(one.ours_minor), minor(one.theirs_minor), signed(one.delta_minor))
        for one in result.by_cause
    ]
    matched = minor(result.matched_minor)
    return [("совпало", count(result.matched_lines), matched, matched, minor(0)), *rows]
