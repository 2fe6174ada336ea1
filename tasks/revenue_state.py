"""What the parts of the revenue split share: acts by their reference, their story, and letters about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import NotFound, Refused
from blocks.ledger import Act, ActEvent, ActState, Obligation
from blocks.office import Office
from tasks.notices import queue

MADE_OUT = (ActState.MADE, ActState.SIGNED, ActState.CLOSED)
"""From here on the database lets nothing that an act stands on change."""
SEND_DATA = "send the Operator the data on invoices"
SIGN = "have the act and its invoice signed by both"
BE_PAID = "be paid the reward"
PAYING = "OCP-P5.3"


def ref_in(month: str, edition: int) -> str:
    """How people call an act: 2026-10, and 2026-10/1 for its first correction."""
    return f"{month}/{edition}" if edition else month


def ref_of(act: Act) -> str:
    """How people call this act."""
    return ref_in(act.month, act.edition)


def find_act(session: Session, ref: str, *, lock: bool = False) -> Act:
    """The act of that reference, locked or not. Raises NotFound."""
    month, _, edition = ref.partition("/")
    query = select(Act).where(Act.month == month, Act.edition == int(edition or 0))
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise NotFound("act", ref)
    return found


def foreseen(session: Session, ref: str) -> Act:
    """The act of that reference; before its month is opened, its first act as it would be, which is not on record.

    Raises NotFound for a correction that was not opened.
    """
    try:
        return find_act(session, ref)
    except NotFound:
        if "/" in ref:
            raise
        return Act(month=ref, edition=0, reason="", state=ActState.OPEN)


def find_unmade(session: Session, ref: str, *, lock: bool = False) -> Act:
    """The act of that reference. Raises NotFound, or Refused("made") when it is made out."""
    return _unmade(find_act(session, ref, lock=lock))


def to_draft(session: Session, ref: str) -> Act:
    """The act of that reference, on record or foreseen. Raises as `find_unmade`."""
    return _unmade(foreseen(session, ref))


def _unmade(act: Act) -> Act:
    if act.state in MADE_OUT:
        raise Refused("made", f"{ref_of(act)} is made out as {number_of(act)}: reopen the month to correct it")
    return act


def number_of(act: Act) -> str:
    """The number that the documents of an act that is made out bear: ОЦП-2026-0007."""
    return f"ОЦП-{act.year}-{act.number:04d}"


def subject_of(ref: str) -> str:
    """The subject of an act's obligations."""
    return f"OCP {ref}"


def obligation_of(session: Session, ref: str, what: str) -> Obligation | None:
    """The obligation of an act of that wording, if there is one."""
    return session.scalar(select(Obligation).where(Obligation.subject == subject_of(ref), Obligation.what == what))


def story(session: Session, act: Act, *, what: str, who: str, why: str, now: datetime, clause: str = "") -> None:
    """Add a line to the act's story."""
    session.add(ActEvent(act_id=act.id, at=now, what=what, who=who, why=why, clause=clause or None))


def tell_partner(
    office: Office,
    session: Session,
    act: Act,
    *,
    kind: str,
    key: str,
    facts: Mapping[str, Any],
    now: datetime,
    documents: Sequence[str] = (),
    obligation: Obligation | None = None,
) -> None:
    """Queue a letter about an act to the Operator, once by key."""
    queue(
        session,
        key=key,
        kind=kind,
        agreement="OCP",
        recipient=office.settings.ocp_operator_email,
        facts={**facts_of(office, act), **facts},
        now=now,
        about=ref_of(act),
        obligation=obligation,
        documents=documents,
    )


def facts_of(office: Office, act: Act) -> dict[str, Any]:
    """What every letter about an act is told; `act` is its number, empty before it is made out."""
    return {
        "number": ref_of(act),
        "month": act.month,
        "edition": act.edition,
        "act": number_of(act) if act.number else "",
        "agreement": office.settings.ocp_agreement,
    }
