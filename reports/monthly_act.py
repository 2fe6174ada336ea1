"""The act of services rendered in a month to one customer, and its invoice (SSL-7.6), by the rules of Belarus."""

from __future__ import annotations

from typing import Any

from blocks.terms.revenue import first_day, last_day
from blocks.terms.revenue_views import CustomerAct, Party, ServiceLine
from reports.format import days, in_words, long_day, midnight, minor, month_title, sign_of, thousandths
from reports.papers import side, titled, wrapping
from reports.pdf import render_pdf

NO_VAT = (
    "Без НДС: Исполнитель — резидент Парка высоких технологий, основание — абзац третий пункта 27 Положения о Парке "
    "высоких технологий, утверждённого Декретом Президента Республики Беларусь от 22.09.2005 № 12."
)
_ALONE = (
    "Акт составлен и подписан Исполнителем единолично: каждая сторона подписывает свой экземпляр сама. "
    "Подпись другой стороны на этом экземпляре не требуется."
)


def _line(number: int, line: ServiceLine) -> tuple[str, ...]:
    return (
        str(number),
        wrapping(line.what),
        days(line.begins_on, line.ends_on),
        thousandths(line.quantity_milli),
        minor(line.price_minor),
        minor(line.net_minor),
    )


def _paper(act: CustomerAct, kind: str) -> dict[str, Any]:
    """What the act and the invoice both say."""
    sign = sign_of(act.currency)
    customer = Party(name=act.customer, requisites=act.customer_details, signatory="")
    amounts = ("Цена без НДС", "Стоимость без НДС")
    return {
        "title": titled(kind, act.number, draft=not act.number),
        "draft": not act.number,
        "dated": long_day(act.dated),
        "agreement": act.agreement,
        "period": f"{month_title(act.month)} ({days(first_day(act.month), last_day(act.month))})",
        "provider": side("Исполнитель", act.provider),
        "customer": side("Заказчик", customer),
        "header": ("№", "Услуга", "Когда оказана", "Количество", *(f"{name}, {sign}" for name in amounts)),
        "rows": [_line(number, line) for number, line in enumerate(act.lines, 1)],
        "total": minor(act.total_minor),
        "words": in_words(act.total_minor, act.currency),
        "no-vat": NO_VAT,
    }


def monthly_act_pdf(act: CustomerAct) -> bytes:
    """The act on A4, signed by the Provider alone, the same bytes for the same act."""
    data = _paper(act, "Акт оказанных услуг") | {
        "lead": "Исполнитель оказал Заказчику за отчётный период следующие услуги:",
        "total-name": "Стоимость услуг",
        "closing": _ALONE,
    }
    return render_pdf("monthly_act", data, dated=midnight(act.dated))


def monthly_invoice_pdf(act: CustomerAct) -> bytes:
    """The invoice to the act, under the same number, the same bytes for the same act."""
    data = _paper(act, "Счёт-фактура") | {
        "lead": f"К акту оказанных услуг{f' № {act.number}' if act.number else ''} от {long_day(act.dated)}",
        "total-name": "Всего",
        "closing": "",
    }
    return render_pdf("monthly_act", data, dated=midnight(act.dated))
