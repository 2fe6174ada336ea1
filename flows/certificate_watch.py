"""The watches over what is served and what resolves (KS-2.6, KS-3.2, KS-3.8)."""

from __future__ import annotations

from datetime import datetime

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact

from flows import runtime
from flows.fulfilment import send_due
from reports.format import moscow
from tasks.certificate_watch import Look, watch_served
from tasks.domain_watch import watch_names


@flow(name="watch-certificates", persist_result=False, timeout_seconds=1800)
def watch_certificates(as_of: datetime | None = None) -> dict[str, int]:
    """Look at every endpoint; tell of what is wrong there once, and once when it is well again. `as_of` empty: now."""
    office, now = runtime.office(), runtime.at(as_of)
    looks, changed = watch_served(office, now=now)
    told = f"What is served, as of {moscow(now)}"
    create_table_artifact([_row(each, now) for each in looks], key="certificates-served", description=told)
    send_due(office, now=now)
    done = {"endpoints": len(looks), **vars(changed)}
    get_run_logger().info("%s", done)
    return done


@flow(name="watch-domains", persist_result=False, timeout_seconds=1800)
def watch_domains(as_of: datetime | None = None) -> dict[str, int]:
    """Look every watched and every customer's domain up from several resolvers (KS-3.2). `as_of` empty: now."""
    office, now = runtime.office(), runtime.at(as_of)
    looks, changed = watch_names(office, now=now)
    rows = [{"domain": each.subject, "wrong": "; ".join(flaw.detail for flaw in each.flaws)} for each in looks]
    told = f"Domain names, as of {moscow(now)}"
    create_table_artifact(rows, key="domains-watched", description=told)
    send_due(office, now=now)
    done = {"domains": len(looks), **vars(changed)}
    get_run_logger().info("%s", done)
    return done


def _row(look: Look, now: datetime) -> dict[str, str | int]:
    facts = look.seen.facts if look.seen is not None else None
    return {
        "endpoint": look.place.subject,
        "site": look.place.site,
        "shown": facts.fingerprint[:16] if facts is not None else "",
        "until": moscow(facts.not_after) if facts is not None else "",
        "days left": (facts.not_after - now).days if facts is not None else "",
        "wrong": "; ".join(f"{flaw.kind} ({flaw.clause}): {flaw.detail}" for flaw in look.flaws),
    }
