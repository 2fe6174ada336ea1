"""An outage as it holds after people's decisions; what was recorded first stays as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from blocks.ledger import Outage, OutageDecision
from blocks.terms.intervals import Span

_TIMES = ("began_at", "ended_at")


def decisions_on(session: Session, outage: Outage) -> list[OutageDecision]:
    """All that was decided on an outage, in order."""
    query = select(OutageDecision).where(OutageDecision.outage_id == outage.id).order_by(OutageDecision.id)
    return list(session.scalars(query))


@dataclass(frozen=True)
class Effective:
    """An outage as it holds after people's decisions. `counted` is KS-3.9's and concerns that agreement alone.

    `cause` is for ourselves and the agreements' partners; `public_cause` is what a person released for everybody.
    """

    outage: Outage
    began_at: datetime
    ended_at: datetime | None
    counted: bool
    cause: str
    public_cause: str
    decided_by: str
    reason: str

    def span(self, now: datetime) -> Span:
        """From its beginning to its end, or to now while it lasts."""
        return Span(self.began_at, max(self.began_at, self.ended_at or now))

    def counts_for(self, agreement: str) -> bool:
        """Whether it counts as ours under an agreement."""
        return agreement in self.outage.agreements and (self.counted or agreement != "KS")


def effective(outage: Outage, decisions: Sequence[OutageDecision]) -> Effective:
    """What holds: the newest decision of each kind, and what was recorded first where nobody decided."""
    newest = {decision.kind: decision for decision in decisions}
    began, ended = (newest[kind].value if kind in newest else None for kind in _TIMES)
    shown = newest.get("counted") or (decisions[-1] if decisions else None)
    return Effective(
        outage=outage,
        began_at=datetime.fromisoformat(began) if began else outage.began_at,
        ended_at=datetime.fromisoformat(ended) if ended else outage.ended_at,
        counted="counted" not in newest or newest["counted"].value == "yes",
        cause=newest["cause"].value if "cause" in newest else outage.what,
        public_cause=newest["public_cause"].value if "public_cause" in newest else "",
        decided_by=shown.who if shown else "",
        reason=shown.reason if shown else "",
    )


def holding(session: Session, outage: Outage) -> Effective:
    """One outage as it holds now."""
    return effective(outage, decisions_on(session, outage))


def effective_outages(session: Session, within: Span | None = None) -> Iterator[Effective]:
    """The outages as they hold that touch a time, in the order of their recording; without `within` all of them."""
    query = select(Outage).order_by(Outage.id)
    if within is not None:
        moved = select(OutageDecision.outage_id).where(OutageDecision.kind.in_(_TIMES))
        lasting = or_(Outage.ended_at.is_(None), Outage.ended_at > within.start)
        query = query.where(or_((Outage.began_at < within.end) & lasting, Outage.id.in_(moved)))
    rows = session.scalars(query).all()
    decided: defaultdict[int, list[OutageDecision]] = defaultdict(list)
    about = select(OutageDecision).where(OutageDecision.outage_id.in_([row.id for row in rows]))
    for decision in session.scalars(about.order_by(OutageDecision.id)):
        decided[decision.outage_id].append(decision)
    for row in rows:
        holds = effective(row, decided[row.id])
        if within is None or (
            holds.began_at < within.end and (holds.ended_at is None or holds.ended_at > within.start)
        ):
            yield holds
