"""What people do to certificates in Prefect, and what a pass does about it: names added, keys known, sites that end."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from blocks.errors import Refused, Transient
from blocks.issued import keys_told
from blocks.ledger import CaOrder, CaOrderState, CertificateState, Obligation, ObligationState, reading
from blocks.office import Office
from blocks.terms.certificate_notice import Emergency
from blocks.terms.certificate_plan import told_by
from blocks.terms.zones import MOSCOW
from flows import certificates, runtime
from flows.certificates import advance_ca_orders, replace_certificate_now
from tasks.certificate_forms import EmergencyForm
from tests.rotation_work import SLUG, begun, ca_of, events, letters, pass_, rows, shown, states
from tests.servers.tls_site import TlsSite
from tests.work import DAY, MINUTE, NOW

ADDED = "www.front.example.test"


@pytest.fixture
def clock(house: Office, monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The moment of the flows' clock, its last; the flows run without a Prefect server."""
    moments = [NOW]
    monkeypatch.setattr(runtime, "office", lambda: house)
    monkeypatch.setattr(runtime, "now", lambda: moments[-1])
    monkeypatch.setattr(certificates, "get_run_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr("flows.finishing.get_run_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr(certificates, "create_markdown_artifact", lambda **_: None)
    return moments


def form(fingerprint: str | None = None, reason: Emergency = Emergency.KEY_COMPROMISE) -> EmergencyForm:
    said = {"slug": SLUG, "slug_again": SLUG, "reason": reason, "operator": "О. Петрова", "note": "found in a dump"}
    return EmergencyForm.model_validate({**said, "fingerprint": fingerprint})


def name_added(office: Office) -> None:
    at = office.certificates_at
    site = at.site[0].model_copy(update={"names": (SLUG, ADDED)})
    vars(office)["certificates_at"] = at.model_copy(update={"site": (site,)})


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_name_that_is_added_is_ordered_at_once_and_served_a_month_after_its_notice(
    house: Office, server: TlsSite
) -> None:
    first = begun(house)
    name_added(house)
    pass_(house, NOW + DAY)
    [_, coming] = rows(house)
    assert coming.swap_at is not None
    assert coming.announced_at is not None
    assert NOW + DAY <= coming.announced_at < NOW + DAY + MINUTE
    assert coming.announced_at <= told_by(coming.swap_at, MOSCOW) < coming.announced_at + 7 * DAY
    assert shown(server) == first.fingerprint
    pass_(house, NOW + 2 * DAY)
    assert len(rows(house)) == 2, "it is ordered once"
    pass_(house, coming.swap_at + MINUTE)
    assert shown(server) == coming.fingerprint
    assert states(house) == [CertificateState.RETIRED, CertificateState.IN_SERVICE]
    assert [why.startswith("allowed") for why in events(house, "swap")] == [True]


def test_a_coming_certificate_whose_key_is_known_never_serves_and_another_is_announced(
    house: Office, server: TlsSite, clock: list[datetime]
) -> None:
    first = begun(house)
    day = NOW + 50 * DAY
    pass_(house, day)
    [_, coming] = rows(house)
    clock.append(day + MINUTE)
    colons = ":".join(coming.fingerprint[at : at + 2].upper() for at in range(0, 64, 2))
    assert "would never serve" in replace_certificate_now.fn(form(colons))
    assert states(house) == [CertificateState.IN_SERVICE, CertificateState.ANNOUNCED], "a dry run does nothing"
    told = replace_certificate_now.fn(form(colons), dry_run=False)
    assert "revoked" in told
    assert "ordered (renewal)" in told
    assert states(house) == [CertificateState.IN_SERVICE, CertificateState.REVOKED, CertificateState.ANNOUNCED]
    [_, taken, other] = rows(house)
    assert (taken.sealed_key, taken.in_service_at) == (None, None)
    assert other.key_hash != taken.key_hash
    assert shown(server) == first.fingerprint
    assert events(house, "withdrawn") == ["key_compromise: found in a dump"]
    assert events(house, "revoked") == ["key_compromise"]
    assert len(letters(house, "certificate_coming")) == 4, "both users hear of both"
    with reading(house.sessions) as session:
        assert taken.key_hash not in keys_told(session, taken.site_id, now=day + MINUTE)
        open_ones = select(Obligation.subject).where(Obligation.state == ObligationState.OPEN)
        assert f"certificate {taken.id} of {SLUG}" not in set(session.scalars(open_ones))
    pass_(house, day + DAY)
    assert len(events(house, "revoked")) == 1
    assert len(rows(house)) == 3


def test_one_that_its_ca_revoked_before_it_served_is_not_revoked_again(
    house: Office, clock: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(house)
    pass_(house, NOW + 50 * DAY)
    clock.append(NOW + 51 * DAY)
    monkeypatch.setattr(type(house.ca("local")), "revoke", lambda *_: pytest.fail("nobody asks for that"))
    replace_certificate_now.fn(form(rows(house)[1].fingerprint, Emergency.REVOKED_BY_CA), dry_run=False)
    assert states(house)[1] is CertificateState.REVOKED


def test_what_is_in_service_may_be_named_too_and_what_is_neither_is_refused(
    house: Office, server: TlsSite, clock: list[datetime]
) -> None:
    first = begun(house)
    with pytest.raises(Refused, match="neither in service nor to come"):
        replace_certificate_now.fn(form("ab" * 32))
    with pytest.raises(Refused, match="the site is"):
        replace_certificate_now.fn(form().model_copy(update={"slug_again": "other.test"}))
    assert "at once" in replace_certificate_now.fn(form())
    clock.append(NOW + DAY)
    replace_certificate_now.fn(form(first.fingerprint), dry_run=False)
    assert states(house) == [CertificateState.REVOKED, CertificateState.IN_SERVICE]
    assert shown(server) == rows(house)[1].fingerprint


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_swap_waits_while_the_dns_does_not_tell_of_its_key_as_long_as_another_saturday_is_left(
    house: Office, server: TlsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise Transient("the name server is away")

    first = begun(house)
    day = NOW.replace(hour=3)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.certificate_dns.keep_tlsa", away)
        while len(rows(house)) < 2:
            day += DAY
            pass_(house, day)
        swap = rows(house)[1].swap_at
        assert swap is not None
        pass_(house, swap + MINUTE)
        assert shown(server) == first.fingerprint
    pass_(house, swap + 2 * MINUTE)
    assert shown(server) == first.fingerprint, "resolvers remember the records of before for ten minutes"
    pass_(house, swap + 13 * MINUTE)
    assert shown(server) == rows(house)[1].fingerprint


def test_a_swap_that_has_no_other_saturday_waits_for_no_name_server(
    house: Office, server: TlsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise Transient("the name server is away")

    begun(house)
    monkeypatch.setattr("tasks.certificate_dns.keep_tlsa", away)
    day = NOW.replace(hour=3)
    while len(rows(house)) < 2:
        day += DAY
        pass_(house, day)
    swap = rows(house)[1].swap_at
    assert swap is not None
    pass_(house, swap + MINUTE)
    pass_(house, swap + 7 * DAY + MINUTE)
    assert shown(server) == rows(house)[1].fingerprint


def test_the_order_of_a_retired_site_ends_at_its_ca_too_when_that_answers(
    house: Office, clock: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(house)
    ca = ca_of(house)
    ca.moods = [Transient("busy", retry_after=timedelta(days=1))]
    pass_(house, NOW + 50 * DAY)
    at = house.certificates_at
    vars(house)["certificates_at"] = at.model_copy(update={"site": ()})
    pass_(house, NOW + 50 * DAY + MINUTE)
    with reading(house.sessions) as session:
        order = session.scalars(select(CaOrder).order_by(CaOrder.id.desc())).first()
    assert order is not None
    assert (order.state, order.url is not None) == (CaOrderState.CANCELLED, True)
    asked: list[str] = []
    answers: list[Exception | None] = [Transient("away"), None]

    def cancel(url: str) -> None:
        asked.append(url)
        if (answer := answers.pop(0)) is not None:
            raise answer

    monkeypatch.setattr(ca, "cancel", cancel)
    clock.append(NOW + 50 * DAY + 2 * MINUTE)
    for _ in range(3):
        advance_ca_orders.fn()
    assert asked == [order.url, order.url], "until it is done, and then no more"
    assert events(house, "ended_at_ca") == ["its site is retired"]


def test_an_order_that_its_ca_does_not_end_is_told_to_the_operator_once(house: Office, clock: list[datetime]) -> None:
    begun(house)
    ca_of(house).moods = [Transient("busy", retry_after=timedelta(days=1))]
    pass_(house, NOW + 50 * DAY)
    at = house.certificates_at
    vars(house)["certificates_at"] = at.model_copy(update={"site": ()})
    pass_(house, NOW + 50 * DAY + MINUTE)
    vars(house)["_authorities"].clear()
    vars(house)["certificates_at"] = house.certificates_at.model_copy(update={"authority": ()})
    clock.append(NOW + 50 * DAY + 2 * MINUTE)
    for _ in range(2):
        advance_ca_orders.fn()
    [letter] = letters(house, "ca_order_held")
    assert "does not end its order" in letter.facts["reason"]


def test_a_ca_that_does_not_issue_in_a_moment_is_not_waited_for_again_in_a_pass(
    house: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[int] = []

    def follow(office: Office, site_id: int, **_: object) -> CaOrderState:
        followed.append(site_id)
        return CaOrderState.PLACED

    at = house.certificates_at
    sites = [
        at.site[0].model_copy(update={"slug": f"{each}.example.test", "names": (f"{each}.example.test",)})
        for each in "abc"
    ]
    vars(house)["certificates_at"] = at.model_copy(update={"site": tuple(sites)})
    monkeypatch.setattr("tasks.certificate_rotation.follow", follow)
    pass_(house, NOW)
    assert len(followed) == 1
    with reading(house.sessions) as session:
        assert len(session.scalars(select(CaOrder).where(CaOrder.state == CaOrderState.INTENDED)).all()) == 3


def test_a_pass_over_orders_ends_in_its_time_however_many_are_due(
    house: Office, clock: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    advanced: list[int] = []

    def slowly(office: Office, order: int, **_: object) -> CaOrderState:
        advanced.append(order)
        return CaOrderState.PLACED

    monkeypatch.setattr("flows.certificates.time.monotonic", lambda: 200.0 * len(advanced))
    monkeypatch.setattr(certificates, "due_orders", lambda *_, **__: [1, 2, 3])
    monkeypatch.setattr(certificates, "advance", slowly)
    monkeypatch.setattr(certificates, "_worker", lambda: "run")
    assert advance_ca_orders.fn() == {"1": "placed"}
    assert advanced == [1]
