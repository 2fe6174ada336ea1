"""The act of destruction of registration data (QS-3.6.1, QS-8.3): Russian, without a name or an address."""

from __future__ import annotations

from blocks.terms.account_views import Destruction
from reports.format import moscow
from reports.pdf import render_pdf

_DESTROYED = {
    "customers": "Учётная запись: имя, электронная почта, ИНН, должность, хеш пароля",
    "inbox": "Содержимое входящих сообщений о заказах, платежах и обращениях",
    "notices": "Уведомления: адрес, тема, текст",
    "tickets": "Обращения: отправитель и тема",
    "ticket_events": "Тексты обращений и ответов",
    "order_events": "Пояснения в истории заказов",
    "steps": "Пояснения к шагам заказов",
    "services": "Токены доступа к проектам",
    "secrets": "Одноразовые страницы",
    "sealed_accounts": "Запечатанные данные доступа",
    "payments": "Ссылки и пояснения к платежам",
    "compensations": "Пояснения к компенсациям",
    "obligations": "Пояснения к обязательствам",
    "documents": "Листы с данными доступа в архиве",
    "account_endings": "Причина прекращения, записанная со слов сторон",
}
_KEPT = {
    "orders": "Заказы: номера, тарифы, цены и даты, без данных о человеке",
    "order_events": "История заказов: время и вид события",
    "payments": "Платежи: суммы, даты, номера у платёжной системы",
    "account_entries": "Записи лицевого счёта",
    "services": "Проекты: номера и сроки",
    "accounting_documents": (
        "Счета: первичные учётные документы хранятся не менее пяти лет (402-ФЗ, статья 29) и содержат реквизиты "
        "плательщика"
    ),
}
_GROUNDS = {
    "QS-8.3": "соглашение прекращено, пункт 8.3.1",
    "QS-3.6.1": "регистрация без активности, пункт 3.6.1",
}
_BEGAN = {"QS-8.3": "Соглашение прекращено", "QS-3.6.1": "Регистрация заблокирована"}
_COPIES = (
    "Резервные копии реестра, сделанные до уничтожения, могут содержать эти данные до {until} включительно; после "
    "этого дня их нет. Восстановленный из копии реестр очищается повторно до начала работы."
)
_LOGS = "Журналы обработки сообщений хранятся и уничтожаются в свои сроки (пункт 3.5.3) по отдельным актам."
_ELSEWHERE = (
    "Если реестр ведётся в PostgreSQL, его журналы предзаписи и копии, которые делает сам владелец базы, живут по "
    "настройкам этой базы. Письма в почтовых ящиках поддержки и у получателей этим актом не охвачены."
)


def destruction_json(view: Destruction) -> bytes:
    """The act for machines: the view itself."""
    return view.model_dump_json(indent=2).encode()


def destruction_pdf(view: Destruction) -> bytes:
    """The act on A4; the moment of destruction dates it. Raises KeyError for a clause or rows without a name."""
    data = {
        "title": f"Акт об уничтожении регистрационных данных № КЛ-{view.customer}",
        "facts": [
            ("Исполнитель", view.provider),
            ("Клиент", f"№ {view.customer}"),
            ("Основание", _GROUNDS[view.clause]),
            (_BEGAN[view.clause], moscow(view.ended_at)),
            ("Срок уничтожения", moscow(view.due_at)),
            ("Уничтожено", moscow(view.destroyed_at)),
        ],
        "destroyed": [(_DESTROYED[table], str(count)) for table, count in view.counts.items()],
        "kept": [(_KEPT[what], str(count)) for what, count in view.kept.items()],
        "rest": [_COPIES.format(until=f"{view.copies_until:%d.%m.%Y}"), _LOGS, _ELSEWHERE],
        "closing": "Данные уничтожены без возможности восстановления. Акт составлен автоматически.",
    }
    return render_pdf("account_destruction", data, dated=view.destroyed_at)


def destruction_act(view: Destruction) -> tuple[bytes, bytes]:
    """The act for people and for machines."""
    return destruction_pdf(view), destruction_json(view)
