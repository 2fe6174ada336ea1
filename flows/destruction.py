"""A purge of logs from its guards to its acts, without Prefect: what the flow and the command call."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from blocks.errors import DogovorError, Refused
from blocks.office import Office
from reports.destruction import act_pdf, annex_json
from reports.format import count, moscow, plain
from tasks import log_purge
from tasks.log_absence import Clock, Tell, delete, note_incident
from tasks.log_act import act_of, prove
from tasks.log_clock import doubt_of_clock
from tasks.log_holds import end_lapsed, locks_follow
from tasks.log_plan import Part, Plan, PlannedDay, plan

AUTOMATIC = "автоматически, по расписанию"
_SHOWN = 200
log = logging.getLogger("dogovor.destruction")


@dataclass
class Outcome:
    """The purges that were proven, those that were not and why, and how many keys were destroyed."""

    keys: int = 0
    proven: list[str] = field(default_factory=list)
    failed: dict[str, DogovorError] = field(default_factory=dict)


def purge(office: Office, *, clock: Clock, executor: str, after_pause: bool, tell: Tell) -> Outcome:
    """Destroy what is due and prove it. Keys go first, of everything, before any object is touched.

    `after_pause`: a person says that the clock is right. Raises Refused("clock"), Refused("pause"), Transient; and at
    its end PurgeIncident for a purge whose absence could not be proven, or the first Transient that stopped one.
    """
    now = clock()
    doubt = doubt_of_clock(office, now=now)
    if doubt is not None and not after_pause:
        raise doubt
    for number in end_lapsed(office, now=now):
        tell(f"{number} is over", 0)
    outcome = Outcome(keys=_keys_first(office, clock, executor, tell))
    locks_follow(office, now=clock())
    for number in log_purge.unfinished(office):
        _finish(office, number, outcome, clock, tell)
    _raise_failed(outcome)
    return outcome


def _keys_first(office: Office, clock: Clock, executor: str, tell: Tell) -> int:
    """Destroy the keys of a purge that was planned before, then of one for what is due now: how many keys."""
    before, keys = log_purge.unfinished(office), 0
    while (planned := log_purge.begin(office, now=clock(), executor=executor)) is not None:
        keys += log_purge.destroy_keys(office, planned, now=clock())
        tell(f"{planned}: keys destroyed", 0)
        if planned not in before:
            break
    return keys


def _finish(office: Office, number: str, outcome: Outcome, clock: Clock, tell: Tell) -> None:
    """Delete, prove, put on record; a failure keeps no other purge back."""
    try:
        absence, wrong = delete(office, number, clock=clock, tell=lambda what, done: tell(f"{number}: {what}", done))
        if absence is None:
            note_incident(office, number, wrong, now=clock())
            raise log_purge.PurgeIncident(f"{number}: {wrong}")
        view = act_of(office, number, absence)
        annex = annex_json(view)
        if prove(office, view, pdf=act_pdf(view, annex), annex=annex, now=clock()):
            outcome.proven.append(number)
            tell(f"{number}: proven", 100)
    except DogovorError as error:
        log.warning("%s: %s", number, error)
        outcome.failed[number] = error


def _raise_failed(outcome: Outcome) -> None:
    incidents = [str(error) for error in outcome.failed.values() if isinstance(error, Refused)]
    if incidents:
        raise log_purge.PurgeIncident("; ".join(incidents))
    for error in outcome.failed.values():
        raise error


def dry_run(office: Office, *, now: datetime) -> str:
    """What a purge would do at that moment, as Markdown; nothing is changed."""
    found, doubt = plan(office, now=now), doubt_of_clock(office, now=now)
    total = [part for day in found.doomed for part in day.doomed]
    lines = [
        f"# Purge of logs at {moscow(now)}: a dry run",
        "",
        f"{count(len(found.doomed))} class-days, {_said(total)} would be destroyed.",
        *([f"\n**It would be refused**: {doubt}"] if doubt else []),
        *(f"\n**Contradiction**: {plain(one)}" for one in found.contradictions),
        *(f"\nPurge {number} is unfinished and goes on first." for number in log_purge.unfinished(office)),
        "",
        *_table(found),
    ]
    return "\n".join(lines) + "\n"


def _table(found: Plan) -> list[str]:
    if not found.days:
        return ["Nothing is due."]
    head = ["| day | class | clause | kept until | gone by | destroyed | held back |", "|---|---|---|---|---|---|---|"]
    more = len(found.days) - _SHOWN
    return head + [_line(day) for day in found.days[:_SHOWN]] + ([f"\n… and {count(more)} more."] if more > 0 else [])


def _line(day: PlannedDay) -> str:
    locked = f"; the archive may hold it until {moscow(day.locked_until)}" if day.locked_until else ""
    held = f"{_said(day.held)}: {', '.join(day.holds)}" if day.holds else ""
    cells = (
        day.day.isoformat(),
        day.classes,
        ", ".join(day.fate.life.clauses),
        moscow(day.fate.life.kept_until),
        moscow(day.fate.life.gone_by),
        (_said(day.doomed) if day.keys else "nothing") + locked,
        held,
    )
    return "| " + " | ".join(cells) + " |"


def _said(parts: list[Part] | tuple[Part, ...]) -> str:
    segments, records, size = (sum(getattr(part, kind) for part in parts) for kind in ("segments", "records", "size"))
    return f"{count(segments)} segments, {count(records)} records, {count(size)} bytes"
