"""The ledger's words in Russian. A word that is not listed here is shown as it is."""

from __future__ import annotations

from collections.abc import Mapping

SERVICE_STATES = {"up": "работает", "down": "недоступен", "works": "идут работы", "unknown": "нет данных"}
WINDOW_STATES = {"planned": "запланированы", "open": "идут", "closed": "завершены", "cancelled": "отменены"}
WINDOW_KINDS = {
    "planned": "Плановые работы",
    "daily": "Ежедневные работы",
    "urgent": "Срочные работы",
    "emergency": "Аварийные работы",
}
WORK_STATES = {
    "planned": "запланирована",
    "running": "идёт",
    "done": "выполнена",
    "failed": "не удалась",
    "cancelled": "отменена",
    "skipped": "не понадобилась",
}
AUDIENCES = {"customer": "заказчик", "operator": "Оператор ОЦП", "users": "конечные пользователи", "public": "все"}
NOTICE_STATES = {
    "planned": "запланировано",
    "composed": "составлено",
    "sent": "отправлено",
    "delivered": "доставлено",
    "bounced": "не доставлено",
    "failed": "не отправлено",
    "late": "с опозданием",
    "missing": "не дано",
}
TICKET_KINDS = {
    "incident": "инцидент",
    "technical": "техническое обращение",
    "consultation": "консультация",
    "suggestion": "предложение",
    "request": "запрос",
    "claim": "претензия",
}
TICKET_STATES = {
    "new": "новое",
    "open": "открыто",
    "in_progress": "в работе",
    "pending": "ждёт заказчика",
    "waiting": "ждёт заказчика",
    "resolved": "решено",
    "closed": "закрыто",
    "duplicate": "присоединено",
}


def said(words: Mapping[str, str], word: str) -> str:
    """A word of the ledger in Russian, or as it is."""
    return words.get(word, word)
