"""Views of the revenue split and of monthly acts at their fullest and emptiest, for the tests of the reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from blocks.terms.revenue import (
    Cause,
    CauseTotal,
    Difference,
    Figures,
    LineState,
    Reconciliation,
    Settlement,
    SplitRow,
    Way,
)
from blocks.terms.revenue_views import (
    ActView,
    CustomerAct,
    DataLine,
    InvoiceData,
    MonthShare,
    Party,
    ReconciliationView,
    RevenuePicture,
    ServiceIncome,
    ServiceLine,
    TariffLine,
)

MONTH, DATED = "2026-10", date(2026, 11, 2)
AGREEMENT = "Договор о совместной деятельности № 17 от 01.02.2024"
KEY = "ab" * 32
PROVIDER = Party(
    name="ТОО «Пример Связь»",
    requisites="БИН 000000000000, г. Астана, ул. Примерная, 1\nИИК KZ00 0000 0000 0000 0000, АО «Банк», БИК XXXXKZKX",
    signatory="Директор А. Б. Примеров",
)
OPERATOR = Party(
    name="АО «Оператор образцовой цифровой платформы»",
    requisites="БИН 111111111111, г. Астана, пр. Образцовый, 2",
    signatory="Управляющий директор В. Г. Образцова",
)
TITLES = {
    "TV-BASE": "Телевидение, базовый пакет",
    "TV-KINO": "Телевидение, пакет «Кино»",
    "VIDEO-10": "Видеонаблюдение, хранение 10 дней",
    "CLOUD-50": "Облачное хранилище 50 ГБ",
}


def data_line(number: int, **other: object) -> DataLine:
    line = DataLine(
        line=f"L-{number:06d}",
        invoice=f"INV-{number // 3:06d}",
        customer=f"Клиент {number % 977}",
        cart=f"C-{number // 7}" if number % 5 else "",
        service=("Телевидение", "Видеонаблюдение", "Облако")[number % 3],
        tariff=("TV-BASE", "VIDEO-10", "CLOUD-50")[number % 3],
        begins_on=date(2026, 10, 1 + number % 20),
        ends_on=date(2026, 10, 31),
        quantity_milli=1_000 + 500 * (number % 4),
        price_minor=149_000,
        net_minor=149_000 * (1_000 + 500 * (number % 4)) // 1_000,
        vat_bp=1_600,
        vat_minor=149_000 * (1_000 + 500 * (number % 4)) // 1_000 * 16 // 100,
        state=("issued", "paid", "refunded", "cancelled", "correction")[number % 5],
        corrects=f"L-{number - 1:06d}" if number % 10 >= 7 else "",
    )
    return line._replace(**other)  # type: ignore[arg-type]


def income_of(line: DataLine) -> int:
    if line.state == "refunded":
        return -line.net_minor if line.corrects else 0
    return 0 if line.state == "cancelled" else line.net_minor


def invoice_data(lines: Sequence[DataLine]) -> InvoiceData:
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for line in lines:
        for place, value in enumerate((1, line.net_minor, line.vat_minor, income_of(line))):
            sums[line.service, line.tariff, line.state][place] += value
    rows = tuple(
        TariffLine(
            service=service,
            tariff=tariff,
            title=TITLES.get(tariff, tariff),
            state=state,
            lines=count,
            net_minor=net,
            vat_minor=vat,
            income_minor=income,
        )
        for (service, tariff, state), (count, net, vat, income) in sorted(sums.items())
    )
    return InvoiceData(
        number="ОЦП-2026-0007",
        month=MONTH,
        dated=DATED,
        agreement=AGREEMENT,
        provider=PROVIDER,
        operator=OPERATOR,
        sums=rows,
        lines=len(lines),
    )


def split_row(tariff: str = "TV-BASE", income: int = 12_345_678, **other: object) -> SplitRow:
    fee = (income * 2_000 + 5_000) // 10_000
    fields: dict[str, object] = {
        "month_of": MONTH,
        "tariff": tariff,
        "since": date(2026, 10, 1),
        "until": date(2026, 10, 31),
        "fee_bp": 2_000,
        "lines": 83,
        "income_minor": income,
        "fee_minor": fee,
        "reward_minor": income - fee,
        "vat_minor": income * 16 // 100,
    }
    return SplitRow.model_validate(fields | other)


def rows_of_act() -> tuple[SplitRow, ...]:
    earlier: dict[str, Any] = {"month_of": "2026-08", "since": date(2026, 8, 1), "until": date(2026, 8, 31)}
    return (
        split_row("TV-BASE", until=date(2026, 10, 15)),
        split_row("TV-BASE", 9_876_543, rounding_minor=1, since=date(2026, 10, 16), fee_bp=1_800),
        split_row("VIDEO-10", 500_000_000),
        split_row("CLOUD-50", 79_900, rounding_minor=-1),
        split_row("TV-KINO", -99_000, **earlier),
        split_row("TV-BASE", -149_000, **earlier),
        split_row("TV-BASE", 149_000, **(earlier | {"month_of": "2026-09", "rounding_minor": 1})),
    )


def act(rows: tuple[SplitRow, ...] | None = None, **other: object) -> ActView:
    fields: dict[str, object] = {
        "number": "ОЦП-2026-0007",
        "month": MONTH,
        "edition": 0,
        "reason": "",
        "dated": DATED,
        "agreement": AGREEMENT,
        "provider": PROVIDER,
        "operator": OPERATOR,
        "rows": rows_of_act() if rows is None else rows,
        "titles": TITLES,
        "draft": False,
    }
    return ActView.model_validate(fields | other)


def figures(**other: object) -> Figures:
    fields: dict[str, object] = {
        "invoice": "INV-000118",
        "customer": "ТОО «Клиент»",
        "service": "Телевидение",
        "tariff": "TV-BASE",
        "begins_on": date(2026, 10, 1),
        "ends_on": date(2026, 10, 31),
        "state": LineState.ISSUED,
        "income_minor": 149_000,
        "vat_minor": 23_840,
    }
    return Figures.model_validate(fields | other)


def difference(line: str, *causes: Cause, ours: Sequence[Figures] = (), theirs: Sequence[Figures] = ()) -> Difference:
    return Difference(line=line, causes=causes, ours=tuple(ours), theirs=tuple(theirs))


def differences() -> tuple[Difference, ...]:
    """One of each cause, and one line with several."""
    one = figures()
    return (
        difference("L-1", Cause.DUPLICATE, ours=[one], theirs=[one, one]),
        difference("L-2", Cause.MISSING_AT_THEM, ours=[one]),
        difference("L-3", Cause.MISSING_AT_US, theirs=[figures(invoice="=cmd|' /C calc'!A0")]),
        difference("L-4", Cause.AMOUNT, ours=[one], theirs=[figures(income_minor=139_000)]),
        difference(
            "L-5",
            Cause.AMOUNT,
            Cause.TARIFF,
            Cause.PERIOD,
            ours=[one],
            theirs=[figures(income_minor=99_000, tariff="TV-KINO", begins_on=date(2026, 10, 16))],
        ),
        difference("L-6", Cause.TARIFF, ours=[one], theirs=[figures(tariff="TV-KINO")]),
        difference("L-7", Cause.PERIOD, ours=[one], theirs=[figures(ends_on=date(2026, 10, 30))]),
        difference("L-8", Cause.CUSTOMER, ours=[one], theirs=[figures(customer="ИП Другой клиент")]),
    )


def compared(found: Sequence[Difference], *, matched: int = 1_000) -> Reconciliation:
    sums: dict[Cause, list[int]] = {}
    for one in found:
        total = sums.setdefault(one.cause, [0, 0, 0])
        total[0] += 1
        total[1] += sum(figure.income_minor for figure in one.ours)
        total[2] += sum(figure.income_minor for figure in one.theirs)
    by_cause = tuple(
        CauseTotal(cause=cause, lines=sums[cause][0], ours_minor=sums[cause][1], theirs_minor=sums[cause][2])
        for cause in Cause
        if cause in sums
    )
    return Reconciliation(
        month=MONTH,
        key=KEY,
        ours_lines=matched + sum(len(one.ours) for one in found),
        ours_minor=matched * 149_000 + sum(total.ours_minor for total in by_cause),
        theirs_lines=matched + sum(len(one.theirs) for one in found),
        theirs_minor=matched * 149_000 + sum(total.theirs_minor for total in by_cause),
        matched_lines=matched,
        matched_minor=matched * 149_000,
        by_cause=by_cause,
        differences=tuple(found),
    )


def word(cause: Cause, way: Way, line: str | None = None, delta: int | None = None, **other: object) -> Settlement:
    fields: dict[str, object] = {
        "cause": cause,
        "line": line,
        "delta_minor": delta,
        "key": KEY,
        "way": way,
        "who": "Анна",
        "reason": "Счёт отменён у Оператора 31.10, письмо № 118",
    }
    return Settlement.model_validate(fields | other)


def statement(
    found: Sequence[Difference] | None = None, words: Sequence[Settlement] = (), unsettled: int | None = None
) -> ReconciliationView:
    found = differences() if found is None else found
    return ReconciliationView(
        number="ОЦП-2026-0007",
        month=MONTH,
        dated=DATED,
        agreement=AGREEMENT,
        provider=PROVIDER,
        operator=OPERATOR,
        result=compared(found),
        settlements=tuple(words),
        open_differences=len(found) if unsettled is None else unsettled,
    )


def picture(months: int = 12, services: int = 6, reconciliation: Reconciliation | None = None) -> RevenuePicture:
    names = ("Телевидение", "Видеонаблюдение", "Облачное хранилище", "Виртуальный офис", "Подключение", "Телефония")
    held = [f"{2025 + (10 + number) // 12}-{(10 + number) % 12 + 1:02d}" for number in range(12)][12 - months :]
    incomes = tuple(
        ServiceIncome(
            month=month,
            service=names[place] if place < len(names) else f"Услуга {place}",
            income_minor=(place + 2) * 37_000_000 * (10 + number) // (1 + place // 2),
        )
        for number, month in enumerate(held)
        for place in range(services)
    )
    shares = []
    for number, month in enumerate(held):
        income = sum(one.income_minor for one in incomes if one.month == month)
        fee = income * (2_000 - 17 * number) // 10_000
        shares.append(MonthShare(month=month, income_minor=income, fee_minor=fee, reward_minor=income - fee))
    return RevenuePicture(
        month=held[-1] if held else MONTH,
        dated=DATED,
        provider=PROVIDER.name,
        services=incomes,
        shares=tuple(shares),
        reconciliation=reconciliation,
    )


def customer_act(lines: int = 2, **other: object) -> CustomerAct:
    rows = tuple(
        ServiceLine(
            what=f"Оформление сертификата SSL DV для домена shop{number}.example.net",
            begins_on=date(2026, 10, 3),
            ends_on=date(2026, 10, 3),
            quantity_milli=1_000,
            price_minor=4_550,
            net_minor=4_550,
        )
        for number in range(lines)
    )
    fields: dict[str, object] = {
        "number": "SSL-2026-0042",
        "month": MONTH,
        "dated": date(2026, 10, 31),
        "agreement": "Публичный договор на услуги по оформлению SSL-сертификатов",
        "provider": Party(
            name="ООО «Пример»", requisites="УНП 000000000, г. Минск", signatory="Директор А. Б. Примеров"
        ),
        "customer": "ООО «Заказчик»",
        "customer_details": "УНП 111111111, customer@example.net",
        "currency": "BYN",
        "lines": rows,
    }
    return CustomerAct.model_validate(fields | other)
