"""What people do to certificates in Prefect, and what a pass does about it: names added, keys known, sites that end."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from blocks.errors import Refused, Transient
from blocks.issued import keys_told
from blocks.ledger import CaOrder, CaOrderState, Certificate, CertificateState, Site, reading, transaction
from blocks.office import Office
from blocks.terms.certificate_notice import Emergency
from blocks.terms.certificate_plan import told_by
from blocks.terms.zones import MOSCOW
from flows import certificates, runtime
from flows.certificates import advance_ca_orders, replace_certificate_now
from tasks.ca_advance import advance
from tasks.ca_following import follow
from tasks.ca_orders import Wanted, order_certificate
from tasks.certificate_acts import issue
from tasks.certificate_forms import EmergencyForm, IssueForm
from tasks.certificate_judged import judge
from tasks.certificate_places import Place
from tasks.certificate_tlsa import HostKeys
from tests.rotation_work import (
    SLUG,
    Moody,
    begun,
    ca_of,
    emergency,
    events,
    letters,
    pass_,
    rows,
    shown,
    states,
    two_coming,
)
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


def form(fingerprint: str = "", reason: Emergency = Emergency.KEY_COMPROMISE) -> EmergencyForm:
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
    assert "never serve" in replace_certificate_now.fn(form(colons))
    assert states(house) == [CertificateState.IN_SERVICE, CertificateState.ANNOUNCED], "a dry run does nothing"
    did = replace_certificate_now.fn(form(f" {colons} "), dry_run=False)
    assert "revoked" in did
    assert "ordered (renewal)" in did
    assert states(house) == [CertificateState.IN_SERVICE, CertificateState.REVOKED, CertificateState.ANNOUNCED]
    [_, taken, other] = rows(house)
    assert (taken.sealed_key, taken.in_service_at) == (None, None)
    assert other.key_hash != taken.key_hash
    assert shown(server) == first.fingerprint
    assert events(house, "withdrawn") == ["key_compromise: found in a dump"]
    assert events(house, "revoked") == ["key_compromise"]
    told = letters(house, "certificate_coming")
    assert [letter.facts["moved"] for letter in told] == [False, False, True, True], "both users hear of both"
    with reading(house.sessions) as session:
        assert taken.key_hash not in keys_told(session, taken.site_id, now=day + MINUTE)
    pass_(house, day + DAY)
    assert len(events(house, "revoked")) == 1
    assert len(rows(house)) == 3


def slow_ca(office: Office) -> None:
    """The CA issues nothing for a quarter of an hour."""
    ca_of(office).moods = [Transient("busy", retry_after=timedelta(minutes=15))]


def test_customers_hear_that_what_was_announced_is_void_even_if_the_next_one_comes_later(
    house: Office, clock: list[datetime]
) -> None:
    begun(house)
    day = NOW + 50 * DAY
    pass_(house, day)
    slow_ca(house)
    clock.append(day + MINUTE)
    replace_certificate_now.fn(form(rows(house)[1].fingerprint), dry_run=False)
    assert states(house) == [CertificateState.IN_SERVICE, CertificateState.REVOKED]
    pass_(house, day + 20 * MINUTE)
    assert [letter.facts["moved"] for letter in letters(house, "certificate_coming")] == [False, False, True, True]


def ordered_after(office: Office, row: Certificate, at: datetime) -> int:
    """An order of what is to replace a row; its id."""
    with transaction(office.sessions) as session:
        site = session.get_one(Site, row.site_id)
        wanted = Wanted(purpose="renewal", give_up_at=at + 2 * DAY, replaces=row.fingerprint)
        return order_certificate(session, office.sealer, site, wanted, now=at).id


@pytest.mark.parametrize("issued", [True, False], ids=["issued", "ordered"])
def test_when_one_between_others_is_taken_back_the_one_before_holds_and_the_one_after_follows_it(
    house: Office, clock: list[datetime], issued: bool
) -> None:
    day = two_coming(house)
    [_, before, between] = rows(house)
    order = ordered_after(house, between, day)
    if issued:
        advance(house, order, worker="test", now=day)
    clock.append(day + MINUTE)
    replace_certificate_now.fn(form(between.fingerprint, Emergency.REVOKED_BY_CA), dry_run=False)
    pass_(house, day + DAY)
    held = {row.id: row for row in rows(house)}
    assert held[before.id].state is CertificateState.ANNOUNCED
    assert held[before.id].swap_at == before.swap_at
    assert held[between.id].state is CertificateState.REVOKED
    after = next(row for row in held.values() if row.ca_order_id == order)
    assert (after.replaces_id, after.state) == (before.id, CertificateState.ANNOUNCED)
    assert events(house, "dropped") == []


def revoking_later(office: Office, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the CA revokes because its key is known; it is away when it is asked first."""
    answers: list[Exception | None] = [Transient("away"), None]
    revoked: list[str] = []

    def revoke(chain: str, reason: int) -> None:
        assert reason == 1
        if (answer := answers.pop(0)) is not None:
            raise answer
        revoked.append(chain)

    monkeypatch.setattr(ca_of(office), "revoke", revoke)
    return revoked


def test_a_known_key_is_revoked_too_where_nobody_here_installs_its_certificate_when_its_ca_answers(
    house: Office, clock: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = IssueForm(names=("shop.test",), authority="local", operator="О. Петрова")
    site = issue(house, wanted, now=NOW)
    follow(house, site, worker="test", now=NOW, patience=timedelta(0))
    [row] = rows(house)
    revoked = revoking_later(house, monkeypatch)
    said = form(row.fingerprint).model_copy(update={"slug": "shop.test", "slug_again": "shop.test"})
    assert "not yet well" in replace_certificate_now.fn(said, dry_run=False)
    pass_(house, NOW + DAY)
    assert revoked == [row.chain]
    assert [each.state for each in rows(house) if each.id == row.id] == [CertificateState.REVOKED]


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_what_comes_late_because_another_was_taken_back_is_an_exception_with_its_reason(
    house: Office, server: TlsSite, clock: list[datetime]
) -> None:
    begun(house)
    day = NOW + 50 * DAY
    pass_(house, day)
    swap = rows(house)[1].swap_at
    assert swap is not None
    late = swap - 2 * DAY
    clock.append(late)
    replace_certificate_now.fn(form(rows(house)[1].fingerprint), dry_run=False)
    while states(house)[0] is CertificateState.IN_SERVICE:
        late += timedelta(hours=1)
        pass_(house, late)
    assert shown(server) == rows(house)[2].fingerprint
    [why] = events(house, "swap")
    assert why.startswith("allowed: no planned replacement but an emergency: key_compromise of one that was announced")


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_what_comes_late_for_another_reason_is_no_exception(house: Office, clock: list[datetime]) -> None:
    begun(house)
    name_added(house)
    pass_(house, NOW + DAY)
    clock.append(NOW + 2 * DAY)
    replace_certificate_now.fn(form(rows(house)[1].fingerprint), dry_run=False)
    with transaction(house.sessions) as session:
        row = session.get_one(Certificate, rows(house)[2].id)
        row.announced_at = (row.swap_at or NOW) - 3 * DAY
    judge(house, row.id, now=NOW + 40 * DAY)
    assert [why.startswith("refused") for why in events(house, "swap")] == [True]


def test_an_emergency_waits_for_no_order_that_was_held_before_it(house: Office, server: TlsSite) -> None:
    first = begun(house)
    ca_of(house).moods = [Refused("account", "the account is closed")]
    pass_(house, NOW + 50 * DAY)
    turn = emergency(house, Emergency.KEY_COMPROMISE, NOW + 51 * DAY)
    assert turn.faults == []
    assert shown(server) != first.fingerprint
    assert states(house) == [CertificateState.REVOKED, CertificateState.IN_SERVICE]


def test_a_known_key_of_a_site_that_ends_is_revoked_all_the_same(
    house: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(house)
    revoked = revoking_later(house, monkeypatch)
    emergency(house, Emergency.KEY_COMPROMISE, NOW + DAY)
    assert revoked == []
    at = house.certificates_at
    vars(house)["certificates_at"] = at.model_copy(update={"site": ()})
    pass_(house, NOW + 10 * DAY)
    assert revoked == [first.chain]
    assert states(house)[0] is CertificateState.REVOKED


def test_a_held_order_for_a_name_that_is_not_wanted_any_more_keeps_no_replacement_back(
    house: Office, server: TlsSite
) -> None:
    first = begun(house)
    before = house.certificates_at
    name_added(house)
    ca_of(house).moods = [Refused("account", "no such name")]
    pass_(house, NOW + DAY)
    with reading(house.sessions) as session:
        assert [*session.scalars(select(CaOrder.state).order_by(CaOrder.id))][-1] is CaOrderState.HELD
    vars(house)["certificates_at"] = before
    pass_(house, NOW + DAY + MINUTE)
    turn = emergency(house, Emergency.KEY_COMPROMISE, NOW + 2 * DAY)
    assert turn.faults == []
    assert shown(server) == rows(house)[1].fingerprint != first.fingerprint
    assert events(house, "left_at_ca") == ["its site has other names now, or another CA"]


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


class Dns:
    """Name servers of a host: `signed` tells whether anybody goes by their records, `away` whether they answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away, self.signed = False, True
        monkeypatch.setattr("tasks.certificate_dns.keep_tlsa", self.keep)

    def keep(self, *_: object, **__: object) -> tuple[HostKeys, ...]:
        if self.away:
            raise Transient("the name server is away")
        return (HostKeys(Place(443, SLUG), "example.test", signed=self.signed, added=0, dropped=0),)


def until_ordered(office: Office) -> datetime:
    """Passed daily until a successor is there; when its window begins."""
    day = NOW.replace(hour=3)
    while len(rows(office)) < 2:
        day += DAY
        pass_(office, day)
    swap = rows(office)[1].swap_at
    assert swap is not None
    return swap


def held_back(office: Office, server: TlsSite, monkeypatch: pytest.MonkeyPatch) -> tuple[Dns, datetime]:
    """The name servers are away since the first certificate, and its swap waits for them; when its window began."""
    dns = Dns(monkeypatch)
    first = begun(office)
    dns.away = True
    swap = until_ordered(office)
    pass_(office, swap + MINUTE)
    assert shown(server) == first.fingerprint
    return dns, swap


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_swap_waits_while_the_dns_does_not_tell_of_its_key(
    house: Office, server: TlsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    dns, swap = held_back(house, server, monkeypatch)
    dns.away = False
    pass_(house, swap + 2 * MINUTE)
    assert shown(server) == rows(house)[0].fingerprint, "resolvers remember the records of before for ten minutes"
    pass_(house, swap + 13 * MINUTE)
    assert shown(server) == rows(house)[1].fingerprint


def test_a_swap_that_has_no_other_saturday_waits_for_no_name_server(
    house: Office, server: TlsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, swap = held_back(house, server, monkeypatch)
    pass_(house, swap + 7 * DAY + MINUTE)
    assert shown(server) == rows(house)[1].fingerprint


@pytest.mark.parametrize(
    ("before", "then"),
    [
        ({"signed": False}, {"signed": False}),
        ({"signed": True}, {"signed": False}),
        ({"away": True}, {"away": True}),
        ({"signed": False}, {"away": True}),
    ],
    ids=["unsigned", "unsigned-since", "never-told", "unsigned-and-away"],
)
def test_a_swap_waits_for_no_records_that_nobody_goes_by(
    house: Office, server: TlsSite, monkeypatch: pytest.MonkeyPatch, before: dict[str, bool], then: dict[str, bool]
) -> None:
    dns = Dns(monkeypatch)
    vars(dns).update(before)
    begun(house)
    vars(dns).update(then)
    swap = until_ordered(house)
    pass_(house, swap + MINUTE)
    assert shown(server) == rows(house)[1].fingerprint


def retired_with_an_order(office: Office) -> Moody:
    """The site is retired while its renewal is under way at a busy CA; that CA."""
    ca = ca_of(office)
    ca.moods = [Transient("busy", retry_after=timedelta(days=1))]
    pass_(office, NOW + 50 * DAY)
    vars(office)["certificates_at"] = office.certificates_at.model_copy(update={"site": ()})
    pass_(office, NOW + 50 * DAY + MINUTE)
    return ca


def test_the_order_of_a_retired_site_ends_at_its_ca_too_when_that_answers(
    house: Office, clock: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(house)
    ca = retired_with_an_order(house)
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
    assert events(house, "ended_at_ca") == ["nobody wants it any more"]


def test_an_order_at_a_ca_that_no_settings_name_is_told_once_and_tried_again(
    house: Office, clock: list[datetime]
) -> None:
    begun(house)
    retired_with_an_order(house)
    vars(house)["_authorities"].clear()
    vars(house)["certificates_at"] = house.certificates_at.model_copy(update={"authority": ()})
    clock.append(NOW + 50 * DAY + 2 * MINUTE)
    for _ in range(2):
        advance_ca_orders.fn()
    [letter] = letters(house, "ca_order_left")
    assert letter.facts["authority"] == "local"
    ca_of(house)
    advance_ca_orders.fn()
    assert events(house, "ended_at_ca") == ["nobody wants it any more"], "it is tried again when its CA is there"
    advance_ca_orders.fn()
    assert len(events(house, "ended_at_ca")) == 1


def test_an_order_that_its_ca_does_not_end_is_asked_for_no_more(
    house: Office, clock: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(house)
    ca = retired_with_an_order(house)
    asked: list[str] = []

    def cancel(url: str) -> None:
        asked.append(url)
        raise Refused("ca", "it is paid")

    monkeypatch.setattr(ca, "cancel", cancel)
    clock.append(NOW + 50 * DAY + 2 * MINUTE)
    for _ in range(2):
        advance_ca_orders.fn()
    assert len(asked) == 1
    assert (events(house, "not_ended_at_ca"), events(house, "ended_at_ca")) == (["it is paid"], [])
    assert len(letters(house, "ca_order_left")) == 1


def three_sites(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three sites whose server shows whatever it gets."""
    monkeypatch.setattr("tasks.certificate_install._put", lambda *_: "")
    at = office.certificates_at
    sites = [
        at.site[0].model_copy(update={"slug": f"{each}.example.test", "names": (f"{each}.example.test",)})
        for each in "abc"
    ]
    vars(office)["certificates_at"] = at.model_copy(update={"site": tuple(sites)})


def test_a_ca_that_does_not_answer_is_not_waited_for_again_in_a_pass(
    house: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_sites(house, monkeypatch)
    pass_(house, NOW)
    ca = ca_of(house)
    ca.moods = [Transient("down", retry_after=timedelta(hours=1))] * 3
    pass_(house, NOW + 50 * DAY)
    assert len(ca.moods) == 2
    with reading(house.sessions) as session:
        query = select(CaOrder.state).where(CaOrder.purpose == "renewal").order_by(CaOrder.id)
        assert [*session.scalars(query)] == [CaOrderState.PLACED, CaOrderState.INTENDED, CaOrderState.INTENDED]
    pass_(house, NOW + 50 * DAY + MINUTE)
    assert len(ca.moods) == 1, "an order whose time has not come says nothing of its CA"


def test_a_first_certificate_is_waited_for_even_then(house: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    three_sites(house, monkeypatch)
    ca = ca_of(house)
    ca.moods = [Transient("down", retry_after=timedelta(hours=1))] * 3
    pass_(house, NOW)
    assert ca.moods == []


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
