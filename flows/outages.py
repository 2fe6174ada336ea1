"""The desk of outages: runs with a form that open them, decide on them, report them, and pay for them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows import runtime
from flows.finishing import done
from reports.availability import availability_markdown, availability_pdf
from reports.journal import journal_xlsx
from tasks import compensation, outages
from tasks.availability import availability_view
from tasks.compensation_forms import CompensationDecision, ProposalForm
from tasks.documents import PDF, XLSX, keep_document
from tasks.outage_forms import OutageDecisionForm, OutageEnding, OutageForm, OutageReportForm


@flow(name="open-outage", flow_run_name="outage of {form.service}", persist_result=False)
def open_outage(form: OutageForm) -> str:
    """Open an outage by hand or by tickets, and tell everybody who stands on the service."""
    office, now = runtime.office(), runtime.now()
    return done(outages.open_outage(office, form, now=now))


@flow(name="close-outage", flow_run_name="{form.outage} ended", persist_result=False)
def close_outage(form: OutageEnding) -> str:
    """Say when an outage that no probe watches has ended; its log file goes to the ОЦП Operator an hour after that."""
    office, now = runtime.office(), runtime.now()
    return done(outages.close_outage(office, form, now=now))


@flow(name="decide-outage", flow_run_name="{form.outage}: {form.reason}", persist_result=False)
def decide_outage(form: OutageDecisionForm) -> str:
    """Decide whether an outage counts (KS-3.9), what caused it, or when it really began and ended.

    Compensations that are not owed any more after that are withdrawn.
    """
    office, now = runtime.office(), runtime.now()
    told = outages.decide_outage(office, form, now=now)
    compensation.propose(office, now=now)
    return done(told)


@flow(name="report-outage", flow_run_name="report on {form.outage}", persist_result=False)
def report_outage(form: OutageReportForm) -> str:
    """Send the detailed report on an emergency to the ОЦП Operator (OCP-P3.2.7c)."""
    office, now = runtime.office(), runtime.now()
    return done(outages.file_report(office, form, now=now))


@flow(name="availability-report", flow_run_name="{agreement} {kind} {number} {year}", persist_result=False)
def availability_report(
    agreement: Literal["KS", "OCP", "QS", "OT"],
    kind: Literal["month", "quarter", "year"],
    year: int,
    number: int = 1,
    as_of: datetime | None = None,
) -> dict[str, str]:
    """The availability of a period as PDF, with the journal of unavailability as XLSX; both go into the archive."""
    office, now = runtime.office(), runtime.now()
    moment = as_of or now
    view = availability_view(office, agreement, kind, year, number, as_of=moment)
    name = f"{agreement.lower()}-{kind}-{year}-{number}"
    key = f"{name}:{moment.isoformat()}"
    title = f"Журнал фактов недоступности сервиса, {agreement}, {view.period_title}"
    files = {
        "pdf": keep_document(
            office,
            content=availability_pdf(view),
            key=f"availability:{key}",
            title=f"Доступность, {agreement}, {view.period_title}",
            file_name=f"availability-{name}.pdf",
            media_type=PDF,
            now=now,
        ),
        "xlsx": keep_document(
            office,
            content=journal_xlsx(view.outages, as_of=moment, title=title, zone=view.zone),
            key=f"journal:{key}",
            title=title,
            file_name=f"journal-{name}.xlsx",
            media_type=XLSX,
            now=now,
        ),
    }
    text = availability_markdown(view)
    create_markdown_artifact(key=f"availability-{name}", markdown=text, description=f"{agreement}, {view.period_title}")
    return files


@flow(name="claim-compensation", flow_run_name="{form.order}: {form.claim.clause}", persist_result=False)
def claim_compensation(form: ProposalForm) -> str:
    """Propose a compensation by hand (KS-3.10c, QS-6.2.3, QS-4.3.2); another person decides on it."""
    office, now = runtime.office(), runtime.now()
    return done(compensation.propose_by_hand(office, form, now=now))


@flow(name="decide-compensation", flow_run_name="{form.compensation} by {form.operator}", persist_result=False)
def decide_compensation(form: CompensationDecision) -> str:
    """Approve or decline a proposed compensation as a second person, or name the amount of one that has none."""
    office, now = runtime.office(), runtime.now()
    return done(compensation.decide(office, form, now=now))
