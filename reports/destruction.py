"""The act of destruction of logs (акт об уничтожении): a paper for people, and its annex with every segment's hash."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from blocks.terms.deadlines import local_date
from blocks.terms.retention import LogClass
from blocks.terms.retention_views import DestroyedDay, DestructionAct
from blocks.terms.zones import MOSCOW
from reports.format import count, long_day, midnight, moscow, plural, wall
from reports.papers import side, titled, wrapping
from reports.pdf import render_pdf

CLASSES = {
    LogClass.PAYLOAD: "содержание сообщений",
    LogClass.METADATA: "метаданные сообщений",
    LogClass.PLATFORM: "взаимодействие с платформой",
    LogClass.AUDIT: "внутренний аудит",
}
HEADER = (
    "№",
    "Вид логов",
    "День окончания обработки",
    "Основание",
    "Хранились до",
    "Ключ уничтожен",
    "Сегментов",
    "Записей",
    "Объём, байт",
    "Записи за время",
    "Удержано",
)
METHOD = (
    "Криптографическое уничтожение: каждый сегмент хранился только зашифрованным (AES-256-GCM). Ключи данных "
    "уничтожены в хранилище ключей и в его копии; с этого момента прочитать записи нельзя. Затем из архива удалены "
    "все версии объектов и маркеры удаления."
)
CLOSING = "В акт внесено только то, отсутствие чего проверено после удаления."
_KEPT_BACK = (
    "Удержанное не уничтожено по запрету на уничтожение; его ключи хранятся отдельно. "
    "Оно уничтожается отдельным актом, когда запрет снят."
)


def annex_json(view: DestructionAct) -> bytes:
    """The annex: everything of the act and every segment with its SHA-256; the same bytes for the same view."""
    content = view.model_dump(mode="json", exclude={"segments"})
    content["segments"] = [
        {**one._asdict(), "day": one.day.isoformat(), "first_at": _utc(one.first_at), "last_at": _utc(one.last_at)}
        for one in view.segments
    ]
    return (json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def act_pdf(view: DestructionAct, annex: bytes) -> bytes:
    """The act on A4, the same bytes for the same view. It prints the SHA-256 of its annex."""
    dated = local_date(view.absence.checked_at, MOSCOW)
    held = any(day.held_segments for day in view.days)
    data = {
        "title": titled("Акт об уничтожении логов", view.number, draft=False),
        "dated": long_day(dated),
        "facts": _facts(view, annex),
        "header": HEADER,
        "rows": [_row(number, day) for number, day in enumerate(view.days, 1)],
        "sums": _sums(view),
        "note": _KEPT_BACK if held else "",
        "proof": _proof(view),
        "closing": CLOSING,
        "provider": side("Исполнитель", view.provider),
    }
    return render_pdf("destruction", data, dated=midnight(dated))


def _facts(view: DestructionAct, annex: bytes) -> list[tuple[str, str]]:
    clauses = dict.fromkeys(clause for day in view.days for clause in day.clauses)
    return [
        ("Составил", view.provider.name),
        ("Уничтожил", wrapping(view.executor)),
        ("Основание", ", ".join(clauses) or "собственные правила хранения"),
        ("Способ", METHOD),
        ("Запланировано", _second(view.planned_at)),
        ("Ключи уничтожены", _second(view.keys_destroyed_at)),
        ("Объекты удалены", _second(view.deleted_at)),
        ("Приложение", f"{view.number}.json, SHA-256 {wrapping(hashlib.sha256(annex).hexdigest())}"),
        ("Журнал логов", f"последнее звено {wrapping(view.journal_head)}"),
        ("Цепь сегментов", f"последнее звено {wrapping(view.segments_head)}"),
    ]


def _second(moment: datetime) -> str:
    """To the second: this moment is what the act is about."""
    told = moscow(moment)
    return f"{told[:16]}:{moment:%S}{told[16:]}"


def _row(number: int, day: DestroyedDay) -> tuple[str, ...]:
    return (
        str(number),
        ", ".join(CLASSES[one] for one in day.classes),
        f"{day.day:%d.%m.%Y}",
        ", ".join(day.clauses) or "—",
        wall(day.kept_until, day.zone),
        _second(day.keys_destroyed_at),
        count(day.segments),
        count(day.records),
        count(day.raw_bytes),
        _span(day),
        _held(day),
    )


def _span(day: DestroyedDay) -> str:
    if day.first_at is None or day.last_at is None:
        return "—"
    return f"{wall(day.first_at, day.zone)[11:16]}–{wall(day.last_at, day.zone)[11:16]}"


def _held(day: DestroyedDay) -> str:
    if not day.held_segments:
        return ""
    records = f"{count(day.held_records)} {plural(day.held_records, 'запись', 'записи', 'записей')}"
    return f"{records} ({', '.join(day.holds)})" if day.holds else records


def _sums(view: DestructionAct) -> tuple[str, ...]:
    destroyed = (count(sum(getattr(day, kind) for day in view.days)) for kind in ("segments", "records", "raw_bytes"))
    held = sum(day.held_records for day in view.days)
    return (*destroyed, "", count(held) if held else "")


def _proof(view: DestructionAct) -> list[tuple[str, str]]:
    """What was looked for, what was found, when."""
    proof = view.absence
    strays = f"; попутно удалено не учтённых версий и маркеров: {count(proof.strays)}" if proof.strays else ""
    copies = f"{count(proof.copies)} {plural(proof.copies, 'копии', 'копиях', 'копиях')}"
    left = "осталось, кроме удержанного" if any(day.held_segments for day in view.days) else "осталось"
    return [
        ("Проверено", _second(proof.checked_at)),
        ("Архив", f"просмотрено папок со всеми версиями и маркерами: {count(proof.folders)}; {left}: 0{strays}"),
        ("Объекты по имени", f"запрошено: {count(proof.sampled)}; найдено: 0"),
        ("Ключи", f"искали в хранилище ключей и в его {copies}: {count(proof.keys)}; найдено: 0"),
    ]
