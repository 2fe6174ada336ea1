"""Certificates of our own hosts rotated by the clock: ordered, published, announced, swapped in their window."""

from __future__ import annotations

from datetime import datetime, timedelta
from shutil import rmtree

import pytest
from sqlalchemy import delete, func, select, text

from blocks.clients.ca.protocol import Advice
from blocks.errors import Refused, Transient
from blocks.issued import keys_told
from blocks.ledger import (
    CaOrder,
    CaOrderState,
    Certificate,
    CertificateEvent,
    CertificateState,
    Obligation,
    ObligationState,
    Site,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.terms.certificate_notice import Emergency
from blocks.terms.certificate_plan import told_by
from blocks.terms.zones import MOSCOW
from flows.rotating import rotate_all, turn_site
from reports.certificate_story import story_markdown, story_row
from tasks.ca_following import follow
from tasks.certificate_acts import cancel_order, intended, issue, resume_order
from tasks.certificate_forms import CaOrderForm, IssueForm
from tasks.certificate_pages import site_index, site_page
from tasks.certificate_sites import keep_sites
from tasks.certificate_stories import certificate_story
from tests.complexes import Servers, given
from tests.rotation_work import (
    SLUG,
    Moody,
    begun,
    ca_of,
    emergency,
    events,
    findings,
    issued_for,
    letters,
    pass_,
    rows,
    shown,
    states,
    two_coming,
)
from tests.servers.tls_site import TlsSite
from tests.work import COMPANY, DAY, MINUTE, NOW, drain, ks, ordered, put_receipt, service_of


def saturday_window(at: datetime) -> bool:
    """Whether a moment (UTC) is in Saturday 09:00-11:00 Moscow."""
    local = at + timedelta(hours=3)
    return local.weekday() == 5 and 9 <= local.hour < 11


def lived_through(office: Office, days: int) -> list[Certificate]:
    """Passed day by day and in every window, never without a valid certificate; those that served."""
    day = NOW.replace(hour=3)
    for _ in range(days):
        pass_(office, day)
        if saturday_window(window := day.replace(hour=6, minute=15)):
            pass_(office, window)
        current = [row for row in rows(office) if row.state is CertificateState.IN_SERVICE]
        assert len(current) == 1
        assert current[0].not_before <= day < current[0].not_after
        day += DAY
    return sorted((row for row in rows(office) if row.in_service_at), key=lambda row: row.in_service_at or day)


def promised(office: Office, served: list[Certificate]) -> None:
    """Whether every swap was in its window, announced and published a calendar month before, and nothing was found."""
    for row in served[1:]:
        assert row.in_service_at is not None
        assert row.published_at is not None
        assert row.announced_at is not None
        assert saturday_window(row.in_service_at)
        assert max(row.published_at, row.announced_at) <= told_by(row.in_service_at, MOSCOW)
    assert findings(office) == []
    assert set(events(office, "swap")) == {"allowed: announced and published a calendar month ahead"}


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_year_of_ninety_days_has_no_gap_and_every_swap_was_told_a_month_ahead(
    house: Office, server: TlsSite
) -> None:
    served = lived_through(house, 400)
    made = rows(house)
    assert 6 <= len(served) <= 13
    promised(house, served)
    assert shown(server) == served[-1].fingerprint
    assert all(row.sealed_key is None for row in served[:-1]), "keys of what is retired are gone"
    told = letters(house, "certificate_coming")
    assert len(told) == 2 * len([row for row in made if row.announced_at is not None])
    with reading(house.sessions) as session:
        owed = set(session.scalars(select(Obligation.state).where(Obligation.clause == "KS-3.8")))
        assert owed <= {ObligationState.FULFILLED, ObligationState.OPEN}


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_with_47_days_the_next_is_announced_before_the_last_one_serves_and_no_promise_is_broken(
    house: Office, server: TlsSite
) -> None:
    issued_for(house, 47)
    served = lived_through(house, 200)
    assert len(served) >= 12
    promised(house, served)
    assert shown(server) == served[-1].fingerprint
    made = rows(house)
    assert [row.replaces_id for row in made] == [None, *(row.id for row in made[:-1])]
    assert [row.id for row in made[: len(served)]] == [row.id for row in served]
    assert len(made) > len(served) + 1, "more than one is on its way"
    told = letters(house, "certificate_coming")
    assert len(told) == 2 * (len(made) - 1), "each is told of once"
    assert events(house, "dropped") == []


def test_the_first_certificate_of_a_host_is_shown_at_once_and_nobody_is_told(house: Office, server: TlsSite) -> None:
    first = begun(house)
    assert shown(server) == first.fingerprint
    assert letters(house, "certificate_coming") == []
    assert events(house, "first_swap") == [
        "the first certificate of its site: none was shown before, so there was nothing to announce"
    ]
    pass_(house, NOW + DAY)
    assert states(house) == [CertificateState.IN_SERVICE]


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_first_certificate_in_the_place_of_one_from_elsewhere_is_an_exception_on_record(
    house: Office, server: TlsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = house.authority.of(SLUG)
    server.loaded.write_text(bundle.both)
    before = shown(server)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.certificate_rotation.install", lambda *_, **__: (_ for _ in ()).throw(Transient("away")))
        pass_(house, NOW)
    first = begun(house)
    assert shown(server) == first.fingerprint != before
    [why] = events(house, "first_swap")
    assert why.startswith("an exception: ")
    assert before in why
    pass_(house, NOW + DAY)
    assert len(events(house, "first_swap")) == 1


def test_a_known_key_is_replaced_at_once_told_of_and_its_certificate_revoked(house: Office, server: TlsSite) -> None:
    first = begun(house)
    turn = emergency(house, Emergency.KEY_COMPROMISE, NOW + DAY)
    assert turn.faults == []
    [former, now] = rows(house)
    assert (former.state, former.sealed_key) == (CertificateState.REVOKED, None)
    assert former.revoked_at == NOW + DAY
    assert (now.state, now.emergency) == (CertificateState.IN_SERVICE, "key_compromise")
    assert now.key_hash != first.key_hash
    assert shown(server) == now.fingerprint
    assert now.announced_at is not None
    assert [letter.recipient for letter in letters(house, "certificate_emergency")] == [
        "a@example.test",
        "b@example.test",
    ]
    assert events(house, "emergency") == ["key_compromise: so it is"]
    assert [why.startswith("allowed: no planned replacement") for why in events(house, "swap")] == [True]
    pass_(house, NOW + 2 * DAY)
    assert len(rows(house)) == 2
    assert len(letters(house, "certificate_emergency")) == 2


def test_an_emergency_takes_the_successor_that_is_there(house: Office, server: TlsSite) -> None:
    begun(house)
    pass_(house, NOW + 50 * DAY)
    [_, coming] = rows(house)
    emergency(house, Emergency.CA_ADVICE, NOW + 50 * DAY + MINUTE)
    assert shown(server) == coming.fingerprint
    assert states(house) == [CertificateState.RETIRED, CertificateState.IN_SERVICE]


def test_a_ca_that_wants_it_replaced_now_is_heard_within_its_next_advice(house: Office, server: TlsSite) -> None:
    first = begun(house)
    house.ca("local").revoke(first.chain, 4)
    pass_(house, NOW + DAY)
    [former, now] = rows(house)
    assert (former.state, now.emergency) == (CertificateState.RETIRED, "ca_advice")
    assert shown(server) == now.fingerprint
    assert len(letters(house, "certificate_emergency")) == 2


def test_an_emergency_waits_for_its_ca_and_goes_on_with_the_next_pass(house: Office, server: TlsSite) -> None:
    first = begun(house)
    ca_of(house).moods = [Transient("busy", retry_after=timedelta(minutes=10))]
    emergency(house, Emergency.KEY_COMPROMISE, NOW + DAY)
    assert shown(server) == first.fingerprint
    pass_(house, NOW + DAY + 15 * MINUTE)
    assert states(house) == [CertificateState.REVOKED, CertificateState.IN_SERVICE]
    assert shown(server) == rows(house)[1].fingerprint


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_held_order_is_told_once_and_the_swap_that_then_breaks_the_promise_is_on_record(
    house: Office, server: TlsSite
) -> None:
    begun(house)
    ca_of(house).moods = [Refused("account", "the account is closed")]
    day = NOW.replace(hour=3)
    while not letters(house, "ca_order_held"):
        day += DAY
        pass_(house, day)
        assert day < NOW + 80 * DAY
    for _ in range(3):
        day += DAY
        pass_(house, day)
    assert ("rotation", True) in findings(house)
    assert len(letters(house, "ca_order_held")) == 1
    resume_order(house, CaOrderForm(slug=SLUG, operator="О. Петрова", note="paid"), now=NOW + 70 * DAY)
    day = NOW.replace(hour=3) + 71 * DAY
    for _ in range(19):
        pass_(house, day)
        if saturday_window(window := day.replace(hour=6, minute=15)):
            pass_(house, window)
        current = [row for row in rows(house) if row.state is CertificateState.IN_SERVICE]
        assert [row.not_after > day for row in current] == [True]
        day += DAY
    assert states(house)[:2] == [CertificateState.RETIRED, CertificateState.IN_SERVICE]
    assert any(why.startswith("refused: announced less than a calendar month ahead") for why in events(house, "swap"))
    kinds = [letter.facts["kind"] for letter in letters(house, "finding_opened")]
    assert kinds.count("promise") == 1


def test_a_server_that_does_not_show_it_keeps_the_former_one_until_a_later_turn(
    house: Office, server: TlsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(house)
    day, swap = NOW.replace(hour=3), None
    while swap is None or day.date() < swap.date():
        day += DAY
        pass_(house, day)
        swap = max((row.swap_at for row in rows(house) if row.swap_at is not None), default=None)
    monkeypatch.setattr("blocks.clients.consumers.PROVE_SECONDS", 0.2)
    window = swap + MINUTE
    server.loaded.unlink()
    server.loaded.mkdir()  # what it reads is nothing that it can show
    turn = turn_site(house, SLUG, worker="pass", now=window)
    rmtree(server.loaded)
    assert turn.faults != []
    assert len(events(house, "install_failed")) == 1
    assert states(house)[0] is CertificateState.IN_SERVICE
    pass_(house, window + 15 * MINUTE)
    assert states(house) == [CertificateState.RETIRED, CertificateState.IN_SERVICE]
    assert shown(server) != first.fingerprint


def test_a_site_that_the_file_names_no_longer_is_retired_with_its_keys(house: Office) -> None:
    begun(house)
    vars(house)["certificates_at"] = house.certificates_at.model_copy(update={"site": ()})
    pass_(house, NOW + DAY)
    [row] = rows(house)
    assert (row.state, row.sealed_key) == (CertificateState.RETIRED, None)
    with reading(house.sessions) as session:
        assert session.scalar(select(func.count()).select_from(Site).where(Site.retired_at.is_(None))) == 0


def test_a_successor_that_ended_before_it_served_makes_way_for_another(house: Office, server: TlsSite) -> None:
    begun(house)
    pass_(house, NOW + 50 * DAY)
    spent = rows(house)[1]
    pass_(house, NOW + 141 * DAY)
    assert states(house) == [CertificateState.RETIRED, CertificateState.RETIRED, CertificateState.IN_SERVICE]
    assert (rows(house)[1].in_service_at, rows(house)[1].sealed_key) == (None, None)
    assert shown(server) == rows(house)[2].fingerprint
    assert events(house, "dropped") == ["it ended before it served"]
    with reading(house.sessions) as session:
        owed = select(func.count()).select_from(Obligation).where(Obligation.state == ObligationState.OPEN)
        assert session.scalar(owed.where(Obligation.subject == f"certificate {spent.id} of {SLUG}")) == 0


def test_of_two_successors_the_last_one_serves_and_the_other_never_comes_back(house: Office, server: TlsSite) -> None:
    begun(house)
    pass_(house, NOW + 50 * DAY)
    issue(house, IssueForm(slug=SLUG, operator="О. Петрова"), now=NOW + 50 * DAY)
    with reading(house.sessions) as session:
        site = session.scalars(select(Site.id)).one()
    follow(house, site, worker="person", now=NOW + 50 * DAY, patience=timedelta(0))
    day = NOW.replace(hour=3) + 51 * DAY
    for _ in range(70):
        pass_(house, day)
        if saturday_window(window := day.replace(hour=6, minute=15)):
            pass_(house, window)
        day += DAY
    made = rows(house)
    assert made[1].state is CertificateState.RETIRED
    assert made[1].in_service_at is None
    assert events(house, "dropped") == ["another was issued in its place"]
    assert made[2].in_service_at is not None
    assert shown(server) == next(row.fingerprint for row in made if row.state is CertificateState.IN_SERVICE)


def owed_of(office: Office, row: Certificate) -> set[ObligationState]:
    with reading(office.sessions) as session:
        query = select(Obligation.state).where(Obligation.subject == f"certificate {row.id} of {SLUG}")
        return set(session.scalars(query))


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_an_emergency_takes_the_next_one_and_what_was_told_of_those_after_it_holds(
    house: Office, server: TlsSite
) -> None:
    day = two_coming(house)
    [_, following, later] = rows(house)
    assert emergency(house, Emergency.KEY_COMPROMISE, day + MINUTE).faults == []
    assert shown(server) == following.fingerprint
    assert states(house) == [CertificateState.REVOKED, CertificateState.IN_SERVICE, CertificateState.ANNOUNCED]
    assert later.swap_at is not None
    while day + DAY < later.swap_at:
        day += DAY
        pass_(house, day)
    assert rows(house)[2].swap_at == later.swap_at
    assert all(not letter.facts["moved"] for letter in letters(house, "certificate_coming"))
    pass_(house, later.swap_at + MINUTE)
    assert shown(server) == later.fingerprint
    assert events(house, "swap")[1:] == ["allowed: announced and published a calendar month ahead"]


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_with_one_that_is_overtaken_goes_what_was_to_follow_it_and_customers_hear_of_the_change(
    house: Office,
) -> None:
    day = two_coming(house)
    issue(house, IssueForm(slug=SLUG, operator="О. Петрова"), now=day)
    with reading(house.sessions) as session:
        site = session.scalars(select(Site.id)).one()
    follow(house, site, worker="person", now=day, patience=timedelta(0))
    pass_(house, day + DAY)
    made = rows(house)
    assert [row.state for row in made[1:3]] == [CertificateState.RETIRED] * 2
    assert [row.sealed_key for row in made[1:3]] == [None, None]
    assert made[3].state is CertificateState.ANNOUNCED
    assert events(house, "dropped") == ["another was issued in its place"] * 2
    for row in made[1:3]:
        assert ObligationState.OPEN not in owed_of(house, row)
    told = letters(house, "certificate_coming")
    assert [letter.facts["moved"] for letter in told] == [False] * 4 + [True] * (len(told) - 4)
    assert [letter.facts["fingerprint"] for letter in told[4:6]] == [made[3].fingerprint] * 2


def test_the_one_after_a_successor_that_ended_serves_in_its_place(house: Office, server: TlsSite) -> None:
    day = two_coming(house)
    [first, ended, later] = rows(house)
    assert day < ended.not_after < later.not_after
    pass_(house, ended.not_after + MINUTE)
    made = rows(house)
    assert [row.state for row in made[:3]] == [
        CertificateState.RETIRED,
        CertificateState.RETIRED,
        CertificateState.IN_SERVICE,
    ]
    assert (made[1].in_service_at, made[2].replaces_id) == (None, first.id)
    assert shown(server) == later.fingerprint


def test_the_public_page_and_the_dns_tell_of_all_that_come_the_next_one_first(house: Office) -> None:
    day = two_coming(house)
    [first, following, later] = rows(house)
    shown_there = site_page(house, SLUG, now=day).certificates
    assert [line.fingerprint for line in shown_there] == [
        following.fingerprint,
        later.fingerprint,
        first.fingerprint,
    ]
    assert [line.swap_at for line in site_index(house, now=day).sites] == [following.swap_at]
    assert story_row(certificate_story(house.sessions, SLUG, now=day))["comes"].startswith(following.fingerprint[:16])
    with reading(house.sessions) as session:
        told = keys_told(session, following.site_id, now=day)
    assert set(told) == {first.key_hash, following.key_hash, later.key_hash}


def test_the_dns_is_told_of_what_ended_when_it_was_revoked_and_when_it_is_forgotten(
    house: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[str]] = []

    def keep(office: Office, site_id: int, *, now: datetime) -> tuple[()]:
        with reading(office.sessions) as session:
            site = session.get_one(Site, site_id)
            told.append([*keys_told(session, site_id, now=now)] if site.retired_at is None else [])
        return ()

    monkeypatch.setattr("tasks.certificate_dns.keep_tlsa", keep)
    begun(house)
    emergency(house, Emergency.KEY_COMPROMISE, NOW + DAY)
    [_, now] = rows(house)
    assert told[-1] == [now.key_hash], "the key that others know is vouched for no more"
    emergency(house, Emergency.CA_ADVICE, NOW + 10 * DAY)
    last = rows(house)[-1]
    assert told[-1] == [now.key_hash, last.key_hash]
    pass_(house, NOW + 10 * DAY + timedelta(hours=1))
    assert told[-1] == [last.key_hash]
    vars(house)["certificates_at"] = house.certificates_at.model_copy(update={"site": ()})
    pass_(house, NOW + 20 * DAY)
    assert told[-1] == []
    before = len(told)
    pass_(house, NOW + 30 * DAY)
    assert len(told) == before


def test_a_known_key_is_revoked_at_the_ca_that_issued_its_certificate(house: Office) -> None:
    first = begun(house)
    other = house.certificates_at.authority[0].model_copy(update={"name": "other"})
    site = house.certificates_at.site[0].model_copy(update={"authority": "other"})
    at = house.certificates_at
    vars(house)["certificates_at"] = at.model_copy(update={"authority": (*at.authority, other), "site": (site,)})
    revoked: list[str] = []
    old = ca_of(house)
    old.revoke = lambda chain, reason: revoked.append(chain) if reason else None  # type: ignore[method-assign]
    vars(house)["_authorities"]["other"] = Moody(house)
    pass_(house, NOW + DAY)
    emergency(house, Emergency.KEY_COMPROMISE, NOW + DAY)
    assert revoked == [first.chain]


def test_sites_whose_window_is_open_are_turned_first(house: Office) -> None:
    begun(house)
    early = house.certificates_at.site[0].model_copy(update={"slug": "z.example.test", "names": ("z.example.test",)})
    at = house.certificates_at
    vars(house)["certificates_at"] = at.model_copy(update={"site": (*at.site, early)})
    pass_(house, NOW)
    assert keep_sites(house, now=NOW) == [SLUG, "z.example.test"]
    with transaction(house.sessions) as session:
        due = session.scalars(select(Certificate).where(Certificate.state == CertificateState.ISSUED)).one()
        due.swap_at, due.swap_until = NOW, NOW + timedelta(hours=2)
    assert keep_sites(house, now=NOW) == ["z.example.test", SLUG]
    assert keep_sites(house, now=NOW + timedelta(hours=2)) == [SLUG, "z.example.test"]


def planned_swap(office: Office) -> datetime:
    """Begun and passed daily, until the morning before the swap, which is told."""
    begun(office)
    day = NOW.replace(hour=3)
    while (swap := max((row.swap_at for row in rows(office) if row.swap_at), default=None)) is None or day + DAY < swap:
        day += DAY
        pass_(office, day)
    return swap


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_site_whose_turn_comes_when_its_window_is_over_is_not_swapped(house: Office, server: TlsSite) -> None:
    swap = planned_swap(house)
    moments = iter([swap + MINUTE, swap + timedelta(hours=2)])
    rotate_all(house, worker="pass", clock=lambda: next(moments, swap + timedelta(hours=2)))
    assert states(house)[0] is CertificateState.IN_SERVICE
    assert shown(server) == rows(house)[0].fingerprint


def test_a_turn_that_fails_says_nothing_of_a_promise_that_cannot_be_kept(
    house: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(house)
    late = NOW + 75 * DAY
    pass_(house, late)
    assert findings(house) == [("promise", True)]
    for module in ("flows.rotating.rotate_site", "flows.rotating.announce"):
        with monkeypatch.context() as patch:
            patch.setattr(module, lambda *_, **__: (_ for _ in ()).throw(Transient("away")))
            pass_(house, late + DAY)
        assert ("promise", True) in findings(house)
        assert ("rotation", True) in findings(house)
    assert len(letters(house, "finding_closed")) == 0


def test_a_ca_whose_advice_was_over_when_it_issued_replaces_nothing_for_ever(house: Office) -> None:
    begun(house)
    window = Advice(start=NOW - 9 * DAY, end=NOW - 2 * DAY, ask_at=NOW)
    ca_of(house).advice = lambda *_, **__: window  # type: ignore[method-assign]
    for day in range(1, 4):
        pass_(house, NOW + day * DAY)
    assert states(house) == [CertificateState.IN_SERVICE]


def test_a_ca_that_gives_no_advice_just_now_is_no_finding(house: Office) -> None:
    begun(house)

    def silent(chain: str, *, now: datetime) -> None:
        del chain, now
        raise Transient("busy")

    ca_of(house).advice = silent  # type: ignore[method-assign]
    pass_(house, NOW + DAY)
    assert findings(house) == []


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_missed_window_is_told_of_once_and_what_was_told_then_holds(house: Office, server: TlsSite) -> None:
    first = begun(house)
    with transaction(house.sessions) as session:  # the CA wants it early, and says no more
        row = session.get_one(Certificate, first.id)
        row.window_start, row.window_end = NOW + 10 * DAY, NOW + 45 * DAY
        row.window_ask_at = NOW + 400 * DAY
    day, swap = NOW.replace(hour=3), None
    while swap is None or day + DAY < swap:
        day += DAY
        pass_(house, day)
        swap = max((row.swap_at for row in rows(house) if row.swap_at is not None), default=None)
    before = len(letters(house, "certificate_coming"))
    for _ in range(3):  # nobody was there on Saturday
        day += DAY
        pass_(house, day)
    told = letters(house, "certificate_coming")[before:]
    assert [letter.facts["moved"] for letter in told] == [True, True]
    moved = rows(house)[1].swap_at
    assert moved is not None
    assert [datetime.fromisoformat(letter.facts["swap_at"]) for letter in told] == [moved, moved]
    announced = rows(house)[1].announced_at
    assert announced is not None
    assert announced <= told_by(moved, MOSCOW)
    pass_(house, moved + MINUTE)
    assert shown(server) == rows(house)[1].fingerprint


def test_one_site_that_fails_stops_no_other(house: Office, server: TlsSite) -> None:
    broken = house.certificates_at.site[0].model_copy(update={"slug": "a.example.test", "consumers": ("gone",)})
    sites = (broken, *house.certificates_at.site)
    vars(house)["certificates_at"] = house.certificates_at.model_copy(update={"site": sites})
    turns = {turn.slug: turn for turn in rotate_all(house, worker="pass", clock=lambda: NOW)}
    assert turns["a.example.test"].faults != []
    assert turns[SLUG].faults == []
    assert findings(house) == [("rotation", True)]
    vars(house)["certificates_at"] = house.certificates_at.model_copy(update={"site": sites[1:]})
    pass_(house, NOW + DAY)
    assert findings(house) == [("rotation", False)]


def test_a_service_that_was_active_before_gets_its_certificate_with_the_first_pass(house: Office) -> None:
    servers = Servers()
    given(house, servers)
    vars(house)["certificates_at"] = house.certificates_at.model_copy(update={"customers": "local"})
    number = ordered(house, "A-1", ks(2), COMPANY)
    put_receipt(house, number, "13989.00", "B-1", NOW + MINUTE)
    drain(house, NOW + MINUTE)
    forget_certificates(house)
    pass_(house, NOW + DAY)
    domain = service_of(house, number).name
    with reading(house.sessions) as session:
        site = session.scalars(select(Site).where(Site.slug == domain)).one()
        row = session.scalars(select(Certificate).where(Certificate.site_id == site.id)).one()
        assert row.state is CertificateState.IN_SERVICE
        assert site.order_id is not None
    assert servers.bundles[domain].chain == row.chain
    assert "publish_names" in servers.calls[-2:]


def forget_certificates(office: Office) -> None:
    """The ledger as an earlier release left it."""
    with transaction(office.sessions) as session:
        for trigger in session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            if trigger.startswith("certificate"):
                session.execute(text(f"DROP TRIGGER {trigger}"))
        for table in (CertificateEvent, Certificate, CaOrder, Site):
            session.execute(delete(table))


def test_a_person_orders_ends_and_resumes_with_a_name_on_record(house: Office) -> None:
    form = IssueForm(names=("one.example.test", "two.example.test"), authority="local", operator="О. Петрова")
    assert intended(house, form) == ("one.example.test", ("one.example.test", "two.example.test"), "local")
    site = issue(house, form, now=NOW)
    assert follow(house, site, worker="w", now=NOW, patience=MINUTE) is CaOrderState.ISSUED
    assert events(house, "asked_for") == ["by О. Петрова"]
    act = CaOrderForm(slug="one.example.test", operator="О. Петрова", note="not needed")
    with pytest.raises(Refused, match="is held"):
        resume_order(house, act, now=NOW)
    with pytest.raises(Refused, match="is open"):
        cancel_order(house, act, now=NOW)
    assert issue(house, IssueForm(slug="one.example.test", operator="О. Петрова"), now=NOW + DAY) == site
    assert cancel_order(house, act, now=NOW + DAY).endswith("is cancelled")
    with reading(house.sessions) as session:
        assert [order.state for order in session.scalars(select(CaOrder).order_by(CaOrder.id))] == [
            CaOrderState.ISSUED,
            CaOrderState.CANCELLED,
        ]
    with pytest.raises(Refused, match="other names"):
        intended(house, IssueForm(names=("x.example.test",), slug="one.example.test", operator="О. Петрова"))
    with pytest.raises(Refused, match="needs its names"):
        intended(house, IssueForm(slug="nowhere.example.test", operator="О. Петрова"))


def test_the_story_of_a_site_says_what_stands_what_comes_and_what_happened(house: Office) -> None:
    begun(house)
    pass_(house, NOW + 50 * DAY)
    story = certificate_story(house.sessions, SLUG, now=NOW + 50 * DAY)
    text_ = story_markdown(story)
    [first, coming] = rows(house)
    assert first.fingerprint[:16] in text_
    assert "swap_planned" in text_
    row = story_row(story)
    assert row["shows"] == first.fingerprint[:16]
    assert row["comes"].startswith(coming.fingerprint[:16])
    assert row["order"] == "issued"
