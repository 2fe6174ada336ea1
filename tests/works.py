"""A catalogue with runbooks that leave marks in a folder, and windows planned on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from blocks.ledger import Window, WindowEvent, Work, WorkState, reading
from blocks.office import Office
from tasks.windows import Plan, plan_window, queue_work
from tasks.works_forms import PlanForm, WorkForm

PLANNED_AT = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)  # a Monday, 10:00 in Moscow
SATURDAY = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)  # 09:00 in Moscow, Saturday
MINUTE = timedelta(minutes=1)

_CATALOGUE = """
[[service]]
name = "xmpp"
title = "Обмен сообщениями"
agreements = ["KS"]

[[service]]
name = "shared"
title = "Общие серверы"
agreements = ["KS", "OCP"]

[[service]]
name = "telephony"
title = "Контакт-центр"
agreements = ["OT"]
group = "ОВВ"

[[service]]
name = "sockets"
title = "Обмен данными QSockets"
agreements = ["QS"]
"""


def _runbook(folder: Path, name: str, service: str, *, apply: str, check: str, undo: str, minutes: int = 20) -> str:
    def argv(script: str) -> str:
        return f'["/bin/sh", "-c", "{script}"]'

    return f"""
[[runbook]]
name = "{name}"
title = "Работа {name}"
services = ["{service}"]
minutes = {minutes}
undo_minutes = 10
apply = {argv(apply)}
check = {argv(check)}
undo = {argv(undo)}
"""


def write_catalogue(folder: Path) -> Path:
    """The catalogue as a file; its runbooks write into `folder`/marks, a line for each command that ran."""
    marks = folder / "marks"
    mark = {word: f"echo {{name}}.{word} >> {marks}" for word in ("apply", "check", "undo")}

    def book(name: str, service: str = "xmpp", *, apply: str = "", check: str = "", undo: str = "", **more: int) -> str:
        def script(word: str, then: str) -> str:
            return mark[word].format(name=name) + (f"; {then}" if then else "")

        return _runbook(
            folder,
            name,
            service,
            apply=script("apply", apply),
            check=script("check", check),
            undo=script("undo", undo),
            **more,
        )

    text = _CATALOGUE + "".join(
        (
            book("good", apply=f"touch {folder}/done", check=f"test -e {folder}/done", undo=f"rm -f {folder}/done"),
            book("bad", apply="exit 3", check="exit 1"),
            book("unproven", check="exit 1"),
            book("stuck", apply="exit 3", undo="exit 4"),
            book("slow", apply="sleep 30"),
            book("long", minutes=100),
            book("both", "shared"),
            book("telephony", "telephony"),
        )
    )
    path = folder / "services.toml"
    path.write_text(text, "utf-8")
    return path


def marks(office: Office) -> list[str]:
    """The commands that ran, in their order."""
    path = Path(str(office.settings.services_file)).with_name("marks")
    return path.read_text().split() if path.exists() else []


def queued(office: Office, *runbooks: str, at: datetime = PLANNED_AT) -> tuple[str, ...]:
    """Queue works by their runbooks; their numbers."""
    return tuple(
        queue_work(office, WorkForm(runbook=name, operator="О. Петрова"), key=f"{index}:{name}:{at}", now=at)
        for index, name in enumerate(runbooks)
    )


def planned(office: Office, *runbooks: str, key: str = "plan", at: datetime = PLANNED_AT, minutes: int = 120) -> Plan:
    """A Saturday's window with works by these runbooks."""
    form = PlanForm(
        starts_at=SATURDAY,
        minutes=minutes,
        operator="О. Петрова",
        what="Обновление серверов",
        works=queued(office, *runbooks, at=at),
    )
    return plan_window(office, form, key=key, now=at)


def work_states(office: Office) -> list[WorkState]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Work.state).order_by(Work.id)))


def window_row(office: Office, number: str) -> Window:
    with reading(office.sessions) as session:
        return session.scalars(select(Window).where(Window.number == number)).one()


def events(office: Office, number: str) -> list[str]:
    with reading(office.sessions) as session:
        rows = session.scalars(select(WindowEvent.kind).join(Window).where(Window.number == number))
        return list(rows)
