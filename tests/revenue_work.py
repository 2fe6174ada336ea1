"""A month of the revenue split in tests without Prefect: lists as files, the month taken as far as it goes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from sqlalchemy import select

from blocks.errors import Refused
from blocks.ledger import Act, ActEvent, Base, InvoiceLine, Notice, Obligation, reading, transaction
from blocks.office import Office
from blocks.terms.money import Money
from blocks.terms.revenue import Cause, Way, last_day
from flows.fulfilment import send_due
from tasks.revenue_acts import open_month, record_payout, sign
from tasks.revenue_draft import Draft, draft
from tasks.revenue_forms import ListForm, PayoutForm, SettleForm, Side, SignatureForm
from tasks.revenue_lists import Taken, take_list
from tasks.revenue_make import Rendered, final_draft, keep_act_documents, make_out, record_data, undocumented
from tasks.revenue_settling import settle_differences

Row = TypeVar("Row", bound=Base)
MONTH = "2026-10"
MONDAY = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)  # 06:00 in Astana
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PERSON = "О. Петрова"
HEAD = "line,invoice,customer,service,tariff,from,to,quantity,price,net,vat_rate,vat,state,corrects\n"
_END = "2026-10-31"

BASE = "L1,I-1,Анна,ТВ,TV-BASE,2026-10-01,2026-10-15,1,1490.00,1490.00,16,238.40,issued,\n"
KINO = f"L2,I-1,Анна,ТВ,TV-KINO,2026-10-01,{_END},1,990.00,990.00,16,158.40,paid,\n"
CLOUD = f"L3,I-2,Борис,Облако,CLOUD-50,2026-10-01,{_END},1,799.00,799.00,16,127.84,issued,\n"
OURS = BASE + KINO + CLOUD
"""3279.00 tenge; the fee of 20 % of 2480.00 and 22.5 % of 799.00 is 675.775, rounded 675.78; the reward 2603.22."""
REWARD = "2603.22"
DEARER = KINO.replace("990.00,990.00,16,158.40", "900.00,900.00,16,144.00")
THEIRS_ONLY = KINO.replace("L2", "L4")
THEIRS = BASE + DEARER + THEIRS_ONLY
"""L2 is 90.00 less, L3 is missing, L4 of 990.00 is theirs alone."""


def in_month(lines: str, month: str) -> str:
    """The same lines of another month, to its last day."""
    return lines.replace(_END, last_day(month).isoformat()).replace(MONTH, month)


def put_list(office: Office, name: str, lines: str) -> None:
    """A list as a file in the folder of lists."""
    office.settings.lists.mkdir(parents=True, exist_ok=True)
    (office.settings.lists / name).write_text(HEAD + lines, "utf-8")


def take(office: Office, lines: str, *, side: Side = "ours", ref: str = MONTH, now: datetime = MONDAY) -> Taken:
    """A list taken for an act, under a name of its own."""
    name = f"{side}-{ref.replace('/', '-')}.csv"
    put_list(office, name, lines)
    return take_list(office, ListForm(act=ref, side=side, file=name, operator=PERSON), now=now)


def say(
    office: Office, cause: Cause | str, way: Way = Way.EXPLAINED, *lines: str, ref: str = MONTH, now: datetime = MONDAY
) -> int:
    """A word on differences."""
    form = {"act": ref, "cause": cause, "lines": lines, "way": way, "operator": PERSON, "reason": "сверено по телефону"}
    return settle_differences(office, SettleForm.model_validate(form), now=now)


def drafted(office: Office, ref: str = MONTH, now: datetime = MONDAY) -> Draft:
    """The draft of an act, whose files are gone when this returns."""
    with TemporaryDirectory() as scratch:
        return draft(office, ref, now=now, scratch=Path(scratch))


def rendered(of: Draft) -> list[Rendered]:
    """Stand-ins for the documents: every view of the act, as text."""
    views = {"act": of.act, "data": of.data, "statement": of.statement, "picture": of.picture}
    return [
        Rendered(name, f"Документ {name}", f"{name}.json", "application/json", view.model_dump_json().encode())
        for name, view in views.items()
        if view is not None
    ]


def report_and_make(office: Office, ref: str = MONTH, now: datetime = MONDAY) -> None:
    """The data given and the act made out, from one draft."""
    with TemporaryDirectory() as scratch:
        found = draft(office, ref, now=now, scratch=Path(scratch))
        record_data(office, found, found.data.model_dump_json().encode(), now=now)
        make_out(office, found, now=now)


def final(office: Office, ref: str = MONTH) -> list[Rendered]:
    """The documents of an act that is made out."""
    with TemporaryDirectory() as scratch:
        return rendered(final_draft(office, ref, Path(scratch)))


def made(office: Office, lines: str = OURS, month: str = MONTH, now: datetime = MONDAY) -> str:
    """A month made out from our list alone, its documents sent."""
    ref = open_month(office, month, now=now)
    take(office, lines, ref=ref, now=now)
    say(office, "no_list", ref=ref, now=now)
    finish(office, ref, now)
    return ref


def finish(office: Office, ref: str, now: datetime) -> None:
    """Report, make out, send the documents."""
    report_and_make(office, ref, now)
    keep_act_documents(office, ref, final(office, ref), now=now)
    send_due(office, now=now)


def signature(side: str, ref: str = MONTH, at: datetime | None = None) -> SignatureForm:
    form = {"act": ref, "side": side, "who": f"директор {side}", "proof": "скан № 5", "signed_at": at}
    return SignatureForm.model_validate({**form, "operator": PERSON})


def sign_both(office: Office, ref: str = MONTH, now: datetime = MONDAY + DAY) -> None:
    """Both sides sign."""
    for side in ("us", "operator"):
        sign(office, signature(side, ref), now=now)


def payout(amount: str = REWARD, reference: str = "KZ-1", *, ref: str = MONTH, on: date | None = None) -> PayoutForm:
    paid_on = on or (MONDAY + DAY).date()
    sum_of = Money.of(amount, "KZT")
    return PayoutForm(act=ref, reference=reference, paid_on=paid_on, amount=sum_of, operator=PERSON)


def whole_month(office: Office) -> None:
    """A month with differences from its opening to its closing, as often as it is begun: it goes on where it was."""
    ref = open_month(office, MONTH, now=MONDAY)
    try:
        take(office, OURS)
        take(office, THEIRS, side="operator")
        say(office, Cause.AMOUNT, Way.ACCEPTED, "L2")
        say(office, Cause.MISSING_AT_THEM)
        say(office, Cause.MISSING_AT_US, Way.ACCEPTED)
        report_and_make(office, ref)
    except Refused as error:
        if error.reason != "made":
            raise
    for act in undocumented(office):
        keep_act_documents(office, act, final(office, act), now=MONDAY)
    send_due(office, now=MONDAY)
    sign_both(office, ref)
    record_payout(office, payout("3323.22"), now=MONDAY + 2 * DAY)
    send_due(office, now=MONDAY + 3 * DAY)


def act_row(office: Office, ref: str = MONTH) -> Act:
    month, _, edition = ref.partition("/")
    with reading(office.sessions) as session:
        return session.scalars(select(Act).where(Act.month == month, Act.edition == int(edition or 0))).one()


def all_of(office: Office, table: type[Row]) -> list[Row]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(table)))


def letters(office: Office, kind: str) -> list[Notice]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Notice).where(Notice.kind == kind).order_by(Notice.id)))


def owed(office: Office, what: str, ref: str = MONTH) -> Obligation | None:
    with reading(office.sessions) as session:
        return session.scalar(select(Obligation).where(Obligation.subject == f"OCP {ref}", Obligation.what == what))


def told(office: Office, ref: str = MONTH) -> list[str]:
    """What happened to an act, in its order."""
    act = act_row(office, ref)
    with reading(office.sessions) as session:
        return list(session.scalars(select(ActEvent.what).where(ActEvent.act_id == act.id).order_by(ActEvent.id)))


def record(office: Office, lines: Iterable[str], month: str = MONTH, at: datetime = MONDAY) -> None:
    """Lines of the ledger's own, given as in a list."""
    with transaction(office.sessions) as session:
        session.add_all(_ledger_line(text, month, at) for text in lines)


def _ledger_line(text: str, month: str, at: datetime) -> InvoiceLine:
    line, invoice, customer, service, tariff, since, until, *rest = text.strip().split(",")
    price, vat, state, corrects = rest[1], rest[4], rest[5], rest[6]
    minor = Money.of(price, "KZT").minor
    return InvoiceLine(
        agreement="OCP",
        month=month,
        line=line,
        stated_at=at,
        source="test",
        invoice=invoice,
        customer=customer,
        cart="",
        service=service,
        tariff=tariff,
        begins_on=date.fromisoformat(since),
        ends_on=date.fromisoformat(until),
        quantity_milli=1000,
        price_minor=minor,
        net_minor=minor,
        vat_bp=1600,
        vat_minor=Money.of(vat, "KZT").minor,
        currency="KZT",
        state=state,
        corrects=corrects,
        recorded_at=at,
    )
