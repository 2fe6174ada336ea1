"""The pages of certificates, looked at in a browser; the letters about them; who may read what."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jinja2
import pytest

from blocks.terms.certificate_notice import Emergency
from blocks.terms.certificate_plan import told_by
from blocks.terms.certificate_views import CertificateShown, SiteIndex, SiteLine, SitePage
from blocks.terms.zones import MOSCOW
from reports.certificate_pages import certificates_json, certificates_page, index_page, missing_page
from reports.notices import compose
from reports.pages import style
from reports.words import CERTIFICATE_STATES, EMERGENCIES
from tests.servers.chromium import chromium_page
from tests.work import NOW

DAY = timedelta(days=1)
START, END = "2027-01-09T06:00:00+00:00", "2027-01-09T08:00:00+00:00"
NAMES = ("c1.example.net", "*.c1.example.net")
ISSUER = "CN=Dogovor local authority"


def shown(state: Any = "current", **changes: Any) -> CertificateShown:
    mark = {"current": "a1", "coming": "b2", "former": "c3", "revoked": "d4"}[state]
    key = f"{mark[::-1]}" * 32
    values: dict[str, Any] = {
        "state": state,
        "fingerprint": mark * 32,
        "key_hash": key,
        "serial": "1f" * 10,
        "issuer": ISSUER,
        "names": NAMES,
        "not_before": NOW - DAY,
        "not_after": NOW + 89 * DAY,
        "swap_at": datetime.fromisoformat(START) if state == "coming" else None,
        "swap_until": datetime.fromisoformat(END) if state == "coming" else None,
        "in_service_at": NOW if state == "current" else None,
        "ended_at": NOW - DAY if state in ("former", "revoked") else None,
        "tlsa": tuple(f"_{port}._tcp.c1.example.net. IN TLSA 3 1 1 {key}" for port in (443, 5061)),
        "pem": f"/certificates/c1.example.net/{mark * 32}.pem",
        **changes,
    }
    return CertificateShown(**values)


def page_of(*certificates: CertificateShown, slug: str = "c1.example.net") -> SitePage:
    return SitePage(as_of=NOW, provider="Исполнитель", slug=slug, names=NAMES, certificates=certificates)


WHOLE = page_of(*(shown(state) for state in ("coming", "current", "former", "revoked")))


def test_the_page_says_what_is_shown_what_comes_and_when() -> None:
    page = certificates_page(WHOLE)
    for part in (
        "Замена: <strong>09.01.2027 09:00–11:00 МСК</strong>",
        "На серверах с 20.11.2026 12:00 МСК",
        "_5061._tcp.c1.example.net. IN TLSA 3 1 1 " + "1a" * 32,
        f'href="/certificates/c1.example.net/{"b2" * 32}.pem"',
        'href="/certificates/c1.example.net.json"',
        *CERTIFICATE_STATES.values(),
    ):
        assert part in page, part
    assert "<script" not in page


def test_a_page_without_a_date_or_a_certificate_says_so() -> None:
    assert "Время замены ещё не назначено" in certificates_page(page_of(shown("coming", swap_at=None)))
    assert "Сертификата ещё нет" in certificates_page(page_of())
    assert "90 дней" in missing_page()


def test_what_a_ca_wrote_into_a_certificate_is_escaped() -> None:
    page = certificates_page(page_of(shown(issuer="CN=<script>alert(1)</script>")))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_facts_for_machines_are_those_of_the_page() -> None:
    assert SitePage.model_validate(json.loads(certificates_json(WHOLE))) == WHOLE


INDEX = SiteIndex(
    as_of=NOW,
    provider="Исполнитель",
    sites=(
        SiteLine(slug="c1.example.net", names=NAMES, not_after=NOW + DAY, swap_at=datetime.fromisoformat(START)),
        SiteLine(slug="c2.example.net", names=("c2.example.net",), not_after=None, swap_at=None),
    ),
)


def test_the_index_leads_to_each_of_our_hosts() -> None:
    page = index_page(INDEX)
    assert '<a href="/certificates/c1.example.net">c1.example.net</a>' in page
    assert "действует до 21.11.2026 12:00 МСК; замена 09.01.2027 09:00 МСК" in page
    assert "сертификата ещё нет" in page
    assert "Узлов на этой странице ещё нет" in index_page(INDEX.model_copy(update={"sites": ()}))


@pytest.mark.parametrize("width", [390, 1_280])
def test_the_pages_fit_a_phone_and_a_desk(width: int) -> None:
    long = "x" * 63 + "." + "y" * 63 + ".example.net"
    wide = page_of(*WHOLE.certificates, shown(names=(long,) * 3, issuer="O=" + "Ж" * 90), slug=long)
    with chromium_page() as page:
        page.set_viewport_size({"width": width, "height": 844})
        for html in (certificates_page(wide), index_page(INDEX), missing_page()):
            page.set_content(html.replace('<link rel="stylesheet" href="/style.css">', f"<style>{style()}</style>"))
            assert page.evaluate("document.documentElement.scrollWidth") <= width


FACTS: dict[str, dict[str, Any]] = {
    "certificate_coming": {
        "agreement": "KS",
        "number": "c1.example.net",
        "names": list(NAMES),
        "zone": "Europe/Moscow",
        "swap_at": START,
        "swap_until": END,
        "fingerprint": "b2" * 32,
        "key_hash": "2b" * 32,
        "old_fingerprint": "a1" * 32,
        "page": "https://service.example.net/certificates/c1.example.net",
        "pem": "https://service.example.net/certificates/c1.example.net/b2.pem",
        "moved": False,
    },
    "ca_order_held": {
        "site": "c1.example.net",
        "names": "c1.example.net, *.c1.example.net",
        "authority": "letsencrypt",
        "reason": "CAA forbids this CA",
    },
}
FACTS["ca_order_left"] = {**FACTS["ca_order_held"], "url": "https://ca.example/order/1", "reason": "it is paid"}
FACTS["certificate_emergency"] = {
    "why": "revoked_by_ca",
    **{
        name: value
        for name, value in FACTS["certificate_coming"].items()
        if name not in ("moved", "zone", "swap_at", "swap_until")
    },
}
TOLD = {
    "certificate_coming": ("Замена сертификата c1.example.net: 09.01.2027 09:00–11:00 МСК", "Что делать: ничего"),
    "certificate_emergency": (
        "Срочная замена сертификата c1.example.net",
        "Причина: удостоверяющий центр отозвал прежний сертификат.",
    ),
    "ca_order_left": ("[оператору] Сертификат c1.example.net: заказ у letsencrypt не снят", "it is paid"),
    "ca_order_held": ("[оператору] Сертификат c1.example.net: заказ ждёт решения", "CAA forbids this CA"),
}


@pytest.mark.parametrize("kind", FACTS)
def test_a_letter_about_a_certificate_says_what_and_what_to_do(kind: str) -> None:
    composed = compose(kind, FACTS[kind], has_secret=False)
    assert composed.subject == TOLD[kind][0]
    assert TOLD[kind][1] in composed.body
    assert "\n\n\n" not in composed.body


@pytest.mark.parametrize(("kind", "missing"), [(kind, name) for kind, facts in FACTS.items() for name in facts])
def test_a_letter_about_a_certificate_without_one_fact_is_an_error(kind: str, missing: str) -> None:
    facts = {name: value for name, value in FACTS[kind].items() if name != missing}
    with pytest.raises(jinja2.UndefinedError):
        compose(kind, facts, has_secret=False)


def test_a_moved_swap_is_told_as_such_and_the_first_of_a_host_replaces_none() -> None:
    facts = FACTS["certificate_coming"] | {"moved": True, "old_fingerprint": ""}
    composed = compose("certificate_coming", facts, has_secret=False)
    assert composed.subject.startswith("Новый срок замены сертификата c1.example.net")
    assert "изменён" in composed.body
    assert "заменяемого" not in composed.body
    assert "\n\n\n" not in composed.body


def test_every_emergency_has_its_words() -> None:
    assert set(EMERGENCIES) == {str(why) for why in Emergency}


@pytest.mark.clause("KS-3.8")
@pytest.mark.parametrize(
    ("swap", "latest"),
    [
        (datetime(2027, 1, 9, 6, 0, tzinfo=UTC), datetime(2026, 12, 9, 6, 0, tzinfo=UTC)),
        (datetime(2027, 3, 31, 6, 0, tzinfo=UTC), datetime(2027, 2, 28, 6, 0, tzinfo=UTC)),
        (datetime(2028, 3, 31, 6, 0, tzinfo=UTC), datetime(2028, 2, 29, 6, 0, tzinfo=UTC)),
        (datetime(2027, 2, 28, 21, 0, tzinfo=UTC), datetime(2027, 1, 31, 21, 0, tzinfo=UTC)),
    ],
)
def test_ks_3_8_the_last_moment_to_tell_is_a_calendar_month_before(swap: datetime, latest: datetime) -> None:
    assert told_by(swap, MOSCOW) == latest
