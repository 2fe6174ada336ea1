"""A month of the revenue split from its lists to its documents, without Prefect: what flows and the command call."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from blocks.errors import Refused
from blocks.lines.totals import data_lines
from blocks.office import Office
from flows.fulfilment import send_due
from flows.one_by_one import failures
from reports.act import act_pdf, reward_invoice_pdf
from reports.reconciliation import statement_pdf, statement_xlsx
from reports.revenue_data import data_xlsx
from reports.revenue_picture import picture_pdf, revenue_markdown
from tasks.documents import PDF, XLSX, keep_document
from tasks.revenue_desk import is_made_out
from tasks.revenue_draft import Draft, draft
from tasks.revenue_make import (
    Rendered,
    document_key,
    final_draft,
    keep_act_documents,
    make_out,
    record_data,
    undocumented,
)

Tell = Callable[[str, int], None]
"""What is being done, and how much of all is done, in percent."""
log = logging.getLogger("dogovor.revenue")


@dataclass(frozen=True)
class Outcome:
    """What came of a month: its figures for people, whether its act is made out, and what keeps it from being so."""

    ref: str
    made: bool
    obstacles: tuple[str, ...]
    markdown: str


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that goes with its block: lists of millions of lines are worked on in files."""
    with tempfile.TemporaryDirectory(prefix="dogovor-revenue-") as folder:
        yield Path(folder)


def workbook(drafted: Draft, scratch: Path) -> bytes:
    """The data on invoices issued."""
    return data_xlsx(drafted.data, data_lines(drafted.ours, scratch=scratch))


def documents(drafted: Draft) -> list[Rendered]:
    """What is signed: the act, its invoice, the statement of differences."""
    act, statement = drafted.act, drafted.statement
    name = drafted.ref.replace("/", "-")
    made = [Rendered("act", f"Акт оказанных услуг {act.number}", f"act-{name}.pdf", PDF, act_pdf(act))]
    if act.reward_minor:
        invoice = reward_invoice_pdf(act)
        made.append(Rendered("invoice", f"Счёт к акту {act.number}", f"invoice-{name}.pdf", PDF, invoice))
    if statement is not None:
        title = f"Акт сверки {statement.number}"
        made += [
            Rendered("statement", title, f"reconciliation-{name}.pdf", PDF, statement_pdf(statement)),
            Rendered("statement-xlsx", title, f"reconciliation-{name}.xlsx", XLSX, statement_xlsx(statement)),
        ]
    return made


def picture(drafted: Draft) -> Rendered:
    """The month as a manager looks at it."""
    name = f"revenue-{drafted.ref.replace('/', '-')}.pdf"
    return Rendered("picture", f"Доход за {drafted.month}", name, PDF, picture_pdf(drafted.picture))


def story(drafted: Draft) -> str:
    """The month for people, as Markdown."""
    return revenue_markdown(drafted.act, drafted.statement, drafted.obstacles)


def split(office: Office, ref: str, *, now: datetime, dry_run: bool, tell: Tell) -> Outcome:
    """Take a month as far as it goes: data to the Operator, then, when nothing stands against it, the act.

    A dry run computes and renders everything and writes nothing. An act that is made out stays as it is; its documents
    go out if they did not. Data without a line, or unchanged since the month was reopened, is not given. Raises Refused
    when the lists cannot be compared.
    """
    if is_made_out(office, ref):
        return _as_made(office, ref, now=now, dry_run=dry_run)
    with scratch_folder() as scratch:
        tell("collecting the lines, splitting, reconciling", 10)
        drafted = draft(office, ref, now=now, scratch=scratch)
        if dry_run:
            tell("rendering the documents", 50)
            workbook(drafted, scratch)
            documents(drafted)
            picture(drafted)
            tell("done: a dry run", 100)
            return Outcome(ref, made=False, obstacles=drafted.obstacles, markdown=story(drafted))
        if drafted.news:
            tell("rendering and sending the data on invoices", 50)
            record_data(office, drafted, workbook(drafted, scratch), now=now)
        if not drafted.obstacles:
            tell("making out the act", 70)
            make_out(office, drafted, now=now)
    tell("rendering and sending the documents", 80)
    finish(office, now=now)
    tell("done", 100)
    return Outcome(ref, made=not drafted.obstacles, obstacles=drafted.obstacles, markdown=story(drafted))


def _as_made(office: Office, ref: str, *, now: datetime, dry_run: bool) -> Outcome:
    if not dry_run:
        finish(office, now=now)
    with scratch_folder() as scratch:
        return Outcome(ref, made=True, obstacles=(), markdown=story(final_draft(office, ref, scratch)))


def finish(office: Office, *, now: datetime) -> None:
    """Archive and send the documents of every act that was made out, also by a worker that was killed after it.

    Raises Refused when documents could not be made of some, after the others were sent.
    """
    failed = failures(undocumented(office), partial(_document, office, now=now), what="no documents of act")
    send_due(office, now=now)
    if failed:
        raise Refused("documents", f"no documents of {', '.join(failed)}")


def _document(office: Office, ref: str, *, now: datetime) -> None:
    with scratch_folder() as scratch:
        final = final_draft(office, ref, scratch)
        shown = picture(final)
        keep_document(
            office,
            key=document_key(ref, shown.kind),
            title=shown.title,
            file_name=shown.file_name,
            media_type=shown.media_type,
            content=shown.content,
            now=now,
        )
        keep_act_documents(office, ref, documents(final), now=now)
