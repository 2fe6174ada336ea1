"""The statement of the software that serves a customer (KS-2.9), in Russian."""

from __future__ import annotations

from blocks.terms.complex_views import SoftwareLine, SoftwareStatement
from reports.format import moscow
from reports.papers import wrapping
from reports.pdf import render_pdf

_ROLES = {
    "xmpp": "Обмен сообщениями (XMPP)",
    "mail": "Почта",
    "imap": "Почтовые ящики (IMAP)",
    "smtp": "Приём и отправка почты (SMTP)",
    "dkim": "Подпись писем (DKIM)",
    "sip": "Звонки (SIP)",
    "dns": "Имена (DNS)",
    "directory": "База учётных записей",
}
_NAME_SERVER = ("primary name server", "name server ")
_LEARNT = {
    "asked by its API": "запрос к API",
    "asked by JSON-RPC": "запрос JSON-RPC",
    "banner of the management port": "приветствие сервера",
    "IMAP ID": "команда IMAP ID",
    "rndc status": "команда rndc status",
    "asked by SQL": "запрос SQL",
}
_SILENT = "не сообщается программой"
_CLOSING = "Версии названы самими работающими программами в момент составления этой справки."


def software_pdf(view: SoftwareStatement) -> bytes:
    """The statement on A4; the moment of the statement dates it. What has no Russian name keeps its own."""
    data = {
        "title": f"Справка о программном обеспечении к заказу №\u00a0{view.number}",
        "facts": [
            ("Исполнитель", view.provider),
            ("Комплекс связи", view.domain),
            ("Запрос", f"{view.asked_by}, {moscow(view.asked_at)}"),
            ("Основание", "Приложение 2 к соглашению (KS-2.9)"),
            ("Составлена", moscow(view.stated_at)),
        ],
        "lines": [_line(line) for line in view.lines],
        "closing": _CLOSING,
    }
    return render_pdf("software", data, dated=view.stated_at)


def _line(line: SoftwareLine) -> tuple[str, str, str, str]:
    return (
        _role(line.role),
        wrapping(line.name),
        wrapping(line.version or _SILENT),
        wrapping(_LEARNT.get(line.learnt, line.learnt)),
    )


def _role(role: str) -> str:
    return _ROLES["dns"] if role.startswith(_NAME_SERVER) else _ROLES.get(role.lower(), role)
