"""The certificate reseller (SSL): acts of services rendered, month by month. Minsk time."""

from __future__ import annotations

from blocks.terms.base import Deadline, Decision, Frozen, Verdict, rule
from blocks.terms.deadlines import end_of_day
from blocks.terms.revenue import Month, last_day
from blocks.terms.zones import MINSK

ZONE = MINSK


class ActFacts(Frozen):
    """A month in which services were rendered to a customer."""

    month: Month


def act_due(month: str) -> Deadline:
    """By when a customer has its act of a month (SSL-7.6): the end of the month's last day."""
    return Deadline(due=end_of_day(last_day(month), ZONE), zone=ZONE)


@rule("SSL-7.6", ActFacts)
def monthly_act(facts: ActFacts) -> Decision:
    """The act is made, dated, signed and sent with its invoice on the last day of the month, day off or not (Minsk).

    Each side signs by itself, so ours needs no signature of the customer's. Both documents go by e-mail and stay there
    for download. `dated` is the date that they bear.
    """
    return Decision(
        clause="SSL-7.6",
        verdict=Verdict.DUE,
        what=f"send the act of services rendered in {facts.month} with its invoice",
        deadline=act_due(facts.month),
        values={"dated": last_day(facts.month).isoformat()},
    )
