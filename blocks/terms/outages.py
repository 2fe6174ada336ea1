"""Outages: when they begin and end, what counts as one, what is left out of them, and what must be done about each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.deadlines import local_date
from blocks.terms.intervals import Span
from blocks.terms.policy import OUTAGE_POLICY
from blocks.terms.probes import agreed
from blocks.terms.zones import ASTANA


class Downtime(Frozen):
    """Time in which something was down; it has no end while it lasts."""

    start: Moment
    end: Moment | None = None

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise ValueError("an outage does not end before it starts")
        return self

    def cut(self, as_of: datetime) -> Span:
        """As a span: up to its end, or up to `as_of` while it lasts."""
        return Span(self.start, self.end or as_of)


class NameFacts(Frozen):
    """What a probe from the public Internet found out about a customer's domain name."""

    resolved: bool
    reachable: bool


@rule("KS-3.2", NameFacts)
def name_served(facts: NameFacts) -> Decision:
    """A domain name is served while it both resolves and answers; if it does not, that is an outage like any other.

    A name that answers at a known address but does not resolve is an outage too.
    """
    if facts.resolved and facts.reachable:
        return Decision(clause="KS-3.2", verdict=Verdict.ALLOWED, what="served", values={"outage": False})
    what = "resolves but does not answer" if facts.resolved else "does not resolve"
    return Decision(clause="KS-3.2", verdict=Verdict.ACTION, what=f"an outage: it {what}", values={"outage": True})


class ExclusionFacts(Frozen):
    """A span that may not be our outage: why, and the person who decided so with the reason."""

    cause: Literal["own internet access", "closed ports", "applications"]
    decided_by: str = ""
    reason: str = ""


@rule("KS-3.9", ExclusionFacts)
def excluded(facts: ExclusionFacts) -> Decision:
    """A span does not count when a person decided that the customer's own access, ports or applications caused it.

    Until somebody decides it counts, and a decision without a reason is refused: the machine excludes nothing itself.
    """
    if not facts.decided_by.strip():
        verdict, what = Verdict.PERSON, "nobody has decided that it was not our outage"
    elif not facts.reason.strip():
        verdict, what = Verdict.REFUSED, "an exclusion states its reason"
    else:
        verdict, what = Verdict.ALLOWED, f"not counted as our outage: {facts.cause}"
    return Decision(clause="KS-3.9", verdict=verdict, what=what, values={"counted": verdict is not Verdict.ALLOWED})


class PortRange(Frozen):
    """Ports of one protocol, both ends included."""

    protocol: Literal["tcp", "udp"]
    first: int
    last: int


def _tcp(*ports: int) -> tuple[PortRange, ...]:
    return tuple(PortRange(protocol="tcp", first=port, last=port) for port in ports)


KS_PORTS: tuple[PortRange, ...] = (
    *_tcp(143, 587, 5061, 5222, 5223, 5298, 5444, 7777),
    PortRange(protocol="udp", first=53, last=53),
    PortRange(protocol="udp", first=10000, last=20000),
)
"""What a customer must be able to reach (KS-3.13), and so what we probe."""


class PortFacts(Frozen):
    """A port of a protocol."""

    protocol: Literal["tcp", "udp"]
    port: Annotated[int, Field(ge=0, le=65535)]


@rule("KS-3.13", PortFacts)
def port_served(facts: PortFacts) -> Decision:
    """A port of the list is one that we serve and probe; both ends of a range belong to it.

    A port outside the list is not ours to serve: that it is closed is no outage.
    """
    served = any(r.protocol == facts.protocol and r.first <= facts.port <= r.last for r in KS_PORTS)
    return Decision(
        clause="KS-3.13",
        verdict=Verdict.ALLOWED if served else Verdict.REFUSED,
        what="a customer must reach it: probe it" if served else "not among the ports of the agreement",
        values={"served": served},
    )


class Group(StrEnum):
    """A group of functions whose availability is measured by itself (OT-2)."""

    AUTODIAL = "Автодозвон"
    INBOUND = "ОВВ"


class GroupFacts(Frozen):
    """A customer's main group, where it is known, and the groups that are down."""

    main_group: Group | None
    down: tuple[Group, ...]


@rule("OT-2", GroupFacts)
def group_available(facts: GroupFacts) -> Decision:
    """The service is down for a customer when its main group is down; both groups down is down for everybody.

    While one group alone is down and nobody knows the customer's main group, a person decides.
    """
    if facts.main_group is None and len(set(facts.down)) == 1:
        return Decision(clause="OT-2", verdict=Verdict.PERSON, what="the customer's main group is not known")
    down = bool(facts.down) if facts.main_group is None else facts.main_group in facts.down
    return Decision(
        clause="OT-2",
        verdict=Verdict.REFUSED if down else Verdict.ALLOWED,
        what="down for this customer" if down else "available to this customer",
        values={"down": down},
    )


def customer_down(main_group: Group | None, down: Mapping[Group, Iterable[Span]]) -> Iterator[Span]:
    """The spans in which the service is down for a customer (OT-2): its main group is, or all groups are."""
    groups = list(Group) if main_group is None else [main_group]
    return agreed({group: down.get(group, ()) for group in groups}, len(groups))


class TicketedDowntime(Downtime):
    """An outage as we recorded it, and the arrival of the first ticket about it."""

    first_ticket_at: Moment | None

    def counted(self, as_of: datetime) -> Span | None:
        """What of it counts (OT-3)."""
        return ot_counted(self.cut(as_of), self.first_ticket_at)


class TicketFacts(TicketedDowntime):
    """An outage, the first ticket about it, and the moment of asking."""

    now: Moment


def ot_counted(outage: Span, first_ticket_at: datetime | None) -> Span | None:
    """What of an outage counts (OT-3): from the first ticket about it to its end. No ticket, or a later one: nothing.

    A ticket that came before our monitoring saw the outage counts from its arrival all the same.
    """
    if first_ticket_at is None or first_ticket_at >= outage.end:
        return None
    return Span(first_ticket_at, outage.end)


@rule("OT-3", TicketFacts)
def downtime_from_ticket(facts: TicketFacts) -> Decision:
    """Downtime counts from the arrival of the first ticket about it up to its end, or up to now while it lasts.

    Our monitoring's beginning moves nothing, in either direction. Without a ticket nothing counts (OT-9), and a ticket
    at or after the end leaves nothing to count.
    """
    counted = facts.counted(facts.now)
    if counted is None:
        return Decision(
            clause="OT-3", verdict=Verdict.REFUSED, what="no ticket while it lasted", values={"counted": False}
        )
    return Decision(
        clause="OT-3",
        verdict=Verdict.ALLOWED,
        what="counts from the first ticket",
        values={"counted": True, "from": counted.start.isoformat(), "until": counted.end.isoformat()},
    )


class UnavailabilityFacts(Frozen):
    """What shows the beginning and the end of an unavailability (OCP-P3.2.10).

    `reports` are end users' reports of one and the same problem; `confirmed` says what bears them out.
    """

    logs_down_at: Moment | None = None
    reports: tuple[Moment, ...] = ()
    confirmed: Literal["logs", "mass ticket"] | None = None
    logs_up_at: Moment | None = None
    reachable_at: Moment | None = None


def _began(facts: UnavailabilityFacts) -> datetime | None:
    shown = [facts.logs_down_at] if facts.logs_down_at else []
    if facts.confirmed and len(facts.reports) > 1:
        shown.append(min(facts.reports))
    return min(shown, default=None)


@rule("OCP-P3.2.10", UnavailabilityFacts)
def unavailability(facts: UnavailabilityFacts) -> Decision:
    """From the logs, or from the first of two or more reports that logs or a mass ticket confirm: the earlier of them.

    To the logs of recovery or the service's being reachable, the earlier. One report, or reports that nothing confirms,
    begin nothing: a person decides. A person also decides where the only end shown lies before the beginning.
    """
    began = _began(facts)
    if began is None:
        return Decision(clause="OCP-P3.2.10", verdict=Verdict.PERSON, what="neither logs nor confirmed reports")
    shown = [end for end in (facts.logs_up_at, facts.reachable_at) if end is not None]
    if not shown:
        return Decision(
            clause="OCP-P3.2.10",
            verdict=Verdict.ACTION,
            what="unavailable, and no end is shown",
            values={"from": began.isoformat()},
        )
    ended = min((end for end in shown if end >= began), default=None)
    if ended is None:
        return Decision(clause="OCP-P3.2.10", verdict=Verdict.PERSON, what="the end shown lies before the beginning")
    return Decision(
        clause="OCP-P3.2.10",
        verdict=Verdict.ALLOWED,
        what="unavailable",
        values={"from": began.isoformat(), "until": ended.isoformat()},
    )


class JournalFacts(Downtime):
    """An unavailability, whether the journal has it, and when its log files went to the Operator."""

    in_journal: bool = False
    logs_sent_at: Moment | None = None


@rule("OCP-P3.2.9", JournalFacts)
def journal(facts: JournalFacts) -> Decision:
    """Each unavailability, however short, goes into the journal at once, and its log files to the Operator by e-mail.

    The agreement names no time for the log files: by our own policy 24 hours after the end, inclusive.
    """
    due = None
    if facts.end is not None:
        hours = OUTAGE_POLICY.on(local_date(facts.end, ASTANA)).logs_hours
        due = Deadline(due=facts.end + timedelta(hours=hours), zone=ASTANA)
    if not facts.in_journal:
        verdict, what = Verdict.ACTION, "enter it in the journal of unavailability"
    elif due is None:
        verdict, what = Verdict.ALLOWED, "in the journal; its log files follow when it has ended"
    elif facts.logs_sent_at is None:
        verdict, what = Verdict.DUE, "its log files go to the Operator by e-mail"
    elif facts.logs_sent_at <= due.due:
        verdict, what = Verdict.ALLOWED, "in the journal, and its log files were sent in time"
    else:
        verdict, what = Verdict.REFUSED, "its log files were sent late"
    return Decision(clause="OCP-P3.2.9", verdict=verdict, what=what, deadline=due)


class MonitoringFacts(Frozen):
    """When the last probe of a service was made, if ever, and the moment of asking."""

    last_probe_at: Moment | None
    now: Moment


@rule("OCP-P3.5", MonitoringFacts)
def monitored(facts: MonitoringFacts) -> Decision:
    """A service is monitored round the clock while its last probe is not older than our policy allows, inclusive.

    The agreement names no interval; ours is 5 minutes. A probe that is later than now shows a wrong clock: a person
    looks at it. Backups and restores of the same clause are kept elsewhere.
    """
    if facts.last_probe_at is None:
        return Decision(clause="OCP-P3.5", verdict=Verdict.REFUSED, what="never probed")
    age = facts.now - facts.last_probe_at
    if age < timedelta():
        return Decision(clause="OCP-P3.5", verdict=Verdict.PERSON, what="the last probe lies in the future")
    minutes = OUTAGE_POLICY.on(local_date(facts.now, ASTANA)).probe_silence_minutes
    if age <= timedelta(minutes=minutes):
        return Decision(clause="OCP-P3.5", verdict=Verdict.ALLOWED, what="monitored")
    return Decision(clause="OCP-P3.5", verdict=Verdict.REFUSED, what=f"not probed for more than {minutes} minutes")
