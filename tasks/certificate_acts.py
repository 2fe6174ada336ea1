"""What a person does about certificates: orders one, lets a held order go on, ends one. Each is on record by name."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from blocks.errors import Refused
from blocks.ledger import CaOrder, CaOrderState, Order, OrderState, Site, reading, transaction
from blocks.office import Office
from tasks.ca_orders import ALLOWED, OPEN_STATES, Wanted, again, end, note, open_order, open_site, order_certificate
from tasks.certificate_forms import CaOrderForm, IssueForm
from tasks.inbox import put_event
from tasks.order_forms import EventKind
from tasks.sites import find_site, in_service, newest_order


def intended(office: Office, form: IssueForm) -> tuple[str, tuple[str, ...], str]:
    """The slug, the names and the CA that a form means. Raises Refused, NotFound where it means none."""
    slug = form.slug or (form.names[0].removeprefix("*.") if form.names else "")
    with reading(office.sessions) as session:
        site = session.scalar(select(Site).where(Site.slug == slug, Site.retired_at.is_(None)))
    if site is not None:
        if form.names and set(form.names) != set(site.names):
            raise Refused("names", f"{slug} has other names: {', '.join(site.names)}")
        return slug, tuple(site.names), site.authority
    if not form.names or form.authority is None:
        raise Refused("names", "a new site needs its names and its authority")
    office.certificates_at.authority_at(form.authority)
    return slug, form.names, form.authority


def issue(office: Office, form: IssueForm, *, now: datetime) -> int:
    """Write an order down; the id of its site. A site that shows something gets its successor. Raises as `intended`."""
    slug, names, authority = intended(office, form)
    with transaction(office.sessions) as session:
        site = session.scalar(select(Site).where(Site.slug == slug, Site.retired_at.is_(None)))
        if site is None:
            site = open_site(
                session,
                slug=slug,
                agreement="KS",
                names=names,
                authority=authority,
                consumers=(),
                key_kind=form.key,
                now=now,
            )
        current = in_service(session, site)
        wanted = Wanted(
            purpose="renewal" if current is not None else "first",
            give_up_at=now + ALLOWED,
            replaces=current.fingerprint if current is not None else None,
        )
        order = order_certificate(session, office.sealer, site, wanted, now=now)
        note(session, site, "asked_for", f"by {form.operator}", who=form.operator, now=now, ca_order=order)
        return site.id


def resume_order(office: Office, form: CaOrderForm, *, now: datetime) -> int:
    """Try the held order of a site again; the id of the site. Raises Refused where none is held, NotFound."""
    with transaction(office.sessions) as session:
        site = find_site(session, form.slug)
        order = newest_order(session, site)
        if order is None or order.state is not CaOrderState.HELD:
            raise Refused("state", f"no order of {form.slug} is held")
        again(session, office.sealer, order, why=form.note, who=form.operator, now=now)
        return site.id


def cancel_order(office: Office, form: CaOrderForm, *, now: datetime) -> str:
    """End the open order of a site, at its CA first. Raises Refused where none is open, and as the CA does."""
    with reading(office.sessions) as session:
        site = find_site(session, form.slug)
        order = open_order(session, site.id)
        if order is None:
            raise Refused("state", f"no order of {form.slug} is open")
    if order.url is not None:
        office.ca(order.authority).cancel(order.url)
    with transaction(office.sessions) as session:
        row = session.get_one(CaOrder, order.id, with_for_update=True)
        if row.open_key is None:
            raise Refused("state", f"the order of {form.slug} ended meanwhile: {row.state}")
        end(session, row, CaOrderState.CANCELLED, form.note, who=form.operator, now=now)
        row.sealed_key = None
    return f"the order of {form.slug} at {order.authority} is cancelled"


def wake_orders(office: Office, *, now: datetime) -> list[str]:
    """Have customers' orders go on whose order at a CA came to its end; their numbers."""
    over = CaOrder.state.not_in(OPEN_STATES)
    with transaction(office.sessions) as session:
        query = (
            select(Order.number, CaOrder.id, CaOrder.state)
            .join(Site, Site.order_id == Order.id)
            .join(CaOrder, CaOrder.site_id == Site.id)
            .where(Order.state == OrderState.IN_PROGRESS, over, Site.retired_at.is_(None))
        )
        ended = [tuple(row) for row in session.execute(query).all()]
        fresh = [
            number
            for number, ca_order, state in ended
            if put_event(
                session,
                source="keeper",
                event_id=f"certificate:{number}:{ca_order}:{state}",
                kind=EventKind.GO_ON,
                payload={"order": number},
                now=now,
            )
        ]
    return list(dict.fromkeys(fresh))
