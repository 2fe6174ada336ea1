"""What goes to the Operator of a month: the data on invoices, the act made out once under its number, its documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from blocks.errors import Refused
from blocks.ledger import (
    Act,
    ActRow,
    ActState,
    ActTotal,
    Base,
    LineFile,
    Notice,
    one_at_a_time,
    reading,
    transaction,
)
from blocks.lines.writing import sha256_of
from blocks.office import Office
from blocks.terms.calendars import calendar
from blocks.terms.deadlines import in_working_days, local_date
from blocks.terms.money import Money
from blocks.terms.policy import REVENUE_POLICY
from blocks.terms.revenue import month_of
from blocks.terms.zones import ASTANA
from tasks.documents import XLSX, carried_by_mail, file_document
from tasks.invoice_lines import lines_lock
from tasks.obligations import open_obligation
from tasks.revenue_draft import Counted, Draft, compare, compose, head_of
from tasks.revenue_history import (
    ActFacts,
    Sides,
    basis_of,
    data_documents,
    data_given,
    data_key,
    earlier,
    facts_document,
    facts_key,
    settlements_of,
    split_row,
    total_of,
)
from tasks.revenue_lists import WHOLE, operator_list, our_list
from tasks.revenue_state import (
    MADE_OUT,
    PAYING,
    SEND_DATA,
    SIGN,
    find_act,
    find_unmade,
    number_of,
    obligation_of,
    ref_of,
    story,
    subject_of,
    tell_partner,
)


@dataclass(frozen=True)
class Rendered:
    """A document of an act. `kind` tells it from the others of the same act."""

    kind: str
    title: str
    file_name: str
    media_type: str
    content: bytes


def record_data(office: Office, draft: Draft, xlsx: bytes, *, now: datetime) -> None:
    """Keep the data on invoices and send it to the Operator (OCP-P5.2), when they are not what was given last.

    Its obligation is fulfilled when the letter is proven delivered. Raises Refused("made") for an act that is made out.
    """
    document = Rendered(
        kind="data",
        title=f"Данные по выставленным счетам, {draft.ref}",
        file_name=f"ocp-data-{draft.ref.replace('/', '-')}.xlsx",
        media_type=XLSX,
        content=xlsx,
    )
    kept = office.archive.put(xlsx)
    with transaction(office.sessions) as session:
        act = find_unmade(session, draft.ref, lock=True)
        if data_given(session, draft.ref, draft.ours_sha256) is not None:
            return
        given = len(data_documents(session, draft.ref))
        key = data_key(draft.ref, draft.ours_sha256, given + 1)
        _file(session, key, document, kept, now)
        act.state, act.reported_at = ActState.REPORTED, act.reported_at or now
        tell_partner(
            office,
            session,
            act,
            kind="ocp_data",
            key=key,
            facts={"again": given > 0 or act.edition > 0, "lines": draft.data.lines, "files": _files({key: document})},
            now=now,
            obligation=obligation_of(session, draft.ref, SEND_DATA),
            documents=[key],
        )
        why = f"{draft.data.lines} lines, sha256 {kept}"
        story(session, act, what="data sent", who="dogovor", why=why, now=now, clause="OCP-P5.2")


def _file(session: Session, key: str, document: Rendered, sha256: str, now: datetime) -> None:
    file_document(
        session,
        None,
        key=key,
        title=document.title,
        file_name=document.file_name,
        media_type=document.media_type,
        sha256=sha256,
        size=len(document.content),
        now=now,
    )


def _files(documents: Mapping[str, Rendered]) -> list[dict[str, Any]]:
    """What a letter says of its documents: those that it cannot carry stand in it as links."""
    carried = carried_by_mail([len(document.content) for document in documents.values()])
    return [
        {
            "key": key,
            "name": document.file_name,
            "sha256": sha256(document.content).hexdigest(),
            "title": document.title,
            "attached": attached,
        }
        for (key, document), attached in zip(documents.items(), carried, strict=True)
    ]


def make_out(office: Office, draft: Draft, *, now: datetime) -> None:
    """Make an act out of a draft: its number without holes in the year, its rows, totals and sums, in one transaction.

    From then on the database lets none of it change. An act that is made out stays as it is. Raises Refused for a
    draft with obstacles, one that the ledger has left behind ("stale": draft it anew), or data that was not given.
    """
    if draft.obstacles:
        raise Refused("obstacles", f"{draft.ref}: {'; '.join(draft.obstacles)}")
    content = _facts(draft).model_dump_json().encode()
    whole = office.archive.put_file(draft.ours)
    facts_sha256 = office.archive.put(content)
    with transaction(office.sessions) as session:
        one_at_a_time(session, lines_lock("OCP"))
        one_at_a_time(session, "acts")
        act = find_act(session, draft.ref, lock=True)
        if act.state in MADE_OUT:
            return
        if basis_of(session, act) != draft.basis:
            raise Refused("stale", f"{draft.ref}: lists, words or acts came after the draft")
        if data_given(session, draft.ref, whole) is None:
            raise Refused("data", f"{draft.ref}: the Operator was not given the data on these invoices")
        document = Rendered("facts", f"Основа акта {draft.ref}", f"facts-{act.id}.json", "application/json", content)
        _file(session, facts_key(draft.ref), document, facts_sha256, now)
        session.add_all(_rows(act, draft, whole, now))
        session.flush()
        _number(session, act, draft, now)
        why = f"{number_of(act)}: income {draft.act.income_minor} tiyn, reward {draft.act.reward_minor} tiyn"
        story(session, act, what="made out", who="dogovor", why=why, now=now, clause="OCP-P5.4")


def _facts(draft: Draft) -> ActFacts:
    return ActFacts(
        sides=Sides(agreement=draft.act.agreement, provider=draft.act.provider, operator=draft.act.operator),
        data_dated=draft.data.dated,
        titles=draft.act.titles,
        sums=draft.data.sums,
    )


def _rows(act: Act, draft: Draft, whole: str, now: datetime) -> list[Base]:
    """What the act stands on from now on. The database takes it only while the act is not made out."""
    return [
        *(ActRow(act_id=act.id, position=place, **row.model_dump()) for place, row in enumerate(draft.rows)),
        *(
            ActTotal(act_id=act.id, position=place, month_of=month_of(total.begins_on), **total.model_dump())
            for place, total in enumerate(draft.totals)
        ),
        LineFile(
            act_id=act.id,
            side=WHOLE,
            name=draft.ours.name,
            sha256=whole,
            parquet_sha256=whole,
            lines=draft.data.lines,
            who="dogovor",
            loaded_at=now,
        ),
    ]


def _number(session: Session, act: Act, draft: Draft, now: datetime) -> None:
    year = local_date(now, ASTANA).year
    last = session.scalar(select(func.max(Act.number)).where(Act.year == year))
    act.year, act.number, act.made_at, act.state = year, (last or 0) + 1, now, ActState.MADE
    act.income_minor, act.fee_minor = draft.act.income_minor, draft.act.fee_minor
    act.reward_minor, act.vat_minor = draft.act.reward_minor, draft.act.vat_minor
    act.reconciliation_key = draft.statement.result.key if draft.statement else None


def keep_act_documents(office: Office, ref: str, documents: Sequence[Rendered], *, now: datetime) -> None:
    """Archive the documents of an act that is made out and send them all to the Operator in one letter, once.

    The clock of the signatures starts (our policy; OCP-P5.3 names no time). Raises NotFound, Refused("state").
    """
    kept = {document_key(ref, document.kind): document for document in documents}
    hashes = {key: office.archive.put(document.content) for key, document in kept.items()}
    with transaction(office.sessions) as session:
        act = find_act(session, ref, lock=True)
        if act.state not in MADE_OUT:
            raise Refused("state", f"{ref} is {act.state.value}, not made out")
        if session.scalar(select(Notice.id).where(Notice.key == _letter_key(act))) is not None:
            return
        for key, document in kept.items():
            _file(session, key, document, hashes[key], now)
        facts = {"reward": str(Money.from_minor(act.reward_minor or 0, "KZT")), "files": _files(kept)}
        tell_partner(
            office, session, act, kind="ocp_act", key=_letter_key(act), facts=facts, now=now, documents=list(kept)
        )
        story(session, act, what="documents sent", who="dogovor", why=", ".join(kept), now=now, clause="OCP-P5.4")
        if act.state is ActState.MADE:
            days = REVENUE_POLICY.on(local_date(now, ASTANA)).signature_days
            deadline = in_working_days(now, days, calendar("KZ"))
            open_obligation(session, clause=PAYING, subject=subject_of(ref), what=SIGN, deadline=deadline, now=now)


def document_key(ref: str, kind: str) -> str:
    """The key of a document of an act."""
    return f"ocp-act:{ref}:{kind}"


def _letter_key(act: Act) -> str:
    return f"ocp_act:{ref_of(act)}"


def undocumented(office: Office) -> list[str]:
    """The acts that are made out and whose documents are not with the Operator yet, in the order of their numbers."""
    with reading(office.sessions) as session:
        sent = set(session.scalars(select(Notice.key).where(Notice.kind == "ocp_act")))
        made = session.scalars(select(Act).where(Act.number.is_not(None)).order_by(Act.year, Act.number))
        return [ref_of(act) for act in made if _letter_key(act) not in sent]


def final_draft(office: Office, ref: str, scratch: Path) -> Draft:
    """An act that is made out, from the ledger and the archive alone: the same at any later time, to the byte.

    Raises NotFound, Refused("state") for an act that is not made out, or ("archive") for a file that was altered.
    """
    with reading(office.sessions) as session:
        act = find_act(session, ref)
        if act.state not in MADE_OUT or act.made_at is None:
            raise Refused("state", f"{ref} is {act.state.value}, not made out")
        facts = facts_document(office, session, ref)
        rows = session.scalars(select(ActRow).where(ActRow.act_id == act.id).order_by(ActRow.position)).all()
        sums = session.scalars(select(ActTotal).where(ActTotal.act_id == act.id).order_by(ActTotal.position)).all()
        settlements = settlements_of(session, act)
    ours, theirs = our_list(office, ref, scratch), operator_list(office, ref, scratch)
    whole = sha256_of(ours)
    counted = Counted(
        totals=tuple(total_of(row) for row in sums),
        rows=tuple(split_row(row) for row in rows),
        titles=facts.titles,
        ours=ours,
        ours_sha256=whole,
        sums=facts.sums,
        result=None if theirs is None else compare(ours, theirs, whole, month=act.month, scratch=scratch),
        settlements=settlements,
        open=(),
        earlier=earlier(office, act, ()),
    )
    head = head_of(act, number=number_of(act), dated=local_date(act.made_at, ASTANA), sides=facts.sides)
    return compose(head, counted, data_dated=facts.data_dated)
