"""Lists of invoice lines for an act: taken once from the folder of lists, kept in the archive, put together.

A correction act stands on the whole month as it is now. A list that is not given anew for it is the one of before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.errors import NotFound
from blocks.ledger import Act, LineFile, reading, transaction
from blocks.lines.reading import ReadList, read_list
from blocks.lines.totals import merge_lists
from blocks.lines.writing import sha256_of
from blocks.office import Office
from tasks.line_export import export_month
from tasks.revenue_acts import open_month, refuse_early
from tasks.revenue_forms import ListForm
from tasks.revenue_state import find_unmade, foreseen, story, to_draft

OURS, OPERATOR, WHOLE = "ours", "operator", "whole"
"""Sides of a list. `whole` is ours with the ledger's own lines, kept when the act is made out of it."""


@dataclass(frozen=True)
class Taken:
    """A list on record. `new` is False where the same file was taken last for that side."""

    lines: int
    new: bool


def take_list(office: Office, form: ListForm, *, now: datetime, tell: Callable[[str], None] = lambda _: None) -> Taken:
    """Check a list whole, keep it as it came and in its canonical form, and put it on record for an act.

    A month's first good list opens the month. The file that was taken last for that side changes nothing. `tell` hears
    of the progress of long files. Raises NotFound for a correction or a file, Refused("early") for a month that is not
    over, Refused("made") for an act made out, BadList for a list with faults; then nothing is on record.
    """
    source = _source(office, form.file)
    with reading(office.sessions) as session:
        act = to_draft(session, form.act)
        month, known = act.month, _taken_last(session, act, form.side)
    refuse_early(month, now=now)
    with TemporaryDirectory(prefix="dogovor-") as folder:
        scratch = Path(folder)
        copy, target = scratch / "list", scratch / "canonical.parquet"
        copyfile(source, copy)  # what is checked is what is kept, whatever happens to the file meanwhile
        if known is not None and known.sha256 == sha256_of(copy):
            return Taken(known.lines, new=False)
        tariffs = office.settings.ocp_tariffs
        read = read_list(copy, target, month=month, tariffs=tariffs, side=form.side, scratch=scratch, tell=tell)
        office.archive.put_file(copy)
        office.archive.put_file(target)
    if "/" not in form.act:
        open_month(office, month, now=now)
    with transaction(office.sessions) as session:
        act = find_unmade(session, form.act, lock=True)
        known = _taken_last(session, act, form.side)
        if known is not None and known.sha256 == read.sha256:
            return Taken(known.lines, new=False)
        _record(session, act, form, read, now=now)
    return Taken(read.lines, new=True)


def _record(session: Session, act: Act, form: ListForm, read: ReadList, *, now: datetime) -> None:
    session.add(
        LineFile(
            act_id=act.id,
            side=form.side,
            name=form.file,
            sha256=read.sha256,
            parquet_sha256=read.parquet_sha256,
            lines=read.lines,
            who=form.operator,
            loaded_at=now,
        )
    )
    why = f"{form.side}: {form.file}, {read.lines} lines, sha256 {read.sha256}"
    story(session, act, what="list taken", who=form.operator, why=why, now=now)


def _source(office: Office, name: str) -> Path:
    """A file of that name in the folder of lists; one that a link leads out of it is not there."""
    folder = office.settings.lists.resolve()
    source = (folder / name).resolve()
    if source.parent != folder or not source.is_file():
        raise NotFound("list", name)
    return source


def _taken_last(session: Session, act: Act, side: str) -> LineFile | None:
    """The list of a side that this act itself was given last."""
    own = select(LineFile).where(LineFile.act_id == act.id, LineFile.side == side)
    return session.scalar(own.order_by(LineFile.id.desc()).limit(1))


def _held(session: Session, act: Act, side: str) -> LineFile | None:
    """The list of a side that holds for an act: its own, or the one of an earlier edition."""
    of_month = select(LineFile).join(Act).where(Act.month == act.month, Act.edition <= act.edition)
    return session.scalar(of_month.where(LineFile.side == side).order_by(LineFile.id.desc()).limit(1))


def our_list(office: Office, ref: str, scratch: Path) -> Path:
    """Our whole list of an act's month, canonical, in `scratch`: the latest file of ours and the ledger's own lines.

    Without either it is empty. For an act that is made out, the list that it was made out of. Raises NotFound, and
    Refused("same_line") for a line that is both in the file and in the ledger.
    """
    ledger, target = scratch / "ledger.parquet", scratch / "ours.parquet"
    with reading(office.sessions) as session:
        act = foreseen(session, ref)
        whole = _taken_last(session, act, WHOLE)
        file = whole or _held(session, act, OURS)
        recorded = 0 if whole else export_month(session, "OCP", act.month, ledger)
    if file is None:
        return ledger.replace(target)
    if not recorded:
        return _fetch(office, file, target)
    merge_lists([_fetch(office, file, scratch / "file.parquet"), ledger], target, scratch=scratch)
    return target


def given_anew(session: Session, act: Act) -> bool:
    """Whether an act was itself given a list of either side."""
    return any(_taken_last(session, act, side) is not None for side in (OURS, OPERATOR))


def operator_list(office: Office, ref: str, scratch: Path) -> Path | None:
    """The Operator's list of an act, canonical, in `scratch`; None when there is none. Raises NotFound."""
    with reading(office.sessions) as session:
        file = _held(session, foreseen(session, ref), OPERATOR)
    return None if file is None else _fetch(office, file, scratch / "operator.parquet")


def _fetch(office: Office, file: LineFile, target: Path) -> Path:
    office.archive.fetch(file.parquet_sha256, target)
    return target
