"""Certificates: rotated by the clock, ordered or replaced by a person, orders at CAs brought on."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.runtime import flow_run

from blocks.errors import Refused
from blocks.ledger import CertificateState
from blocks.office import Office
from blocks.terms.certificate_notice import Emergency
from flows import runtime
from flows.finishing import done
from flows.fulfilment import send_due
from flows.rotating import rotate_all, turn_site
from reports.certificate_story import story_markdown, story_row
from reports.format import moscow
from tasks import ssl_orders
from tasks.ca_advance import advance
from tasks.ca_following import follow
from tasks.ca_leftovers import cancel_leftovers
from tasks.ca_orders import due_orders
from tasks.certificate_acts import cancel_order, intended, issue, resume_order, wake_orders
from tasks.certificate_forms import CaOrderForm, EmergencyForm, IssueForm
from tasks.certificate_rotation import declare_emergency
from tasks.certificate_state import SiteNow, plan_of, site_of
from tasks.certificate_stories import certificate_story
from tasks.certificate_withdrawal import meant, withdraw

_PATIENCE = timedelta(minutes=5)
_ADVANCE_SECONDS, _PAUSE_SECONDS = 180.0, 2.0


@flow(name="rotate-certificates", persist_result=False, timeout_seconds=3600)
def rotate_certificates(as_of: datetime | None = None) -> dict[str, int]:
    """Turn every site: order, publish, announce a month ahead, swap in the window (KS-3.8). `as_of` empty: now."""
    office, now = runtime.office(), runtime.at(as_of)
    turns = rotate_all(office, worker=_worker(), clock=runtime.clock(as_of))
    rows = []
    for turn in turns:
        story = certificate_story(office.sessions, turn.slug, now=now)
        found = [plan.finding for plan in turn.plans if plan.finding]
        told = {"did": ", ".join(turn.did), "wrong": "; ".join([*turn.faults, *found])}
        rows.append({**story_row(story), **told})
        if turn.did or turn.faults:
            _keep_story(office, turn.slug, now)
    create_table_artifact(rows, key="certificates", description=f"Certificates, as of {moscow(now)}")
    counted = {
        "sites": len(turns),
        "moved": sum(1 for turn in turns if turn.did),
        "faulty": sum(1 for turn in turns if turn.faults),
    }
    get_run_logger().info("%s", counted)
    return counted


@flow(name="advance-ca-orders", persist_result=False, timeout_seconds=600)
def advance_ca_orders(as_of: datetime | None = None) -> dict[str, str]:
    """Bring the open orders at CAs on for three minutes, and customers' orders whose certificate is there."""
    office, clock = runtime.office(), runtime.clock(as_of)
    until, states = time.monotonic() + _ADVANCE_SECONDS, {}
    while time.monotonic() < until and (due := due_orders(office.sessions, now=clock())):
        for order in due:
            states[str(order)] = advance(office, order, worker=_worker(), now=clock()).value
            if time.monotonic() > until:
                break
        else:
            time.sleep(_PAUSE_SECONDS)
    ssl_orders.follow(office, now=clock())
    woken = wake_orders(office, now=clock())
    send_due(office, now=clock())
    cancelled = cancel_leftovers(office, now=clock())
    told = "%s; going on: %s; ended at their CAs: %s"
    get_run_logger().info(told, states or "nothing is due", ", ".join(woken) or "none", ", ".join(cancelled) or "none")
    return states


@flow(name="issue-certificate", flow_run_name="certificate of {form.slug}", persist_result=False, timeout_seconds=900)
def issue_certificate(form: IssueForm, dry_run: bool = True) -> str:
    """Order a certificate for one or many names and follow the CA for a while; by default a dry run."""
    office, now = runtime.office(), runtime.now()
    slug, names, authority = intended(office, form)
    if dry_run:
        seen = office.ca(authority).check()
        return f"a dry run: {slug} would be ordered at {authority} ({seen}) for {', '.join(names)}"
    site = issue(office, form, now=now)
    state = follow(office, site, worker=_worker(), now=now, patience=_PATIENCE)
    _keep_story(office, slug, runtime.now())
    return done(f"{slug}: the order at {authority} is {state}")


@flow(name="replace-certificate-now", flow_run_name="{form.slug} now", persist_result=False, timeout_seconds=900)
def replace_certificate_now(form: EmergencyForm, dry_run: bool = True) -> str:
    """Replace a certificate at once, tell everybody, and revoke one whose key is known: an exception from KS-3.8.

    One that is yet to come is taken back instead; another is ordered and announced when it is due.
    """
    office, now = runtime.office(), runtime.now()
    if form.slug_again != form.slug:
        raise Refused("slug", f"the site is {form.slug}, not {form.slug_again}")
    seen = site_of(office, form.slug)
    row = meant(seen, form.fingerprint)
    shown = row.state is CertificateState.IN_SERVICE
    if dry_run:
        return _replaced_dry(seen, now) if shown else _withdrawn_dry(seen, row.fingerprint, form.reason)
    if shown:
        declare_emergency(office, form.slug, form.reason, who=form.operator, note_text=form.note, now=now)
    else:
        withdraw(office, form.slug, row.fingerprint, form.reason, who=form.operator, note_text=form.note, now=now)
    turn = turn_site(office, form.slug, worker=_worker(), now=now)
    _keep_story(office, form.slug, runtime.now())
    wrong = f"; not yet well: {'; '.join(turn.faults)}" if turn.faults else ""
    return done(f"{form.slug}: {', '.join(turn.did) or 'nothing new'}{wrong}")


@flow(name="resume-ca-order", flow_run_name="resume {form.slug}", persist_result=False, timeout_seconds=900)
def resume_ca_order(form: CaOrderForm) -> str:
    """Try the held order of a site at its CA again."""
    office, now = runtime.office(), runtime.now()
    site = resume_order(office, form, now=now)
    state = follow(office, site, worker=_worker(), now=now, patience=_PATIENCE)
    wake_orders(office, now=runtime.now())
    _keep_story(office, form.slug, runtime.now())
    return done(f"{form.slug}: the order is {state}")


@flow(name="cancel-ca-order", flow_run_name="cancel {form.slug}", persist_result=False, timeout_seconds=300)
def cancel_ca_order(form: CaOrderForm) -> str:
    """End the open order of a site at its CA."""
    return done(cancel_order(runtime.office(), form, now=runtime.now()))


def _replaced_dry(seen: SiteNow, now: datetime) -> str:
    ready = "its successor is there" if seen.coming else f"{seen.site.authority} is asked"
    plan = plan_of(seen, now=now)
    planned = f", planned for {moscow(plan.swap.start)}" if plan is not None else ""
    return f"a dry run: {seen.site.slug} would show another certificate at once; {ready}{planned}"


def _withdrawn_dry(seen: SiteNow, fingerprint: str, reason: Emergency) -> str:
    revoked = "be revoked by us and " if reason is Emergency.KEY_COMPROMISE else ""
    told = f"a dry run: {fingerprint} would {revoked}never serve"
    if not seen.site.consumers:
        return f"{told}; nobody here shows certificates of {seen.site.slug}, so no other is ordered by itself"
    late = "with less than a calendar month's notice where that is late by now: an exception on record"
    return f"{told}; another is ordered and announced when it is due, {late}"


def _worker() -> str:
    return f"run {flow_run.id}"


def _keep_story(office: Office, slug: str, now: datetime) -> None:
    key = "certificate-" + "".join(each if each.isalnum() else "-" for each in slug)
    text = story_markdown(certificate_story(office.sessions, slug, now=now))
    create_markdown_artifact(key=key, markdown=text, description=f"The certificates of {slug}")
