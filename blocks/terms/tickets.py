"""Ticket timers: a ticket's history replayed into what is owed under its agreement, and by when."""

from __future__ import annotations

from blocks.terms.ks_tickets import ks_timers
from blocks.terms.ocp_tickets import ocp_timers
from blocks.terms.ot_tickets import ot_timers
from blocks.terms.ticket_timers import Happened, Segment, TicketFacts, TicketKind, Timer, What

__all__ = ["Happened", "Segment", "TicketFacts", "TicketKind", "Timer", "What", "timers"]

_BY_AGREEMENT = {"KS": ks_timers, "OCP": ocp_timers, "OT": ot_timers}


def timers(facts: TicketFacts) -> tuple[Timer, ...]:
    """The timers that a ticket has set running by `as_of`, in the order in which they began.

    QS and SSL promise no time for support, so theirs have none. Raises NotFound for a day without a support policy.
    """
    replay = _BY_AGREEMENT.get(facts.agreement)
    return tuple(replay(facts)) if replay else ()
