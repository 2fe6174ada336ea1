"""The invoice (счёт на оплату) of an order."""

from __future__ import annotations

from blocks.terms.views import Invoice
from reports.format import amount, in_words, moscow, sign_of
from reports.pdf import render_pdf


def invoice_pdf(invoice: Invoice) -> bytes:
    """The invoice as PDF, the same bytes for the same view."""
    data = {
        "number": invoice.number,
        "date": moscow(invoice.issued_at)[:10],
        "pay_by": moscow(invoice.pay_by),
        "provider": invoice.provider,
        "requisites": invoice.requisites,
        "customer": invoice.customer,
        "inn": invoice.inn,
        "lines": [{"what": what, "amount": amount(line.amount)} for what, line in invoice.lines],
        "total": amount(invoice.total.amount),
        "words": in_words(invoice.total.minor, invoice.total.currency),
        "unit": sign_of(invoice.total.currency),
        "account": invoice.account,
        "tax": "УНП" if len(invoice.inn) == 9 else "ИНН",
    }
    return render_pdf("invoice", data, dated=invoice.issued_at)
