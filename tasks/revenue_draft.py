"""A month put together: from lists of lines to the rows of an act, what is still in its way, and its documents' views.

`assemble` knows no ledger; `draft` gives it what the ledger and the archive hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from blocks.ledger import Act, reading
from blocks.lines import comparing, totals
from blocks.lines.writing import sha256_of
from blocks.office import Office
from blocks.settings import Settings
from blocks.terms.deadlines import local_date
from blocks.terms.ocp_tariffs import TariffTable
from blocks.terms.revenue import Difference, Reconciliation, Settlement, SplitRow, Total, month_of
from blocks.terms.revenue_split import act_rows, merge_totals, settle
from blocks.terms.revenue_views import (
    ActView,
    InvoiceData,
    MonthShare,
    ReconciliationView,
    RevenuePicture,
    TariffLine,
)
from blocks.terms.zones import ASTANA
from tasks.revenue_corrections import WholeLists, in_doubt, whole_lists
from tasks.revenue_history import (
    CORRECTIONS,
    NO_LIST,
    NOTHING_EARLIER,
    Earlier,
    Sides,
    basis_of,
    data_given,
    earlier,
    pictured_since,
    replaced_by,
    said_of_lists,
    services_of,
    settlements_of,
)
from tasks.revenue_lists import given_anew, operator_list, our_list
from tasks.revenue_state import ref_in, to_draft

UNCHANGED = "nothing changed since the month was reopened, and no list was given for the correction"


@dataclass(frozen=True)
class Head:
    """What stands at the head of a month's documents. `number` is the act's: empty before it is made out."""

    month: str
    edition: int
    reason: str
    number: str
    dated: date
    sides: Sides

    @property
    def ref(self) -> str:
        """The act's reference."""
        return ref_in(self.month, self.edition)


@dataclass(frozen=True)
class Draft:
    """A month as it would be made out now or, with a number in `act`, as it was.

    `totals` are what the act adds to its month and to earlier ones, accepted differences included. `ours` is our whole
    list. `obstacles` say why the act cannot be made out yet. `basis` tells one state of the ledger from another. A
    draft has no `news` for the Operator when there is no line, nothing new since the month was reopened, or when the
    data on just these invoices is what was given last.
    """

    ref: str
    month: str
    totals: tuple[Total, ...]
    rows: tuple[SplitRow, ...]
    act: ActView
    data: InvoiceData
    ours: Path
    ours_sha256: str
    statement: ReconciliationView | None
    picture: RevenuePicture
    obstacles: tuple[str, ...]
    basis: tuple[int, ...] = ()
    news: bool = True


@dataclass(frozen=True)
class Counted:
    """A month's numbers: what the act adds, its rows, and where they come from."""

    totals: tuple[Total, ...]
    rows: tuple[SplitRow, ...]
    titles: dict[str, str]
    ours: Path
    ours_sha256: str
    sums: tuple[TariffLine, ...]
    result: Reconciliation | None
    settlements: Sequence[Settlement]
    open: tuple[Difference, ...]
    earlier: Earlier


def assemble(
    ours: Path,
    theirs: Path | None,
    *,
    head: Head,
    tariffs: TariffTable,
    scratch: Path,
    settlements: Sequence[Settlement] = (),
    without_list: Sequence[str] = (),
    corrected_well: Sequence[str] = (),
    replaced: Sequence[Total] = (),
    history: Callable[[frozenset[str]], Earlier] = lambda _: NOTHING_EARLIER,
    others: WholeLists = lambda _: {},
) -> Draft:
    """Put a month together from canonical lists of both sides; the Operator's may be missing.

    `without_list` are the lists of ours (sha256) for which a person said that the month goes without the Operator's,
    `corrected_well` those whose correcting lines a person said are right. `replaced` is what earlier editions of the
    month added: the lists state the whole month anew. `history` is asked for the months that the act touches, `others`
    for the lists that correcting lines are held against. Raises Refused for lists that do not belong together, and what
    `act_rows` does.
    """
    ours_sha256 = sha256_of(ours)
    result = None if theirs is None else compare(ours, theirs, ours_sha256, month=head.month, scratch=scratch)
    settled = None if result is None else settle(result, settlements)
    taken_back = [
        one.model_copy(update={name: -getattr(one, name) for name in ("lines", "income_minor", "vat_minor")})
        for one in replaced
    ]
    adjustments = settled.adjustments if settled else ()
    fresh = merge_totals([*totals.totals(ours, scratch=scratch), *adjustments, *taken_back])
    found = history(frozenset(month_of(one.begins_on) for one in fresh))
    rows = act_rows(head.month, fresh, found.before, found.acted, tariffs)
    counted = Counted(
        totals=fresh,
        rows=rows,
        titles={row.tariff: tariffs.row(row.tariff).title for row in rows},
        ours=ours,
        ours_sha256=ours_sha256,
        sums=totals.sums(ours, tariffs, scratch=scratch),
        result=result,
        settlements=settlements,
        open=settled.open if settled else (),
        earlier=found,
    )
    doubtful = () if ours_sha256 in corrected_well else in_doubt(ours, head.month, others, scratch)
    return compose(head, counted, obstacles=(*_obstacles(counted, without_list), *doubtful))


def compare(ours: Path, theirs: Path, ours_sha256: str, *, month: str, scratch: Path) -> Reconciliation:
    """The two lists line by line, under a key that is the same for the same two."""
    key = sha256(f"{ours_sha256} {sha256_of(theirs)}".encode()).hexdigest()
    return comparing.reconcile(ours, theirs, month=month, key=key, scratch=scratch)


def _obstacles(counted: Counted, without_list: Sequence[str]) -> tuple[str, ...]:
    if counted.result is not None:
        open_by_cause = Counter(one.cause for one in counted.open)
        return tuple(f"open differences, {cause.value}: {count}" for cause, count in open_by_cause.items())
    return tuple(
        text
        for text, stands in (
            ("the Operator's list is not there, and nobody said that the month goes without it", not without_list),
            (
                "our list has no lines, and nobody said so of this list",
                not counted.sums and counted.ours_sha256 not in without_list,
            ),
        )
        if stands
    )


def compose(head: Head, counted: Counted, *, obstacles: Iterable[str] = (), data_dated: date | None = None) -> Draft:
    """The views of a month's documents. `data_dated`: the day of the data on invoices, where it is not the act's."""
    return Draft(
        ref=head.ref,
        month=head.month,
        totals=counted.totals,
        rows=counted.rows,
        act=ActView(
            number=head.number,
            edition=head.edition,
            reason=head.reason,
            dated=head.dated,
            rows=counted.rows,
            titles=counted.titles,
            draft=not head.number,
            **_sides(head),
        ),
        data=InvoiceData(
            number=head.ref,
            dated=data_dated or head.dated,
            sums=counted.sums,
            lines=sum(line.lines for line in counted.sums),
            **_sides(head),
        ),
        ours=counted.ours,
        ours_sha256=counted.ours_sha256,
        statement=_statement(head, counted),
        picture=_picture(head, counted),
        obstacles=tuple(obstacles),
    )


def _sides(head: Head) -> dict[str, Any]:
    return {"month": head.month, **{name: getattr(head.sides, name) for name in Sides.model_fields}}


def _statement(head: Head, counted: Counted) -> ReconciliationView | None:
    if counted.result is None:
        return None
    return ReconciliationView(
        number=head.number,
        dated=head.dated,
        result=counted.result,
        settlements=tuple(counted.settlements),
        open_differences=len(counted.open),
        **_sides(head),
    )


def _picture(head: Head, counted: Counted) -> RevenuePicture:
    shares = {share.month: share for share in counted.earlier.shares}
    first = pictured_since(head.month)
    for row in counted.rows:
        if row.month_of >= first:
            known = shares.get(row.month_of) or MonthShare(
                month=row.month_of, income_minor=0, fee_minor=0, reward_minor=0
            )
            shares[row.month_of] = MonthShare(
                month=row.month_of,
                income_minor=known.income_minor + row.income_minor,
                fee_minor=known.fee_minor + row.fee_minor,
                reward_minor=known.reward_minor + row.reward_minor,
            )
    return RevenuePicture(
        month=head.month,
        dated=head.dated,
        provider=head.sides.provider.name,
        services=(*counted.earlier.services, *services_of(head.month, counted.sums)),
        shares=tuple(shares[month] for month in sorted(shares)),
        reconciliation=counted.result,
    )


def sides_of(settings: Settings) -> Sides:
    """The agreement, the Provider and the Operator as the settings name them."""
    return Sides(
        agreement=settings.ocp_agreement,
        provider=settings.provider,
        operator=settings.ocp_operator,
    )


def head_of(act: Act, *, number: str, dated: date, sides: Sides) -> Head:
    """The head of an act's documents."""
    return Head(month=act.month, edition=act.edition, reason=act.reason, number=number, dated=dated, sides=sides)


def draft(office: Office, ref: str, *, now: datetime, scratch: Path) -> Draft:
    """The month of an act as it would be made out now; files go into `scratch`.

    Data on invoices that was given keeps its day. A month that was not opened is drafted all the same, and nothing of
    it is recorded. Raises NotFound, Refused("made") for an act that is made out, and what `our_list` and `assemble`
    raise.
    """
    today = local_date(now, ASTANA)
    with reading(office.sessions) as session:
        act = to_draft(session, ref)
        basis = basis_of(session, act)
        settlements, without_list = settlements_of(session, act), said_of_lists(session, act, NO_LIST)
        corrected_well = said_of_lists(session, act, CORRECTIONS)
        replaced, anew = replaced_by(session, act), given_anew(session, act)
    drafted = assemble(
        our_list(office, ref, scratch),
        operator_list(office, ref, scratch),
        head=head_of(act, number="", dated=today, sides=sides_of(office.settings)),
        tariffs=office.settings.ocp_tariffs,
        scratch=scratch,
        settlements=settlements,
        without_list=without_list,
        corrected_well=corrected_well,
        replaced=replaced,
        history=partial(earlier, office, act),
        others=partial(whole_lists, office, act, scratch),
    )
    with reading(office.sessions) as session:
        given = data_given(session, ref, drafted.ours_sha256)
    dated = local_date(given.created_at, ASTANA) if given else today
    idle = act.edition > 0 and not drafted.rows and not anew
    return replace(
        drafted,
        basis=basis,
        data=drafted.data.model_copy(update={"dated": dated}),
        obstacles=(*drafted.obstacles, *([UNCHANGED] if idle else [])),
        news=given is None and not idle and not _is_empty(drafted, without_list),
    )


def _is_empty(drafted: Draft, without_list: Sequence[str]) -> bool:
    """Whether our list has no lines, and neither a person nor the Operator's list says that this is right."""
    agreed = drafted.statement is not None and not drafted.statement.open_differences
    return not (drafted.data.sums or agreed or drafted.ours_sha256 in without_list)
