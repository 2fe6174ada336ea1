"""Windows as people read them: the report of one, and the list of those near."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.ledger import (
    Approval,
    Document,
    Notice,
    Obligation,
    Sessions,
    Window,
    WindowEvent,
    WindowState,
    Work,
    reading,
)
from blocks.office import Office
from blocks.terms.service_views import ApprovalLine, NoticeLine, StoryLine, WindowLine, WindowReport, WorkLine
from tasks.audience import ZONES
from tasks.windows import find_window

REPORT_KEY = "window-report:"
_EVENTS = {
    "planned": "запланированы",
    "told": "извещён иначе",
    "operator.agreed": "Оператор согласовал",
    "operator.declined": "Оператор отказал",
    "opened": "окно открыто",
    "taken over": "продолжено другим исполнителем",
    "work begun": "начато",
    "work put off": "отложено",
    "work done": "выполнено",
    "work undone": "не удалось, возвращено",
    "work handed": "передано инженеру",
    "finish": "велено закончить",
    "work queued": "снова в очереди",
    "work cancelled": "работа отменена",
    "closed": "окно закрыто",
    "cancelled": "отменены",
}


def zone_of(window: Window) -> str:
    """The zone in which a window is told to people: that of its agreement, Moscow's where there are several."""
    return ZONES[window.agreements[0]] if len(window.agreements) == 1 else ZONES["KS"]


def window_report(office: Office, number: str) -> WindowReport:
    """A window from its plan to its end. Raises NotFound."""
    with reading(office.sessions) as session:
        window = find_window(session, number)
        titles = [office.catalogue.services[n].title if n in office.catalogue.services else n for n in window.services]
        events = session.scalars(select(WindowEvent).where(WindowEvent.window_id == window.id).order_by(WindowEvent.id))
        return WindowReport(
            number=number,
            kind=window.kind,
            starts_at=window.starts_at,
            ends_at=window.ends_at,
            opened_at=window.opened_at,
            closed_at=window.closed_at,
            zone=zone_of(window),
            services=tuple(titles),
            agreements=tuple(window.agreements),
            works=_works(session, window),
            notices=_notices(session, window, office.settings.ocp_operator_email),
            approval=_approval(session, window),
            story=tuple(
                StoryLine(at=row.at, who=row.who, what=": ".join(filter(None, (_EVENTS[row.kind], row.why))))
                for row in events
            ),
        )


def _works(session: Session, window: Window) -> tuple[WorkLine, ...]:
    rows = session.scalars(select(Work).where(Work.window_id == window.id).order_by(Work.position))
    return tuple(
        WorkLine(
            number=row.number,
            title=row.title,
            state=row.state.value,
            began_at=row.began_at,
            ended_at=row.ended_at,
            seconds=_seconds(row.ended_at - row.began_at) if row.began_at and row.ended_at else None,
            detail=row.detail or "",
        )
        for row in rows
    )


def _seconds(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(microseconds=1)) / 1_000_000


def _notices(session: Session, window: Window, partner: str) -> tuple[NoticeLine, ...]:
    rows = session.execute(
        select(Notice, Obligation)
        .join(Obligation, Obligation.id == Notice.obligation_id)
        .where(Notice.about == window.number)
        .order_by(Notice.id)
    )
    return tuple(
        NoticeLine(
            audience="operator" if notice.recipient == partner else "customers",
            recipient=notice.recipient,
            clause=owed.clause,
            latest=owed.due_at,
            sent_at=notice.sent_at,
            state=notice.state.value,
        )
        for notice, owed in rows
    )


def _approval(session: Session, window: Window) -> ApprovalLine | None:
    row = session.scalar(select(Approval).where(Approval.window_id == window.id, Approval.agreed))
    return ApprovalLine(who=row.who, at=row.at, proof=row.proof) if row else None


def windows_near(sessions: Sessions, titles: dict[str, str], *, now: datetime, past_days: int) -> list[WindowLine]:
    """Windows from `past_days` ago on, soonest first; those that were cancelled among them, for calendars to drop."""
    with reading(sessions) as session:
        events = session.execute(
            select(
                WindowEvent.window_id,
                func.max(WindowEvent.at),
                func.count().filter(WindowEvent.kind.in_(["cancelled", "closed"])),
            ).group_by(WindowEvent.window_id)
        )
        changes = {window: (at, revision) for window, at, revision in events}
        rows = session.scalars(
            select(Window).where(Window.ends_at >= now - timedelta(days=past_days)).order_by(Window.starts_at)
        )
        return [
            WindowLine(
                number=row.number,
                starts_at=row.starts_at,
                ends_at=row.ends_at,
                zone=zone_of(row),
                state=row.state.value,
                kind=row.kind,
                services=tuple(titles.get(name, name) for name in row.services),
                what=row.what,
                result=row.result or "",
                revision=changes[row.id][1],
                changed_at=changes[row.id][0],
            )
            for row in rows
        ]


def unreported(office: Office) -> list[str]:
    """Closed windows whose report is not in the archive yet."""
    with reading(office.sessions) as session:
        return list(
            session.scalars(
                select(Window.number)
                .outerjoin(Document, Document.key == REPORT_KEY + Window.number)
                .where(Window.state == WindowState.CLOSED, Document.id.is_(None))
            )
        )


def unanswered(sessions: Sessions, *, now: datetime) -> list[str]:
    """Planned windows that still wait for the Operator's answer."""
    answered = select(Approval.window_id)
    with reading(sessions) as session:
        return list(
            session.scalars(
                select(Window.number)
                .where(Window.state == WindowState.PLANNED, Window.needs_agreement, Window.id.not_in(answered))
                .where(Window.ends_at > now)
                .order_by(Window.starts_at)
            )
        )
