"""The columns of an invoice line: how files call them, and the canonical Parquet form."""

from __future__ import annotations

import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("line", pa.string()),
        ("invoice", pa.string()),
        ("customer", pa.string()),
        ("cart", pa.string()),
        ("service", pa.string()),
        ("tariff", pa.string()),
        ("begins_on", pa.date32()),
        ("ends_on", pa.date32()),
        ("quantity_milli", pa.int64()),
        ("price_minor", pa.int64()),
        ("net_minor", pa.int64()),
        ("vat_bp", pa.int64()),
        ("vat_minor", pa.int64()),
        ("state", pa.string()),
        ("corrects", pa.string()),
    ]
)
"""Canonical: no nulls (an absent cart or corrected line is ''), days included at both ends, amounts in tiyn."""

HEADINGS: dict[str, tuple[str, ...]] = {
    "line": ("line", "строка", "id строки"),
    "invoice": ("invoice", "счёт", "номер счёта"),
    "customer": ("customer", "клиент", "конечный пользователь"),
    "cart": ("cart", "корзина"),
    "service": ("service", "услуга", "сервис"),
    "tariff": ("tariff", "тариф"),
    "from": ("from", "с", "начало периода"),
    "to": ("to", "по", "конец периода"),
    "quantity": ("quantity", "количество"),
    "price": ("price", "цена без ндс"),
    "net": ("net", "сумма без ндс"),
    "vat_rate": ("vat_rate", "ставка ндс, %", "ставка ндс"),
    "vat": ("vat", "сумма ндс"),
    "state": ("state", "состояние", "статус"),
    "corrects": ("corrects", "исправляет строку", "исправляет"),
    "currency": ("currency", "валюта"),
}
"""The headings of a file, in any order and case (ё counts as е). `cart`, `corrects` and `currency` may be left out."""

STATES: dict[str, tuple[str, ...]] = {
    "issued": ("issued", "выставлен", "выставлена"),
    "paid": ("paid", "оплачен", "оплачена"),
    "refunded": ("refunded", "возвращен", "возвращена", "возврат"),
    "cancelled": ("cancelled", "отменен", "отменена"),
    "correction": ("correction", "корректировка"),
}
