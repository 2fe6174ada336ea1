"""The report of a maintenance window: what was planned, who was told and agreed, what was done."""

from __future__ import annotations

from datetime import datetime

from blocks.terms.service_views import NoticeLine, WindowReport, WorkLine
from reports.format import duration, plain, span, wall
from reports.pdf import render_pdf
from reports.story import markdown_table
from reports.words import AUDIENCES, NOTICE_STATES, WINDOW_KINDS, WORK_STATES, said

_WORKS = ("№", "Работа", "Состояние", "Когда", "Перерыв", "Подробности")
_NOTICES = ("Кому", "Адресат", "Пункт", "Не позднее", "Отправлено", "Состояние")
_STORY = ("Когда", "Кто", "Что")


def _between(start: datetime | None, end: datetime | None, zone: str) -> str:
    if start is None:
        return "—"
    return span(start, end, zone) if end else f"с {wall(start, zone)}"


def _work_row(work: WorkLine, zone: str) -> tuple[str, ...]:
    stood = "—" if work.seconds is None else duration(work.seconds)
    when = _between(work.began_at, work.ended_at, zone)
    return work.number, work.title, said(WORK_STATES, work.state), when, stood, work.detail


def _notice_row(notice: NoticeLine, zone: str) -> tuple[str, ...]:
    """A notice that went out after its latest moment says so."""
    sent = wall(notice.sent_at, zone) if notice.sent_at else "нет"
    late = " (с опозданием)" if notice.sent_at and notice.sent_at > notice.latest else ""
    state = said(NOTICE_STATES, notice.state)
    audience = said(AUDIENCES, notice.audience)
    return audience, notice.recipient, notice.clause, wall(notice.latest, zone), sent + late, state


def _facts(view: WindowReport) -> list[tuple[str, str]]:
    agreed = view.approval
    return [
        ("План", span(view.starts_at, view.ends_at, view.zone)),
        ("На деле", _between(view.opened_at, view.closed_at, view.zone)),
        ("Сервисы", ", ".join(view.services) or "—"),
        ("Договоры", ", ".join(view.agreements) or "—"),
        ("Согласование", f"{agreed.who}, {wall(agreed.at, view.zone)}: {agreed.proof}" if agreed else "нет"),
    ]


def _story(view: WindowReport) -> list[tuple[str, ...]]:
    return [(wall(line.at, view.zone), line.who, line.what) for line in view.story]


def window_pdf(view: WindowReport) -> bytes:
    """The report on A4. The last moment that it tells of dates it, so the same view gives the same bytes."""
    told = [view.starts_at, *(line.at for line in view.story), *filter(None, (view.opened_at, view.closed_at))]
    data = {
        "number": view.number,
        "kind": said(WINDOW_KINDS, view.kind),
        "facts": _facts(view),
        "works_header": _WORKS,
        "works": [_work_row(work, view.zone) for work in view.works],
        "notices_header": _NOTICES,
        "notices": [_notice_row(notice, view.zone) for notice in view.notices],
        "story_header": _STORY,
        "story": _story(view),
    }
    return render_pdf("window_report", data, dated=max(told))


def window_markdown(view: WindowReport) -> str:
    """The same as Markdown, for the Prefect UI."""
    works = [tuple(map(plain, _work_row(work, view.zone))) for work in view.works]
    notices = [tuple(map(plain, _notice_row(notice, view.zone))) for notice in view.notices]
    story = [tuple(map(plain, row)) for row in _story(view)]
    parts = [
        f"# {said(WINDOW_KINDS, view.kind)} № {plain(view.number)}",
        "\n".join(f"- **{name}:** {plain(value)}" for name, value in _facts(view)),
        "## Что сделано",
        markdown_table(_WORKS, works) if works else "Работ нет.",
        "## Кто уведомлён",
        markdown_table(_NOTICES, notices) if notices else "Уведомлений нет.",
        "## Ход работ",
        markdown_table(_STORY, story) if story else "Событий нет.",
    ]
    return "\n\n".join(parts) + "\n"
