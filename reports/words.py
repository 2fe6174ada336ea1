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
    "queued": "в очереди",
    "planned": "запланирована",
    "running": "идёт",
    "done": "выполнена",
    "undone": "не удалась, возвращена",
    "handed": "у инженера",
    "cancelled": "отменена",
}
AUDIENCES = {"customers": "пользователи", "operator": "Оператор ОЦП"}
NOTICE_STATES = {
    "queued": "ждёт отправки",
    "sending": "отправляется",
    "sent": "отправлено",
    "delivered": "доставлено",
    "bounced": "не доставлено",
    "failed": "не отправлено",
}
CERTIFICATE_STATES = {
    "current": "Действует сейчас",
    "coming": "Вступит в действие",
    "former": "Прежний",
    "revoked": "Отозван",
}
EMERGENCIES = {
    "key_compromise": "закрытый ключ прежнего сертификата мог стать известен посторонним",
    "revoked_by_ca": "удостоверяющий центр отозвал прежний сертификат",
    "ca_advice": "удостоверяющий центр потребовал заменить прежний сертификат раньше срока",
}
TICKET_KINDS = {
    "incident": "инцидент",
    "technical": "техническое обращение",
    "consultation": "консультация",
    "suggestion": "предложение",
}
TICKET_STATES = {
    "open": "открыто",
    "waiting": "ждёт заказчика",
    "resolved": "решено",
    "duplicate": "присоединено",
}

LINE_STATES = {
    "issued": "выставлен",
    "paid": "оплачен",
    "refunded": "возвращён",
    "cancelled": "отменён",
    "correction": "корректировка",
}
CAUSES = {
    "duplicate": "строка повторяется",
    "missing_at_them": "нет у Оператора",
    "missing_at_us": "нет у Провайдера",
    "amount": "другая сумма",
    "tariff": "другой тариф",
    "period": "другой период",
    "customer": "другой клиент",
}
WAYS = {"explained": "объяснено", "accepted": "принято"}


def said(words: Mapping[str, str], word: str) -> str:
    """A word of the ledger in Russian, or as it is."""
    return words.get(word, word)
