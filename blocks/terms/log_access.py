"""Access to logs (QS-3.5.4): who may be let in, and what a grant opens.

A grant names a person and the account they read from, a need, classes, one project, days and hours. It opens a record
only when it opens every class of that record: what is payload as well is not read as metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Literal

from blocks.terms.base import Deadline, Decision, Frozen, Moment, Verdict, rule
from blocks.terms.deadlines import local_date
from blocks.terms.people import plain_name, same_person
from blocks.terms.policy import RETENTION_POLICY
from blocks.terms.retention import LogClass
from blocks.terms.zones import MOSCOW

NEED_CHARACTERS = 10
_CLAUSE = "QS-3.5.4"


class AccessFacts(Frozen):
    """A request for access and who decides on it, at `at`; nobody yet when `decided_by` is empty.

    `login` is the account that will read: it is the asker under another name.
    """

    asked_by: str
    decided_by: str
    need: str
    hours: int
    at: Moment
    login: str = ""


@rule(_CLAUSE, AccessFacts)
def log_access(facts: AccessFacts) -> Decision:
    """Access is granted for a documented need, by another person than the one who asks, for a limited time.

    A documented need is a sentence: ten characters and two words at least. Who "authorised" is the clause leaves open:
    we read it as granted by a second person. Names are compared without case, spaces, punctuation and accents. The
    hours are at most those of our policy and count from the decision; the last instant belongs to them.
    """
    wrong = _wrong(facts)
    if wrong:
        return Decision(clause=_CLAUSE, verdict=Verdict.REFUSED, what=wrong)
    if not plain_name(facts.decided_by):
        return Decision(clause=_CLAUSE, verdict=Verdict.PERSON, what="another person decides on the access")
    if same_person(facts.decided_by, facts.asked_by) or same_person(facts.decided_by, facts.login):
        what = f"another person than {facts.asked_by} decides on the access"
        return Decision(clause=_CLAUSE, verdict=Verdict.REFUSED, what=what)
    until = facts.at + timedelta(hours=facts.hours)
    return Decision(
        clause=_CLAUSE,
        verdict=Verdict.ALLOWED,
        what="access may be granted",
        deadline=Deadline(due=until, zone=MOSCOW),
        values={"until": until.isoformat()},
    )


def _wrong(facts: AccessFacts) -> str:
    """What is wrong with the request itself; empty when nothing is."""
    most = RETENTION_POLICY.on(local_date(facts.at, MOSCOW)).grant_hours
    words = facts.need.split()
    if not plain_name(facts.asked_by):
        return "the access is asked for by nobody"
    if len(" ".join(words)) < NEED_CHARACTERS or sum(bool(plain_name(word)) for word in words) < 2:
        return "the need is not documented: say in a sentence what the logs are needed for"
    if not 1 <= facts.hours <= most:
        return f"access is granted for 1 to {most} hours, not {facts.hours}"
    return ""


class Grant(Frozen):
    """A grant as it stands: what it opens, to which account, and its time: None while nobody granted it."""

    state: Literal["asked", "granted", "declined", "revoked"]
    login: str
    classes: tuple[LogClass, ...]
    project: str
    day_from: date
    day_to: date
    valid_from: Moment | None
    valid_until: Moment | None


def in_force(grant: Grant, at: datetime) -> bool:
    """Whether it is granted, not taken back, and `at` lies in its time: both bounds inclusive."""
    if grant.state != "granted" or grant.valid_from is None or grant.valid_until is None:
        return False
    return grant.valid_from <= at <= grant.valid_until


def may_read(
    grant: Grant, *, at: datetime, classes: Sequence[LogClass], project: str, days: Sequence[date], login: str
) -> Decision:
    """Whether a grant opens records of these classes, of that project and those days, to that account at `at`.

    Days and moments are inclusive at both ends; account and project are compared letter by letter.
    """
    if not in_force(grant, at):
        why = "its time is not now" if grant.state == "granted" else f"it is {grant.state}"
    elif login != grant.login:
        why = f"it is not {login}'s"
    elif not classes or not set(classes) <= set(grant.classes):
        why = f"it does not open {'+'.join(classes) or 'no class'}"
    elif project != grant.project:
        why = f"it does not open the project {project}"
    elif not days or not all(grant.day_from <= day <= grant.day_to for day in days):
        why = f"it does not open {', '.join(day.isoformat() for day in days) or 'no day'}"
    else:
        return Decision(clause=_CLAUSE, verdict=Verdict.ALLOWED, what="the grant opens this")
    return Decision(clause=_CLAUSE, verdict=Verdict.REFUSED, what=why)
