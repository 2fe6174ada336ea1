"""Periods of logs: a day of the end of handling of some classes, with the obligation to destroy it in time."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.ledger import LogJournal, LogPeriod, one_at_a_time
from blocks.logs.segment import classes_text, period_name
from blocks.terms.base import Deadline
from blocks.terms.deadlines import local_date
from blocks.terms.policy import RETENTION_POLICY
from blocks.terms.retention import Life, LogClass, life, zone_of
from tasks.log_journal import note_log
from tasks.notices import queue_operator_notice
from tasks.obligations import open_obligation

DESTROY = "destroy beyond recovery"


def subject_of(classes: str, day: date) -> str:
    """How the obligation to destroy a period is named."""
    return f"logs {classes} {day.isoformat()}"


def life_at(classes: tuple[LogClass, ...], day: date, now: datetime) -> Life:
    """The life of a period, as seen from `now`."""
    return life(classes, day, today=local_date(now, zone_of(classes)))


def open_period(
    session: Session, classes: tuple[LogClass, ...], day: date, *, operator: str, now: datetime
) -> LogPeriod:
    """The period of classes (in order) and a day: opened with its obligation when it is new, else as it is.

    An own audit day has no clause, so nobody is owed its destruction. A destroyed period is answered as it stands.
    Classes whose terms contradict each other are told to the operator, once.
    """
    one_at_a_time(session, "log periods")
    named = classes_text(classes)
    found = session.scalar(select(LogPeriod).where(LogPeriod.classes == named, LogPeriod.day == day))
    if found is not None:
        return found
    period = LogPeriod(classes=named, day=day, made_at=now)
    session.add(period)
    session.flush()
    lives = life_at(classes, day, now)
    if lives.clauses:
        open_obligation(
            session,
            clause=lives.clauses[0],
            subject=subject_of(named, day),
            what=DESTROY,
            deadline=Deadline(due=lives.gone_by, zone=lives.zone),
            warn_at=lives.kept_until + timedelta(hours=RETENTION_POLICY.on(day).destroy_hours) / 2,
            now=now,
        )
    if lives.contradiction:
        _tell_contradiction(session, named, lives.contradiction, operator, now)
    return period


def _tell_contradiction(session: Session, classes: str, why: str, operator: str, now: datetime) -> None:
    about = f"terms {classes}"
    if session.scalar(select(LogJournal.id).where(LogJournal.about == about, LogJournal.kind == "incident")):
        return
    note_log(session, kind="incident", about=about, who="dogovor", facts={"contradiction": why}, now=now)
    queue_operator_notice(
        session,
        kind="log_terms_contradict",
        key=f"log_terms_contradict:{classes}",
        operator=operator,
        facts={"classes": classes, "why": why},
        now=now,
    )


def key_of(classes: str, day: date) -> str:
    """The name of a period's key in the key store."""
    return f"period/{period_name(classes, day)}"


def held_key_of(classes: str, day: date, project: str) -> str:
    """The name of the key that a legal hold keeps apart for a partition."""
    return f"held/{period_name(classes, day)}/{project}"
