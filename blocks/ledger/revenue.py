"""Tables of the monthly revenue split and of monthly acts: lines, files, acts, their rows, settlements, payouts."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from blocks.ledger.base import Base
from blocks.ledger.types import ActState


class InvoiceLine(Base):
    """Append-only: a service rendered and invoiced, as its source stated it at a moment; the latest statement holds.

    `month` is the reporting month. The database refuses a line of an ОЦП month whose act is made out.
    """

    __tablename__ = "invoice_lines"
    __table_args__ = (
        UniqueConstraint("agreement", "line", "stated_at"),
        Index("ix_invoice_lines_month", "agreement", "month"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    agreement: Mapped[str] = mapped_column(String(8))
    month: Mapped[str] = mapped_column(String(7))
    line: Mapped[str] = mapped_column(String(64))
    stated_at: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(64))
    invoice: Mapped[str] = mapped_column(String(64))
    customer: Mapped[str] = mapped_column(String(254))
    cart: Mapped[str] = mapped_column(String(64))
    service: Mapped[str] = mapped_column(String(200))
    tariff: Mapped[str] = mapped_column(String(64))
    begins_on: Mapped[date]
    ends_on: Mapped[date]
    quantity_milli: Mapped[int] = mapped_column(BigInteger)
    price_minor: Mapped[int] = mapped_column(BigInteger)
    net_minor: Mapped[int] = mapped_column(BigInteger)
    vat_bp: Mapped[int]
    vat_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[str] = mapped_column(String(16))
    corrects: Mapped[str] = mapped_column(String(64))
    recorded_at: Mapped[datetime]


class Act(Base):
    """The split of a month: edition 0, then one more for each time the month was reopened.

    It gets its number (without holes in a year) when it is made out; from then on its lines, rows and settlements can
    no longer change. Sums are tiyn without VAT.
    """

    __tablename__ = "acts"
    __table_args__ = (UniqueConstraint("month", "edition"), UniqueConstraint("year", "number"))

    id: Mapped[int] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(String(7))
    edition: Mapped[int]
    reason: Mapped[str] = mapped_column(String(500))
    state: Mapped[ActState]
    opened_at: Mapped[datetime]
    reported_at: Mapped[datetime | None]
    year: Mapped[int | None]
    number: Mapped[int | None]
    made_at: Mapped[datetime | None]
    income_minor: Mapped[int | None] = mapped_column(BigInteger)
    fee_minor: Mapped[int | None] = mapped_column(BigInteger)
    reward_minor: Mapped[int | None] = mapped_column(BigInteger)
    vat_minor: Mapped[int | None] = mapped_column(BigInteger)
    reconciliation_key: Mapped[str | None] = mapped_column(String(64))
    signed_by_us_at: Mapped[datetime | None]
    signed_by_operator_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class ActRow(Base):
    """Append-only: a row of an act that was made out."""

    __tablename__ = "act_rows"

    act_id: Mapped[int] = mapped_column(ForeignKey("acts.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    month_of: Mapped[str] = mapped_column(String(7), index=True)
    tariff: Mapped[str] = mapped_column(String(64))
    since: Mapped[date]
    until: Mapped[date]
    fee_bp: Mapped[int]
    lines: Mapped[int]
    income_minor: Mapped[int] = mapped_column(BigInteger)
    fee_minor: Mapped[int] = mapped_column(BigInteger)
    reward_minor: Mapped[int] = mapped_column(BigInteger)
    vat_minor: Mapped[int] = mapped_column(BigInteger)
    rounding_minor: Mapped[int] = mapped_column(BigInteger)


class ActTotal(Base):
    """Append-only: what an act added to the totals of a month; all acts together are the month as it stands."""

    __tablename__ = "act_totals"

    act_id: Mapped[int] = mapped_column(ForeignKey("acts.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    month_of: Mapped[str] = mapped_column(String(7), index=True)
    tariff: Mapped[str] = mapped_column(String(64))
    begins_on: Mapped[date]
    ends_on: Mapped[date]
    lines: Mapped[int]
    income_minor: Mapped[int] = mapped_column(BigInteger)
    vat_minor: Mapped[int] = mapped_column(BigInteger)


class LineFile(Base):
    """Append-only: a list of lines taken for an act; of each side (`ours`, `operator`) the latest holds.

    `whole` is our list with the ledger's own lines, as the act was made out of it.
    `sha256` is the file as it came, `parquet_sha256` its canonical form; both lie in the archive.
    """

    __tablename__ = "line_files"
    __table_args__ = (Index("ix_line_files_act_side", "act_id", "side"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    act_id: Mapped[int] = mapped_column(ForeignKey("acts.id"))
    side: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    parquet_sha256: Mapped[str] = mapped_column(String(64))
    lines: Mapped[int]
    who: Mapped[str] = mapped_column(String(200))
    loaded_at: Mapped[datetime]


class DifferenceSettlement(Base):
    """Append-only: a person's word on differences, as the terms' Settlement; `no_list` settles a missing list."""

    __tablename__ = "difference_settlements"

    id: Mapped[int] = mapped_column(primary_key=True)
    act_id: Mapped[int] = mapped_column(ForeignKey("acts.id"), index=True)
    key: Mapped[str] = mapped_column(String(64))
    cause: Mapped[str] = mapped_column(String(16))
    line: Mapped[str | None] = mapped_column(String(64))
    delta_minor: Mapped[int | None] = mapped_column(BigInteger)
    way: Mapped[str] = mapped_column(String(16))
    who: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class ActEvent(Base):
    """Append-only: who did what with an act, when, under which clause, and the proof."""

    __tablename__ = "act_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    act_id: Mapped[int] = mapped_column(ForeignKey("acts.id"), index=True)
    at: Mapped[datetime]
    what: Mapped[str] = mapped_column(String(16))
    who: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    clause: Mapped[str | None] = mapped_column(String(16))


class Payout(Base):
    """Append-only: money that the Operator paid for an act, once by its bank reference."""

    __tablename__ = "payouts"

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(120), unique=True)
    act_id: Mapped[int] = mapped_column(ForeignKey("acts.id"), index=True)
    paid_on: Mapped[date]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    who: Mapped[str] = mapped_column(String(200))
    recorded_at: Mapped[datetime]


class MonthlyAct(Base):
    """Append-only: a customer's act of a month (SSL-7.6), numbered without holes in a year.

    `edition` above 0 lists what was recorded after the act before it.
    """

    __tablename__ = "monthly_acts"
    __table_args__ = (
        UniqueConstraint("agreement", "month", "customer_id", "currency", "edition"),
        UniqueConstraint("agreement", "year", "number", name="uq_monthly_acts_number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    agreement: Mapped[str] = mapped_column(String(8))
    month: Mapped[str] = mapped_column(String(7))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    currency: Mapped[str] = mapped_column(String(3))
    edition: Mapped[int]
    year: Mapped[int]
    number: Mapped[int]
    total_minor: Mapped[int] = mapped_column(BigInteger)
    dated: Mapped[date]
    made_at: Mapped[datetime]


class MonthlyActLine(Base):
    """Append-only: which recorded line stands in which monthly act; a line stands in one."""

    __tablename__ = "monthly_act_lines"

    line_id: Mapped[int] = mapped_column(ForeignKey("invoice_lines.id"), primary_key=True)
    act_id: Mapped[int] = mapped_column(ForeignKey("monthly_acts.id"), index=True)
