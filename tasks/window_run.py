"""A window while it is open: opened once, its works done one by one under a lease, closed in time.

Whoever holds the lease runs the window. A worker that was killed is followed by another, which first finds out by the
runbook's own check whether the work that was running had been done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from blocks.catalogue import Runbook
from blocks.clients.runbook import Ran, run_command
from blocks.errors import NotFound, Refused, Transient
from blocks.ledger import Approval, Window, WindowEvent, WindowState, Work, WorkState, reading, transaction
from blocks.office import Office
from blocks.terms.works import Kind
from blocks.terms.works_plan import check_plan
from tasks.notices import queue_operator_notice
from tasks.numbering import by_number
from tasks.window_facts import facts_of
from tasks.windows import MARGIN_MINUTES, cancel, find_window, notice_facts, story, tell_again, untold
from tasks.works_forms import PlanForm

LEASE = timedelta(minutes=2)
MARGIN = timedelta(minutes=MARGIN_MINUTES)
LAST_WORD = timedelta(minutes=1)
"""Before the window's end, what could not be taken back is in a person's hands."""
Clock = Callable[[], datetime]
_RESULTS = {
    WorkState.DONE: "выполнено",
    WorkState.UNDONE: "не удалось, возвращено в прежнее состояние",
    WorkState.HANDED: "передано инженеру",
}


def due_windows(office: Office, *, now: datetime) -> tuple[list[str], list[str]]:
    """Windows whose time has come, and open ones that nobody holds."""
    coming = and_(Window.state == WindowState.PLANNED, Window.starts_at <= now, Window.ends_at > now)
    left = and_(Window.state == WindowState.OPEN, or_(Window.lease_until.is_(None), Window.lease_until < now))
    with reading(office.sessions) as session:
        found = [
            list(session.scalars(select(Window.number).where(ready).order_by(Window.starts_at)))
            for ready in (coming, left)
        ]
        return found[0], found[1]


def open_window(office: Office, number: str, *, owner: str, now: datetime) -> bool:
    """Open a window, or take over an open one that nobody holds; False when another worker holds it or it is over.

    Raises Refused when an agreement does not let it open: not its time, not agreed, somebody not told in time, or
    broken by what came after it was planned.
    """
    with transaction(office.sessions) as session:
        window = find_window(session, number, lock=True)
        if window.state is WindowState.OPEN:
            if window.lease_owner != owner and window.lease_until is not None and window.lease_until >= now:
                return False
            story(session, window, kind="taken over", why=f"запуск {owner[:8]}", who="dogovor", now=now)
        elif window.state is WindowState.PLANNED:
            _may_open(office, session, window, now)
            window.state, window.opened_at = WindowState.OPEN, now
            story(session, window, kind="opened", why=f"запуск {owner[:8]}", who="dogovor", now=now)
        else:
            return False
        window.lease_owner, window.lease_until = owner, now + LEASE
        return True


def _may_open(office: Office, session: Session, window: Window, now: datetime) -> None:
    if not window.starts_at <= now < window.ends_at:
        raise Refused("time", f"{window.number} is from {window.starts_at} to {window.ends_at}")
    answer = session.scalar(select(Approval).where(Approval.window_id == window.id))
    if window.needs_agreement and (answer is None or not answer.agreed):
        raise Refused("agreement", f"{window.number}: the Operator has not agreed")
    if window.kind != Kind.EMERGENCY and (missing := untold(session, window)):
        raise Refused("notices", f"{window.number}: {'; '.join(missing[:5])}")
    form = PlanForm(
        kind=window.kind,
        starts_at=window.starts_at,
        minutes=(window.ends_at - window.starts_at) // timedelta(minutes=1),
        operator=window.planned_by,
        what=window.what,
        services=tuple(window.services),
        discovered_at=window.discovered_at,
    )
    facts = facts_of(
        office,
        session,
        form,
        window.services,
        proposed_at=window.planned_at,
        now=now,
        besides=window.id,
        agreed=answer.agreed if answer else None,
    )
    further = facts.agreements - set(window.agreements)
    if further:
        raise Refused("terms", f"{window.number}: {', '.join(sorted(further))} now stand on it too: plan it anew")
    verdict = check_plan(facts, suggest=0)
    if not verdict.accepted and window.kind != Kind.EMERGENCY:
        raise Refused("terms", f"{window.number}: " + "; ".join(f"{d.clause}: {d.what}" for d in verdict.broken))


def tell_not_opened(office: Office, number: str, why: str, *, now: datetime) -> None:
    """Tell our own operator, once a reason, that a window does not open."""
    with transaction(office.sessions) as session:
        window = find_window(session, number, lock=True)
        queue_operator_notice(
            session,
            kind="window_not_opened",
            key=f"window_not_opened:{number}:{why}"[:120],
            operator=office.settings.operator_email,
            facts={**notice_facts(office, window), "why": why},
            now=now,
        )


@dataclass(frozen=True)
class Turn:
    """The work whose turn it is. `recovering`: it was running when its worker was killed."""

    number: str
    book: Runbook
    recovering: bool


def next_turn(office: Office, number: str, *, owner: str, now: datetime) -> Turn | None:
    """The next work of an open window; those with too little time left, or after one gone wrong, are queued again.

    Raises Refused("lease") when another worker has taken the window over.
    """
    with transaction(office.sessions) as session:
        window = find_window(session, number, lock=True)
        if window.state is not WindowState.OPEN or window.lease_owner != owner:
            raise Refused("lease", f"{number} was taken over by another worker")
        window.lease_until = now + LEASE
        rows = session.scalars(
            select(Work)
            .where(Work.window_id == window.id, Work.state.in_([WorkState.RUNNING, WorkState.PLANNED]))
            .order_by(Work.position, Work.id)
        ).all()
        for work in sorted(rows, key=lambda row: row.state is not WorkState.RUNNING):
            try:
                book = office.catalogue.runbook_of(work.runbook)
            except NotFound as error:
                _hand_over(office, session, window, work, why=str(error), now=now)
                continue
            if work.state is WorkState.RUNNING:
                return Turn(work.number, book, recovering=True)
            why_not = _why_not(session, window, book, now)
            if not why_not:
                work.state, work.began_at = WorkState.RUNNING, now
                story(session, window, kind="work begun", why=f"{work.number} {work.title}", who="dogovor", now=now)
                return Turn(work.number, book, recovering=False)
            work.state, work.window_id = WorkState.QUEUED, None
            why = f"{work.number}: {why_not}"
            story(session, window, kind="work put off", why=why, who="dogovor", now=now)
        return None


def _why_not(session: Session, window: Window, book: Runbook, now: datetime) -> str:
    """Why a work is not begun any more; empty when it is."""
    handed = select(Work.number).where(Work.window_id == window.id, Work.state == WorkState.HANDED)
    if broken := session.scalars(handed).first():
        return f"{broken} у инженера"
    if window.finish is not None:
        return "окно велено закончить"
    return "" if now + book.room + MARGIN <= window.ends_at else f"нужно {book.room}, времени мало"


def _hand_over(office: Office, session: Session, window: Window, work: Work, *, why: str, now: datetime) -> None:
    work.state, work.ended_at, work.detail = WorkState.HANDED, now, why
    told = f"{work.number} {work.title}: {why}"
    story(session, window, kind="work handed", why=told, who="dogovor", now=now)
    queue_operator_notice(
        session,
        kind="work_handed",
        key=f"work_handed:{work.number}:{window.number}",
        operator=office.settings.operator_email,
        facts={**notice_facts(office, window), "work": f"{work.number} {work.title}", "why": why},
        now=now,
    )


def waits_for_a_person(office: Office, number: str, *, now: datetime) -> bool:
    """Whether an open window is for works done by hand: it stays open to its end, or until a person finishes it."""
    with reading(office.sessions) as session:
        window = find_window(session, number)
        ours = session.scalar(select(Work.id).where(Work.window_id == window.id).limit(1))
        of_ours = (WindowEvent.window_id == window.id) & (WindowEvent.kind == "work put off")
        put_off = session.scalar(select(WindowEvent.id).where(of_ours).limit(1))
        return ours is None and put_off is None and window.finish is None and now < window.ends_at


@dataclass
class _Hands:
    """A worker's hands on an open window: they run commands while the lease is theirs."""

    office: Office
    number: str
    owner: str
    clock: Clock
    held_at: datetime

    def hold(self) -> bool:
        """Prolong the lease. A ledger that does not answer for a moment ends no command while the lease lasts."""
        try:
            if not hold_lease(self.office, self.number, owner=self.owner, now=self.clock()):
                return False
        except Transient:
            return self.clock() < self.held_at + LEASE
        self.held_at = self.clock()
        return True

    def run(self, argv: tuple[str, ...], until: datetime) -> Ran:
        """Run a command until then at most. Raises Refused("lease") when another worker has the window."""
        self._check()
        ran = run_command(argv, timeout_s=max((until - self.clock()).total_seconds(), 1.0), beat=self.hold)
        self._check()
        return ran

    def _check(self) -> None:
        if not self.hold():
            raise Refused("lease", f"{self.number} was taken over by another worker")


def perform(office: Office, number: str, turn: Turn, *, owner: str, clock: Clock) -> WorkState:
    """Do a work and prove it, or take it back; what can be neither goes to a person at once.

    Raises Refused("lease") when another worker has taken the window over: then nothing more is done here.
    """
    with reading(office.sessions) as session:
        ends_at = find_window(session, number).ends_at
    hands, book = _Hands(office, number, owner, clock, held_at=clock()), turn.book
    proof = timedelta(minutes=book.check_minutes)
    undo_from = ends_at - timedelta(minutes=book.undo_minutes) - MARGIN
    apply_until = min(clock() + timedelta(minutes=book.minutes), undo_from - proof)
    applied = None if turn.recovering else hands.run(book.apply, apply_until)
    if applied is None or applied.well:
        applied = hands.run(book.check, clock() + proof)
    if applied.well:
        return _finish(office, number, turn, state=WorkState.DONE, ran=applied, now=clock())
    undone = hands.run(book.undo, max(ends_at - LAST_WORD, clock() + timedelta(minutes=book.undo_minutes)))
    if undone.well:
        return _finish(office, number, turn, state=WorkState.UNDONE, ran=applied, now=clock())
    return _finish(office, number, turn, state=WorkState.HANDED, ran=undone, now=clock())


def hold_lease(office: Office, number: str, *, owner: str, now: datetime) -> bool:
    """Prolong the lease; False when it is another's."""
    with transaction(office.sessions) as session:
        held = session.execute(
            update(Window)
            .where(Window.number == number, Window.lease_owner == owner, Window.state == WindowState.OPEN)
            .values(lease_until=now + LEASE)
            .returning(Window.id)
        )
        return held.first() is not None


def _finish(office: Office, number: str, turn: Turn, *, state: WorkState, ran: Ran, now: datetime) -> WorkState:
    ended = "остановлено нами" if ran.code is None else f"код {ran.code}"
    detail = f"{ended}, {ran.seconds:.0f} с" + (f": {ran.last_line}" if ran.last_line else "")
    with transaction(office.sessions) as session:
        window = find_window(session, number, lock=True)
        work = by_number(session, Work, turn.number, lock=True)
        if state is WorkState.HANDED:
            _hand_over(office, session, window, work, why=detail, now=now)
        else:
            work.state, work.ended_at, work.detail = state, now, detail
            why = f"{work.number} {work.title}: {detail}"
            story(session, window, kind=f"work {state.value}", why=why, who="dogovor", now=now)
    return state


def close_window(office: Office, number: str, *, owner: str, now: datetime) -> str:
    """Close a window whose works are over and tell everyone who was told of it; what came of it, in one line."""
    with transaction(office.sessions) as session:
        window = find_window(session, number, lock=True)
        if window.state is not WindowState.OPEN:
            return window.result or window.state.value
        if window.lease_owner != owner:
            raise Refused("lease", f"{number} was taken over by another worker")
        works = session.scalars(select(Work).where(Work.window_id == window.id).order_by(Work.position)).all()
        lines = [f"{work.title}: {_RESULTS.get(work.state, work.state.value)}" for work in works]
        window.state, window.closed_at, window.lease_until = WindowState.CLOSED, now, None
        window.result = "; ".join(lines) or window.finish or "время работ окончено"
        late = now > window.ends_at
        clause = "KS-3.7" if late and "KS" in window.agreements else None
        why = f"{window.result}{'; позже срока' if late else ''}"
        story(session, window, kind="closed", why=why, who="dogovor", now=now, clause=clause or "")
        opened = window.opened_at or now
        facts = {"result": window.result, "opened_at": opened.isoformat(), "closed_at": now.isoformat()}
        tell_again(office, session, window, kind="works_done", facts=facts, now=now)
        return window.result


def keep_windows(office: Office, *, now: datetime) -> int:
    """Cancel windows that never opened and whose time is over; tell our operator of open ones that overrun theirs."""
    with transaction(office.sessions) as session:
        rows = session.scalars(
            select(Window)
            .where(Window.state == WindowState.PLANNED, Window.ends_at <= now)
            .with_for_update(skip_locked=True)
        ).all()
        for window in rows:
            missed = "Работы не начинались"
            cancel(office, session, window, why=missed, public=missed, who="dogovor", now=now)
        late = select(Window).where(Window.state == WindowState.OPEN, Window.ends_at < now)
        for window in session.scalars(late):
            queue_operator_notice(
                session,
                kind="works_overdue",
                key=f"works_overdue:{window.number}",
                operator=office.settings.operator_email,
                facts=notice_facts(office, window),
                now=now,
            )
        return len(rows)
