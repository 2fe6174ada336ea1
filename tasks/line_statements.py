"""Putting stated invoice lines on record (OCP-3.2.6): all lines of an event or none, each statement once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from blocks.errors import Refused
from blocks.ledger import InvoiceLine, one_at_a_time, transaction
from blocks.office import Office
from blocks.terms.deadlines import local_date
from blocks.terms.lines import LineFacts, check_ocp_line, check_ssl_line, reporting_month
from blocks.terms.ocp_tariffs import TariffTable
from blocks.terms.revenue import month_of
from blocks.terms.revenue_split import counts
from blocks.terms.zones import ZONES
from tasks.invoice_lines import facts_of, lines_lock, months_made_out, stated_before
from tasks.line_forms import Agreement, LineForm, LinesForm
from tasks.money import Recorded
from tasks.monthly_acts import ActOf, acted_lines, known_customers, owe_acts

CLOCKS_DIFFER = timedelta(minutes=5)
"""How far ahead of ours a source's clock may be: a statement of tomorrow would outlive every correction of today."""
MOST_FAULTS = 10
"""Faults that a refusal tells of."""
_CORRECT = "state a new line, `refunded` or `correction`, that names it in `corrects`"


@dataclass(frozen=True)
class _Event:
    """Whose lines came when, and what the ledger knows of them."""

    source: str
    agreement: Agreement
    received_at: datetime
    tariffs: TariffTable
    stated: dict[str, list[InvoiceLine]]
    made_out: frozenset[str]
    acted: Mapping[str, InvoiceLine]
    customers: Mapping[str, int]


def record_lines(office: Office, source: str, form: LinesForm, *, received_at: datetime) -> Recorded:
    """Record the lines of an event. The same statement again changes nothing; the latest `stated_at` of a line holds.

    Raises Refused and records nothing: "lines" for lines that break the rules, "conflict" for another content under a
    known (line, stated_at), "source" for a line of another source, "made_out" for a change of what an act that was
    made out already tells.
    """
    with transaction(office.sessions) as session:
        return state_lines(office, session, source, form, received_at=received_at)


def state_lines(office: Office, session: Session, source: str, form: LinesForm, *, received_at: datetime) -> Recorded:
    """See `record_lines`: in the transaction of what the lines stand for."""
    one_at_a_time(session, lines_lock(form.agreement))
    event = _look_up(office, session, source, form, received_at)
    _refuse_bad(event, form)
    rows = [_as_row(event, line) for line in form.lines]
    added = [row for row in rows if row is not None]
    session.add_all(added)
    session.flush()
    if form.agreement == "SSL":
        statements = [row for line in added for row in event.stated[line.line]]
        touched = {ActOf(row.month, event.customers[row.customer], row.currency) for row in statements}
        owe_acts(session, touched, now=received_at)
    return Recorded(None, f"{form.agreement}: {len(added)} lines recorded, {len(rows) - len(added)} known before")


def _look_up(office: Office, session: Session, source: str, form: LinesForm, received_at: datetime) -> _Event:
    names = {line.line for line in form.lines}
    stated = stated_before(session, form.agreement, names)
    emails = {row.customer for rows in stated.values() for row in rows} | {line.customer.lower() for line in form.lines}
    return _Event(
        source=source,
        agreement=form.agreement,
        received_at=received_at,
        tariffs=office.settings.ocp_tariffs,
        stated=stated,
        made_out=months_made_out(session, form.agreement),
        acted=acted_lines(session, form.agreement, names),
        customers=known_customers(session, form.agreement, emails),
    )


def _refuse_bad(event: _Event, form: LinesForm) -> None:
    faults = [f"{line.line}: {fault}" for line in form.lines for fault in _faults(event, line)]
    if faults:
        more = f" (and {len(faults) - MOST_FAULTS} more faults)" if len(faults) > MOST_FAULTS else ""
        raise Refused("lines", "; ".join(faults[:MOST_FAULTS]) + more)


def _faults(event: _Event, line: LineForm) -> Iterator[str]:
    facts = line.facts(event.agreement)
    if event.agreement == "OCP":
        yield from check_ocp_line(facts, event.tariffs)
    else:
        yield from check_ssl_line(facts)
        if facts.customer not in event.customers:
            yield "the customer is not in the ledger"
    if line.stated_at > event.received_at + CLOCKS_DIFFER:
        yield f"it is stated at {line.stated_at.isoformat()}, which has not come"


def _as_row(event: _Event, line: LineForm) -> InvoiceLine | None:
    """The statement as a new row; None when it is on record. Raises Refused."""
    facts, before = line.facts(event.agreement), event.stated.setdefault(line.line, [])
    if _is_known(facts, line.stated_at, event.source, before):
        return None
    month = reporting_month(facts, local_date(line.stated_at, ZONES[event.agreement]), event.made_out)
    if before and facts.corrects:
        month = max(before[0].month, month_of(facts.ends_on))  # it stays where it was reported first
    _refuse_made_out(event, facts, line.stated_at, month)
    row = InvoiceLine(
        **facts.model_dump(exclude={"state"}),
        agreement=event.agreement,
        month=month,
        stated_at=line.stated_at,
        source=event.source,
        net_minor=facts.net_minor,
        vat_minor=facts.vat_minor,
        state=facts.state.value,
        recorded_at=event.received_at,
    )
    before.append(row)
    return row


def _is_known(facts: LineFacts, stated_at: datetime, source: str, before: Sequence[InvoiceLine]) -> bool:
    """Whether this very statement is on record. Raises Refused for one that contradicts what is."""
    if any(row.source != source for row in before):
        raise Refused("source", f"{facts.line} is a line of another source")
    same = next((row for row in before if row.stated_at == stated_at), None)
    if same is not None and facts_of(same) != facts:
        raise Refused("conflict", f"{facts.line} was stated otherwise for {stated_at.isoformat()}")
    if same is None and any(row.corrects != facts.corrects for row in before):
        raise Refused("conflict", f"{facts.line} was stated to correct {before[0].corrects or 'no line'}")
    return same is not None


def _refuse_made_out(event: _Event, facts: LineFacts, stated_at: datetime, month: str) -> None:
    """Refuse to change what an act already tells: the ОЦП's of a month, or a customer's."""
    current = max(event.stated[facts.line], key=lambda row: row.stated_at, default=None)
    closed = sorted({month, current.month if current else month} & event.made_out)
    if closed:
        raise Refused("made_out", f"{facts.line}: {closed[0]} is made out; {_CORRECT}")
    acted = event.acted.get(facts.line)
    if acted and current and stated_at > current.stated_at and _told(facts) != _told(facts_of(acted)):
        raise Refused("made_out", f"{facts.line} stands in an act of {acted.month}; {_CORRECT}")


def _told(facts: LineFacts) -> tuple[object, ...]:
    """What a customer's act tells of a line; issued or paid is the same to it."""
    span = (facts.begins_on, facts.ends_on)
    cost = (facts.quantity_milli, facts.price_minor, facts.currency, counts(facts.state, bool(facts.corrects)))
    return facts.customer, facts.service, span, cost
