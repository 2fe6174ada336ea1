"""The invoice (счёт на оплату) of an order."""

from __future__ import annotations

from blocks.terms.views import Invoice
from reports.format import amount, moscow, rubles_in_words
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
        "words": rubles_in_words(invoice.total.amount),
    }
    return render_pdf("invoice", data, dated=invoice.issued_at)
