"""When a certificate's successor is ordered, announced and put into service (KS-3.8), for one certificate at a time.

A chain is planned by asking for each certificate whose successor is not in service yet: with short lifetimes the next
successor is announced before the last one serves. The swap comes as late as its promises allow, because a successor
ages from its issue, and the plan of a certificate stays what it was from one day to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import Field

from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.certificate_facts import MOST_SAID, PlanFacts, PlanTerms, RenewalWindow, Replacement, WeekWindow
from blocks.terms.deadlines import at_wall, in_calendar_months, local_date
from blocks.terms.intervals import Interval
from blocks.terms.zones import MOSCOW


def told_by(swap_at: datetime, zone: str, months: int = 1) -> datetime:
    """The last moment, inclusive, of a notice that is calendar months ahead of a swap, on the wall clock of a zone.

    Counted back from the swap: 31 March is told by 28 or 29 February, 28 February by 28 January. Where DST skips that
    wall time it is the hour before, so that the months are whole when they are counted forward too.
    """
    by = in_calendar_months(swap_at, -months, zone).due
    return by - max(in_calendar_months(by, months, zone).due - swap_at, timedelta(0))


class ReplacementFacts(Frozen):
    """A certificate's replacement: when the new one goes into service, and when customers heard of it and could get it.

    `emergency` says why it could not be planned, empty for a planned one.
    """

    swap_at: Moment
    published_at: Moment | None = None
    announced_at: Moment | None = None
    emergency: str = Field(default="", max_length=MOST_SAID)


@rule("KS-3.8", ReplacementFacts)
def replacement_announced(facts: ReplacementFacts) -> Decision:
    """Announced and published both, one calendar month (Moscow wall clock, bound inclusive) or more before the swap.

    A notice without the new certificate is none, so the month runs from the later of the two. It is counted back from
    the swap: of the readings of a month's end this is the customer's. An emergency (a key known to others, a
    revocation, a CA that wants the certificate replaced now) is no planned replacement: it is allowed with its reason,
    and its own notice is out when the swap begins.
    """
    if reason := facts.emergency.strip():
        deadline = Deadline(due=facts.swap_at, zone=MOSCOW)
        what = f"no planned replacement but an emergency: {reason}; customers hear of it at the swap at the latest"
        values: dict[str, str | int | bool] = {"emergency": True}
        return Decision(clause="KS-3.8", verdict=Verdict.ALLOWED, what=what, deadline=deadline, values=values)
    latest = told_by(facts.swap_at, MOSCOW)
    acts = (("announced", facts.announced_at), ("published", facts.published_at))
    faults = [f"not {act}" for act, at in acts if at is None]
    faults += [f"{act} less than a calendar month ahead" for act, at in acts if at is not None and at > latest]
    return Decision(
        clause="KS-3.8",
        verdict=Verdict.REFUSED if faults else Verdict.ALLOWED,
        what="; ".join(faults) or "announced and published a calendar month ahead",
        deadline=Deadline(due=latest, zone=MOSCOW),
        values={"emergency": False},
    )


def plan_replacement(facts: PlanFacts, terms: PlanTerms) -> Replacement:
    """Plan the replacement of a certificate.

    The swap lies in the window that customers were told. Else it is the latest that keeps the notice and the margin,
    not later than the end of the CA's advice where that leaves one; else the latest that keeps the margin alone; else
    the next that keeps the least margin; else the last hours before that. An emergency is replaced at once; a CA whose
    advice lies wholly in the past, and that no successor has answered yet, is one: it wants that now. What is needed
    soon is ordered now, and swapped in the first window that keeps the notice; it keeps that one.
    """
    if why := _wanted_now(facts):
        swap = Interval(start=facts.now, end=facts.now + terms.length)
        return _made(facts, terms, swap, issue_at=facts.now, emergency=why)
    windows = _windows(facts, terms.margin, terms)
    keeping = [window for window in windows if _in_time(facts, terms, window)]
    swap = _told(facts) or _best(facts, terms, windows, keeping) or _last(facts, terms)
    if facts.successor is not None:
        issue_at = facts.successor.not_before
    elif facts.soon:
        issue_at = facts.now
    elif swap in keeping:
        issue_at = _issue_at(facts, terms, swap)
    elif facts.next_lifetime < terms.least:
        issue_at = _advised(facts, swap.start - terms.work)
    else:
        issue_at = facts.now
    return _made(facts, terms, swap, issue_at=issue_at)


def renew_at(ari: RenewalWindow, draw: float, *, now: datetime) -> datetime:
    """A moment of the CA's window, spread by a draw from 0 (its start) to 1 (its end); now where that is past.

    Raises ValueError for another draw.
    """
    if not 0 <= draw <= 1:
        raise ValueError("a draw lies between 0 and 1")
    return max(ari.start + ari.span.length * draw, now)


def _wanted_now(facts: PlanFacts) -> str:
    """Why it is replaced now; empty where that has time. Without a hurry a successor is older than the advice."""
    ari, successor = facts.ari, facts.successor
    if facts.emergency or ari is None or ari.end > facts.now:
        return facts.emergency
    if successor is not None and not ari.why and successor.not_before < ari.end:
        return ""
    why = f"the CA's renewal window ended on {_said(ari.end)}" + (f" ({ari.why})" if ari.why else "")
    return why[:MOST_SAID]


def _valid_until(facts: PlanFacts) -> datetime:
    """Until when the old one is valid, and the new one if there is."""
    return min(facts.not_after, facts.successor.not_after) if facts.successor else facts.not_after


def _windows(facts: PlanFacts, margin: timedelta, terms: PlanTerms) -> list[Interval]:
    """The permitted windows that are not over yet, keep a margin, and begin after the old one came into service."""
    start, end = max(facts.now, facts.serves), _valid_until(facts) - margin
    usable_from = max(facts.serves, facts.successor.not_before) if facts.successor else facts.serves
    found = [window for weekly in terms.windows for window in _weekly(weekly, start, end)]
    fitting = [window for window in found if window.end > facts.now and window.start > usable_from]
    return sorted(fitting, key=lambda window: window.end)


def _weekly(weekly: WeekWindow, start: datetime, end: datetime) -> Iterator[Interval]:
    """One window of each week, from the day of `start` until the last that ends by `end`."""
    day = local_date(start, weekly.zone)
    day += timedelta(days=(weekly.weekday - day.weekday()) % 7)
    while (closes := at_wall(day, weekly.closes, weekly.zone)) <= end:
        yield Interval(start=at_wall(day, weekly.opens, weekly.zone), end=closes)
        day += timedelta(days=7)


def _announce_by(terms: PlanTerms, swap: Interval) -> datetime:
    return min(told_by(swap.start, zone, terms.notice_months) for zone in {weekly.zone for weekly in terms.windows})


def _issue_at(facts: PlanFacts, terms: PlanTerms, swap: Interval) -> datetime:
    return _advised(facts, _announce_by(terms, swap) - terms.work)


def _advised(facts: PlanFacts, planned: datetime) -> datetime:
    """The moment that was planned, or that of the CA's advice if it comes before."""
    ari = facts.ari
    return planned if ari is None else min(planned, renew_at(ari, facts.draw, now=facts.now))


def _in_time(facts: PlanFacts, terms: PlanTerms, swap: Interval) -> bool:
    """Whether a swap keeps its notice, and a successor that is issued for it lives until its own can follow."""
    latest = _announce_by(terms, swap)
    if facts.successor is not None:
        return (_told_of(facts, swap) or facts.now) <= latest
    issued = facts.now if facts.soon else max(facts.now, _issue_at(facts, terms, swap))
    ends = issued + facts.next_lifetime
    return facts.now <= latest and ends >= swap.end + terms.shortest


def _told_of(facts: PlanFacts, swap: Interval) -> datetime | None:
    """When customers were told of this swap; what they were told of another one does not count for it."""
    successor = facts.successor
    return successor.told_at if successor is not None and successor.swap in (None, swap) else None


def _told(facts: PlanFacts) -> Interval | None:
    """The window that customers were told, where it is ahead, after the old one's own, and within the time of both."""
    successor = facts.successor
    if successor is None or successor.swap is None or successor.told_at is None:
        return None
    fits = facts.serves < successor.swap.start and facts.now < successor.swap.end <= _valid_until(facts)
    return successor.swap if fits else None


def _best(
    facts: PlanFacts, terms: PlanTerms, windows: Sequence[Interval], keeping: Sequence[Interval]
) -> Interval | None:
    """Of the windows, the latest of the best kind; the same before and after customers know that theirs was missed.

    Where the CA advises, its successor is at least ordered by the end of the advice, so that it does not look ignored.
    """
    if facts.soon and (found := _first(facts, terms, keeping)):
        return found
    ari = facts.ari
    if ari is None:
        return next(reversed(keeping or windows), None)
    within = [window for window in keeping if window.end <= ari.end]
    ordered = [window for window in keeping if _announce_by(terms, window) - terms.work <= ari.end]
    hurried = [window for window in windows if window.end <= ari.end]
    return next((found for found in (*within[-1:], *ordered[-1:], *keeping[:1], *hurried[-1:], *windows[-1:])), None)


def _first(facts: PlanFacts, terms: PlanTerms, keeping: Sequence[Interval]) -> Interval | None:
    """The first window that leaves time to work before its notice, and then that one for as long as it keeps it.

    Where that is missed, the first whose month begins after it: letters that do not arrive put a swap off by a month,
    not every week by one.
    """
    chosen = facts.successor.swap if facts.successor else None
    if chosen in keeping:
        return chosen
    if chosen is not None:
        return next((window for window in keeping if _announce_by(terms, window) >= chosen.start), None)
    roomy = [window for window in keeping if facts.now <= _announce_by(terms, window) - terms.work]
    return next(iter(roomy or keeping), None)


def _last(facts: PlanFacts, terms: PlanTerms) -> Interval:
    """The next window with the least margin; else, outside of them, the last hours before it begins, or now."""
    if windows := _windows(facts, terms.least_margin, terms):
        return windows[0]
    limit = _valid_until(facts) - terms.least_margin
    if facts.ari is not None and facts.ari.end > facts.now:
        limit = min(limit, facts.ari.end)
    start = max(facts.now, facts.serves, limit - terms.length)
    return Interval(start=start, end=start + terms.length)


def _made(
    facts: PlanFacts, terms: PlanTerms, swap: Interval, *, issue_at: datetime, emergency: str = ""
) -> Replacement:
    successor = facts.successor
    announce_by = _announce_by(terms, swap)
    announce_at = _told_of(facts, swap) or max(facts.now, issue_at)
    begins = successor.not_before if successor else issue_at
    ends = successor.not_after if successor else max(facts.now, issue_at) + facts.next_lifetime
    made = Replacement(
        replaced=Interval(start=facts.not_before, end=facts.not_after),
        successor=Interval(start=begins, end=ends),
        issue_at=issue_at,
        announce_by=announce_by,
        announce_at=announce_at,
        swap=swap,
        retire_at=max(min(swap.end + terms.margin, facts.not_after), swap.end),
        noticed=announce_at <= announce_by and not emergency,
        in_window=any(_lies_in(swap, weekly) for weekly in terms.windows),
        emergency=emergency,
    )
    return made.model_copy(update={"finding": "; ".join(_findings(facts, terms, made))})


def _lies_in(swap: Interval, weekly: WeekWindow) -> bool:
    day = local_date(swap.start, weekly.zone)
    opens, closes = (at_wall(day, clock, weekly.zone) for clock in (weekly.opens, weekly.closes))
    return day.weekday() == weekly.weekday and opens <= swap.start and swap.end <= closes


def _findings(facts: PlanFacts, terms: PlanTerms, made: Replacement) -> Iterator[str]:
    """What is wrong with a plan, each with what to do about it."""
    if made.emergency:
        yield f"{made.emergency}: replace it now, and tell the customers at once"
        return
    if facts.not_after <= facts.now:
        yield f"the certificate ended on {_said(facts.not_after)}: replace it now"
    elif made.swap.end + terms.margin > facts.not_after:
        yield f"the swap leaves no margin for another try before the end on {_said(facts.not_after)}: watch it"
    if not made.noticed:
        yield _no_notice(facts, terms, made)
    if not made.in_window:
        yield "no permitted window lies before the end of the certificate: the swap is outside of the windows"
    if facts.successor and facts.successor.told_at and facts.successor.swap not in (None, made.swap):
        yield f"the window that customers were told cannot be kept: tell them of {_said(made.swap.start)}"


def _no_notice(facts: PlanFacts, terms: PlanTerms, made: Replacement) -> str:
    months = "a calendar month" if terms.notice_months == 1 else f"{terms.notice_months} calendar months"
    told = f"customers are told {_days(max(made.swap.start - made.announce_at, timedelta(0)))} ahead, not {months}"
    if facts.next_lifetime < terms.least:
        return (
            f"{told}: {_days(facts.next_lifetime)} of validity leave no room for it; choose a profile of at least "
            f"{_days(terms.least)}, or agree an exception with the customer"
        )
    return f"{told}: the notice was due on {_said(made.announce_by)}; agree an exception with the customer"


def _days(length: timedelta) -> str:
    """In days, to a tenth."""
    tenths = round(length / timedelta(days=0.1))
    return f"{tenths / 10:g} day{'' if tenths == 10 else 's'}"


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
