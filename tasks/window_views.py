"""Windows as people read them: the report of one, and the list of those near."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

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
from blocks.terms.intervals import exact_seconds
from blocks.terms.service_views import ApprovalLine, NoticeLine, StoryLine, WindowLine, WindowReport, WorkLine
from blocks.terms.zones import ZONES
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
        events = session.scalars(select(WindowEvent).where(WindowEvent.window_id == window.id).order_by(WindowEvent.id))
        return WindowReport(
            number=number,
            kind=window.kind,
            starts_at=window.starts_at,
            ends_at=window.ends_at,
            opened_at=window.opened_at,
            closed_at=window.closed_at,
            zone=zone_of(window),
            services=tuple(map(office.catalogue.title_of, window.services)),
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
            seconds=exact_seconds(row.ended_at - row.began_at) if row.began_at and row.ended_at else None,
            detail=row.detail or "",
        )
        for row in rows
    )


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


def window_lines(office: Office, session: Session, rows: Sequence[Window]) -> tuple[WindowLine, ...]:
    """Windows for a list; each change of one gives it a further revision, by which calendars know it."""
    events = session.execute(
        select(WindowEvent.window_id, func.count(), func.max(WindowEvent.at))
        .where(WindowEvent.window_id.in_([row.id for row in rows]))
        .group_by(WindowEvent.window_id)
    )
    changes = {window: (revision, at) for window, revision, at in events.tuples()}
    return tuple(
        WindowLine(
            number=row.number,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            zone=zone_of(row),
            state=row.state.value,
            kind=row.kind,
            services=tuple(map(office.catalogue.title_of, row.services)),
            what=row.what,
            result=row.result or "",
            revision=changes.get(row.id, (0, None))[0],
            changed_at=changes.get(row.id, (0, None))[1],
        )
        for row in rows
    )


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
