"""What the ledger and the archive hold for an act: earlier acts, people's words, and the facts it was made out of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from blocks.errors import NotFound
from blocks.ledger import Act, ActRow, ActTotal, DifferenceSettlement, Document, InvoiceLine, LineFile, reading
from blocks.office import Office
from blocks.terms.base import Frozen
from blocks.terms.deadlines import months_later
from blocks.terms.revenue import Cause, Settlement, SplitRow, Total, Way, first_day, month_of
from blocks.terms.revenue_views import MonthShare, Party, ServiceIncome, TariffLine
from tasks.revenue_state import ref_of

NO_LIST = "no_list"
CORRECTIONS = "corrections"
OF_A_LIST = (NO_LIST, CORRECTIONS)
"""Causes of a word that is said of our whole list, not of a difference."""
PICTURED = 12
"""Months in the picture, the act's own included."""


class Sides(Frozen):
    """The agreement and its sides, as documents print them."""

    agreement: str
    provider: Party
    operator: Party


class ActFacts(Frozen):
    """What an act was made out of beside the ledger's rows, as the archive keeps it: whatever the settings say later.

    `data_dated` is the day of the data on invoices, `titles` are those of the tariff rows.
    """

    sides: Sides
    data_dated: date
    titles: dict[str, str]
    sums: tuple[TariffLine, ...]


@dataclass(frozen=True)
class Earlier:
    """What acts made out before hold: totals and rows of the months asked for; services and shares of the last year."""

    before: Mapping[str, Sequence[Total]]
    acted: Mapping[str, Sequence[SplitRow]]
    services: tuple[ServiceIncome, ...] = ()
    shares: tuple[MonthShare, ...] = ()


NOTHING_EARLIER = Earlier({}, {})


def data_documents(session: Session, ref: str) -> list[Document]:
    """The data on invoices given for an act, in the order in which it was given: the last holds."""
    of_act = Document.key.startswith(f"ocp-data:{ref}:", autoescape=True)
    return list(session.scalars(select(Document).where(of_act).order_by(Document.id)))


def data_key(ref: str, ours_sha256: str, place: int) -> str:
    """The key of the `place`-th data given for an act, made of that list of ours."""
    return f"ocp-data:{ref}:{ours_sha256[:8]}:{place}"


def data_given(session: Session, ref: str, ours_sha256: str) -> Document | None:
    """The data last given for an act, if it was made of that list of ours."""
    given = data_documents(session, ref)
    return given[-1] if given and given[-1].key == data_key(ref, ours_sha256, len(given)) else None


def facts_key(ref: str) -> str:
    """The key of the document that holds an act's facts."""
    return f"ocp-facts:{ref}"


def facts_document(office: Office, session: Session, ref: str) -> ActFacts:
    """The facts that an act was made out of. Raises NotFound."""
    document = session.scalar(select(Document).where(Document.key == facts_key(ref)))
    if document is None:
        raise NotFound("facts of act", ref)
    return ActFacts.model_validate_json(office.archive.get(document.sha256))


def earlier(office: Office, act: Act, months: Collection[str]) -> Earlier:
    """What the acts hold that were made out before this one; before now, where it is not made out itself."""
    before: dict[str, list[Total]] = defaultdict(list)
    acted: dict[str, list[SplitRow]] = defaultdict(list)
    made = _made_before(act)
    with reading(office.sessions) as session:
        for total in session.scalars(select(ActTotal).join(Act).where(made, ActTotal.month_of.in_(months))):
            before[total.month_of].append(total_of(total))
        for row in session.scalars(select(ActRow).join(Act).where(made, ActRow.month_of.in_(months))):
            acted[row.month_of].append(split_row(row))
        return Earlier(before, acted, _services(office, session, act), _shares(session, act))


def _made_before(act: Act) -> ColumnElement[bool]:
    if act.number is None:
        return Act.number.is_not(None)
    return or_(Act.year < act.year, and_(Act.year == act.year, Act.number < act.number))


def pictured_since(month: str) -> str:
    """The first month in the picture of a month."""
    return month_of(months_later(first_day(month), 1 - PICTURED))


def _services(office: Office, session: Session, act: Act) -> tuple[ServiceIncome, ...]:
    """By the latest edition of each month before this one."""
    since = pictured_since(act.month)
    in_window = select(Act).where(_made_before(act), Act.month >= since, Act.month < act.month)
    latest = {one.month: ref_of(one) for one in session.scalars(in_window.order_by(Act.month, Act.edition))}
    return tuple(
        income
        for month, ref in latest.items()
        for income in services_of(month, facts_document(office, session, ref).sums)
    )


def services_of(month: str, sums: Iterable[TariffLine]) -> tuple[ServiceIncome, ...]:
    """The income of a month by service, in their order."""
    incomes: dict[str, int] = defaultdict(int)
    for line in sums:
        incomes[line.service] += line.income_minor
    return tuple(
        ServiceIncome(month=month, service=service, income_minor=income) for service, income in sorted(incomes.items())
    )


def _shares(session: Session, act: Act) -> tuple[MonthShare, ...]:
    since = pictured_since(act.month)
    sums = [func.sum(column) for column in (ActRow.income_minor, ActRow.fee_minor, ActRow.reward_minor)]
    rows = session.execute(
        select(ActRow.month_of, *sums)
        .join(Act)
        .where(_made_before(act), ActRow.month_of >= since, ActRow.month_of <= act.month)
        .group_by(ActRow.month_of)
    )
    return tuple(
        MonthShare(month=month, income_minor=int(income), fee_minor=int(fee), reward_minor=int(reward))
        for month, income, fee, reward in rows
    )


def replaced_by(session: Session, act: Act) -> tuple[Total, ...]:
    """What earlier editions of an act's month added, to whatever month: a correction states the whole month anew."""
    query = select(ActTotal).join(Act).where(Act.month == act.month, Act.edition < act.edition)
    return tuple(total_of(row) for row in session.scalars(query))


def total_of(row: ActTotal) -> Total:
    """A recorded total."""
    return Total(
        tariff=row.tariff,
        begins_on=row.begins_on,
        ends_on=row.ends_on,
        lines=row.lines,
        income_minor=row.income_minor,
        vat_minor=row.vat_minor,
    )


def split_row(row: ActRow) -> SplitRow:
    """A recorded row."""
    return SplitRow.model_validate({name: getattr(row, name) for name in SplitRow.model_fields})


def _words(session: Session, act: Act) -> list[DifferenceSettlement]:
    """The words said on an act and, in their order before them, on earlier editions of its month."""
    said = select(DifferenceSettlement).join(Act).where(Act.month == act.month, Act.edition <= act.edition)
    return list(session.scalars(said.order_by(DifferenceSettlement.id)))


def settlements_of(session: Session, act: Act) -> tuple[Settlement, ...]:
    """The words on differences that may hold for an act, in their order: a word on a line outlives its edition."""
    return tuple(
        Settlement(
            cause=Cause(row.cause),
            line=row.line,
            delta_minor=row.delta_minor,
            key=row.key,
            way=Way(row.way),
            who=row.who,
            reason=row.reason,
        )
        for row in _words(session, act)
        if row.cause not in OF_A_LIST
    )


def said_of_lists(session: Session, act: Act, cause: str) -> tuple[str, ...]:
    """The lists of ours (their sha256) of which a word was said for this act.

    NO_LIST: it goes without the Operator's list. CORRECTIONS: its doubtful corrections are right.
    """
    return tuple(row.key for row in _words(session, act) if row.cause == cause and row.act_id == act.id)


def basis_of(session: Session, act: Act) -> tuple[int, ...]:
    """What tells one state of everything that an act stands on from another: all of it is append-only."""
    of_month = select(Act.id).where(Act.month == act.month)
    lines = select(InvoiceLine.line).where(InvoiceLine.agreement == "OCP", InvoiceLine.month == act.month)
    counted = (
        select(func.count()).select_from(LineFile).where(LineFile.act_id.in_(of_month), LineFile.side != "whole"),
        select(func.count()).select_from(DifferenceSettlement).where(DifferenceSettlement.act_id.in_(of_month)),
        select(func.count())
        .select_from(InvoiceLine)
        .where(InvoiceLine.agreement == "OCP", InvoiceLine.line.in_(lines)),
        select(func.count()).select_from(Act).where(Act.number.is_not(None)),
    )
    return tuple(session.scalar(query) or 0 for query in counted)
