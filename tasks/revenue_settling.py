"""A person's word on differences between our list and the Operator's, or on the Operator's list that did not come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from sqlalchemy.orm import Session

from blocks.errors import Refused
from blocks.ledger import Act, DifferenceSettlement, reading, transaction
from blocks.lines.writing import sha256_of
from blocks.office import Office
from blocks.terms.revenue import Difference, Reconciliation, Settlement
from tasks.revenue_draft import compare
from tasks.revenue_forms import SettleForm
from tasks.revenue_history import NO_LIST, OF_A_LIST, said_of_lists, settlements_of
from tasks.revenue_lists import operator_list, our_list
from tasks.revenue_state import find_unmade, story


class _Word(NamedTuple):
    """What a word is on: a line with its delta, or neither; and the key of what it is said of."""

    line: str | None
    delta_minor: int | None
    key: str


def settle_differences(office: Office, form: SettleForm, *, now: datetime) -> int:
    """Record a word on an act's differences as the lists stand now; of how many differences it is (0: said before).

    A word on named lines holds as long as both sides state the same of them, also after new lists; a word on a whole
    cause for these two lists alone, one on doubtful corrections for this list of ours; a word on the Operator's missing
    list until the act is made out. Raises NotFound, and Refused for an act made out, no list to differ from, or lines
    and causes that do not differ.
    """
    with reading(office.sessions) as session:
        find_unmade(session, form.act)
    with TemporaryDirectory(prefix="dogovor-") as folder:
        ours = our_list(office, form.act, Path(folder))
        theirs = operator_list(office, form.act, Path(folder))
        ours_sha256 = sha256_of(ours)
        month = form.act[:7]
        result = None if theirs is None else compare(ours, theirs, ours_sha256, month=month, scratch=Path(folder))
    with transaction(office.sessions) as session:
        act = find_unmade(session, form.act, lock=True)
        if form.cause == NO_LIST and result is not None:
            raise Refused("list", f"{form.act}: the Operator's list is there")
        if form.cause in OF_A_LIST:
            return _of_our_list(session, act, form, ours_sha256, now)
        if result is None:
            raise Refused("no_list", f"{form.act}: the Operator's list is not there: nothing differs yet")
        return _say(session, act, form, result, now)


def _of_our_list(session: Session, act: Act, form: SettleForm, ours_sha256: str, now: datetime) -> int:
    if ours_sha256 in said_of_lists(session, act, form.cause):
        return 0
    _record(session, act, form, words=[_Word(None, None, ours_sha256)], now=now)
    return 1


def _say(session: Session, act: Act, form: SettleForm, result: Reconciliation, now: datetime) -> int:
    of_cause = {one.line: one for one in result.differences if one.cause == form.cause}
    if unknown := [line for line in form.lines if line not in of_cause] or ([form.cause] if not of_cause else []):
        raise Refused("line", f"{form.act}: no difference of that cause: {', '.join(unknown[:5])}")
    words = settlements_of(session, act)
    fresh = [one for one in _named(form, of_cause, result.key) if not _said(form, words, one)]
    if not fresh:
        return 0
    _record(session, act, form, words=fresh, now=now)
    return len(fresh) if form.lines else len(of_cause)


def _named(form: SettleForm, of_cause: dict[str, Difference], key: str) -> list[_Word]:
    lines = [of_cause[line] for line in dict.fromkeys(form.lines)]
    return [_Word(one.line, one.delta_minor, one.key) for one in lines] or [_Word(None, None, key)]


def _said(form: SettleForm, words: Sequence[Settlement], one: _Word) -> bool:
    """Whether the last word on the same is the same: said again it changes nothing."""
    last = [word.way for word in words if word.cause == form.cause and (word.line, word.delta_minor, word.key) == one]
    return last[-1:] == [form.way]


def _record(session: Session, act: Act, form: SettleForm, *, words: Sequence[_Word], now: datetime) -> None:
    session.add_all(
        DifferenceSettlement(
            act_id=act.id,
            **one._asdict(),
            cause=form.cause,
            way=form.way,
            who=form.operator,
            reason=form.reason,
            at=now,
        )
        for one in words
    )
    which = f"{len(form.lines)} lines" if form.lines else "all"
    why = f"{form.cause}, {which}: {form.way}: {form.reason}"
    story(session, act, what="settled", who=form.operator, why=why, now=now)
