"""What the documents of the revenue split and of monthly acts are rendered from. Amounts are whole minor units."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

from blocks.terms.base import Frozen
from blocks.terms.revenue import Month, Reconciliation, Settlement, SplitRow


class Party(Frozen):
    """A side of an agreement as documents print it. `requisites` may hold several lines."""

    name: str
    requisites: str
    signatory: str


class TariffLine(Frozen):
    """Data on invoices added up by service, tariff and state. `income_minor` is signed as it counts."""

    service: str
    tariff: str
    title: str
    state: str
    lines: int
    net_minor: int
    vat_minor: int
    income_minor: int


class InvoiceData(Frozen):
    """Head and sums of the data on invoices issued (OCP-P5.2); the lines themselves come beside it, as tuples."""

    number: str
    month: Month
    dated: date
    agreement: str
    provider: Party
    operator: Party
    sums: tuple[TariffLine, ...]
    lines: int


class DataLine(NamedTuple):
    """One line of the data on invoices issued. `quantity_milli` is in thousandths, `vat_bp` in basis points."""

    line: str
    invoice: str
    customer: str
    cart: str
    service: str
    tariff: str
    begins_on: date
    ends_on: date
    quantity_milli: int
    price_minor: int
    net_minor: int
    vat_bp: int
    vat_minor: int
    state: str
    corrects: str


class ActView(Frozen):
    """An act of services rendered with its invoice, or a correction act (`edition` above 0, with its reason).

    `rows` of the act's own month come first, then corrections of earlier months. `titles` names tariff codes.
    """

    number: str
    month: Month
    edition: int
    reason: str
    dated: date
    agreement: str
    provider: Party
    operator: Party
    rows: tuple[SplitRow, ...]
    titles: dict[str, str]
    draft: bool

    @property
    def income_minor(self) -> int:
        """The income of the act."""
        return sum(row.income_minor for row in self.rows)

    @property
    def fee_minor(self) -> int:
        """The Operator's subscription fee."""
        return sum(row.fee_minor for row in self.rows)

    @property
    def reward_minor(self) -> int:
        """The Provider's reward: what the invoice is made out for."""
        return sum(row.reward_minor for row in self.rows)

    @property
    def vat_minor(self) -> int:
        """The VAT beside the income, for information."""
        return sum(row.vat_minor for row in self.rows)


class ReconciliationView(Frozen):
    """A statement of differences. `open_differences` are neither explained nor accepted."""

    number: str
    month: Month
    dated: date
    agreement: str
    provider: Party
    operator: Party
    result: Reconciliation
    settlements: tuple[Settlement, ...]
    open_differences: int


class ServiceIncome(Frozen):
    """Income of a service in a month."""

    month: Month
    service: str
    income_minor: int


class MonthShare(Frozen):
    """How the income of a month was shared."""

    month: Month
    income_minor: int
    fee_minor: int
    reward_minor: int


class RevenuePicture(Frozen):
    """What a manager looks at: up to twelve months by service and by share, and the month's differences."""

    month: Month
    dated: date
    provider: str
    services: tuple[ServiceIncome, ...]
    shares: tuple[MonthShare, ...]
    reconciliation: Reconciliation | None


class ServiceLine(Frozen):
    """A service rendered, as a monthly act lists it."""

    what: str
    begins_on: date
    ends_on: date
    quantity_milli: int
    price_minor: int
    net_minor: int


class CustomerAct(Frozen):
    """A monthly act of services rendered to one customer, with its invoice (SSL-7.6). Prices are without VAT."""

    number: str
    month: Month
    dated: date
    agreement: str
    provider: Party
    customer: str
    customer_details: str
    currency: Literal["BYN", "EUR", "USD", "RUB"]
    lines: tuple[ServiceLine, ...]

    @property
    def total_minor(self) -> int:
        """What the services cost."""
        return sum(line.net_minor for line in self.lines)
