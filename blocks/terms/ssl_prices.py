"""What the certificate reseller (SSL) sells, and the four price tables of its Appendix 1. No VAT is added.

A price is for one year. Residents of Belarus pay in roubles of Belarus; others choose among the currencies of the row.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Literal

from blocks.errors import NotFound
from blocks.terms.base import Frozen
from blocks.terms.money import Currency, Money
from blocks.terms.tariffs import Timeline

Validation = Literal["DV", "OV", "EV"]
Brand = Literal["GlobalSign", "Sectigo", "GeoTrust"]
NATIONAL_ZONES = frozenset({"by", "бел", "xn--90ais", "ru", "рф", "xn--p1ai", "su"})
"""The national zones of Belarus and Russia, those in Cyrillic in both of their spellings."""

_OTHER_DOTS = str.maketrans(dict.fromkeys("。．｡", "."))


class Product(Frozen):
    """A certificate that is sold. `reseller` is the name under which the reseller's price list has it.

    `abroad` marks the second list: it is not for names in national zones (SSL-A1b). `validation` says what the CA
    examines: the domain alone (DV), the organization (OV), or the organization at length (EV).
    """

    code: str
    title: str
    brand: Brand
    validation: Validation
    wildcard: bool
    abroad: bool
    reseller: str


class YearlyPrices(Frozen):
    """A year of one product: for residents of Belarus, and for others by currency."""

    resident: Money
    others: Mapping[Currency, Money]

    def of(self, *, resident: bool, currency: Currency) -> Money:
        """The price. Raises NotFound where that residence does not pay in that currency."""
        prices: Mapping[Currency, Money] = {"BYN": self.resident} if resident else self.others
        if currency not in prices:
            whose = "residents" if resident else "non-residents"
            raise NotFound(f"price for {whose} in", f"{currency}, only in {', '.join(prices)}")
        return prices[currency]


def _products(*rows: tuple[str, str, Brand, Validation, bool, bool, str]) -> Mapping[str, Product]:
    names = tuple(Product.model_fields)
    return MappingProxyType({row[0]: Product.model_validate(dict(zip(names, row, strict=True))) for row in rows})


PRODUCTS: Mapping[str, Product] = _products(
    ("alphassl", "AlphaSSL", "GlobalSign", "DV", False, False, "AlphaSSL"),
    ("alphassl-wc", "AlphaSSL WC", "GlobalSign", "DV", True, False, "AlphaSSL Wildcard"),
    ("domain-serversign", "Domain ServerSign", "GlobalSign", "DV", False, False, "GlobalSign DomainSSL"),
    ("domain-serversign-wc", "Domain ServerSign WC", "GlobalSign", "DV", True, False, "GlobalSign DomainSSL Wildcard"),
    ("org-serversign", "Organization ServerSign", "GlobalSign", "OV", False, False, "GlobalSign OrganizationSSL"),
    (
        "org-serversign-wc",
        "Organization ServerSign WC",
        "GlobalSign",
        "OV",
        True,
        False,
        "GlobalSign OrganizationSSL Wildcard",
    ),
    ("ev-ssl", "EV SSL", "GlobalSign", "EV", False, False, "GlobalSign ExtendedSSL"),
    ("positivessl", "Sectigo PositiveSSL", "Sectigo", "DV", False, True, "Sectigo PositiveSSL"),
    ("positivessl-wc", "Sectigo PositiveSSL Wildcard", "Sectigo", "DV", True, True, "Sectigo PositiveSSL Wildcard"),
    ("truebusinessid", "GeoTrust TrueBusinessID OV(Flex)", "GeoTrust", "OV", False, True, "GeoTrust TrueBusiness ID"),
    (
        "truebusinessid-wc",
        "GeoTrust TrueBusinessID Wildcard",
        "GeoTrust",
        "OV",
        True,
        True,
        "GeoTrust TrueBusiness ID Wildcard",
    ),
    ("truebusinessid-ev", "GeoTrust TrueBusinessID EV", "GeoTrust", "EV", False, True, "GeoTrust TrueBusiness ID EV"),
    ("instantssl", "Sectigo InstantSSL", "Sectigo", "OV", False, True, "Sectigo InstantSSL"),
    ("premium-wc", "Sectigo Premium Wildcard SSL", "Sectigo", "OV", True, True, "Sectigo PremiumSSL Wildcard"),
    ("sectigo-ev", "Sectigo EV SSL", "Sectigo", "EV", False, True, "Sectigo EV SSL"),
)
"""All products by code, in the order of the Appendix. Where the reseller uses another name, its client is told."""


def _prices(rows: Mapping[str, tuple[str, ...]]) -> Mapping[str, YearlyPrices]:
    currencies: tuple[Currency, ...] = ("BYN", "EUR", "USD", "RUB")
    found = {}
    for code, (resident, *others) in rows.items():
        named = zip(currencies[-len(others) :], others, strict=True)
        prices = {currency: Money.of(amount, currency) for currency, amount in named}
        found[code] = YearlyPrices(resident=Money.of(resident, "BYN"), others=prices)
    return MappingProxyType(found)


PRICES: Timeline[Mapping[str, YearlyPrices]] = Timeline(
    "SSL price list",
    [
        (
            date(2024, 3, 14),
            _prices(
                {  # residents' BYN; then BYN (the first list alone), EUR, USD, RUB of others
                    "alphassl": ("67.00", "67", "19", "21", "2130"),
                    "alphassl-wc": ("270.00", "270", "71", "78", "7945"),
                    "domain-serversign": ("300.00", "300", "71", "78", "7945"),
                    "domain-serversign-wc": ("1040.00", "1040", "214", "234", "23830"),
                    "org-serversign": ("400.00", "400", "90", "98", "10010"),
                    "org-serversign-wc": ("1080.00", "1080", "243", "266", "27010"),
                    "ev-ssl": ("1025.00", "1025", "237", "259", "26375"),
                    "positivessl": ("45.00", "12.50", "14", "1250"),
                    "positivessl-wc": ("325.00", "98.20", "110", "9820"),
                    "truebusinessid": ("350.00", "105.40", "118", "10540"),
                    "truebusinessid-wc": ("1370.00", "413.60", "463.20", "41360"),
                    "truebusinessid-ev": ("650.00", "195.40", "218.80", "19540"),
                    "instantssl": ("150.00", "44.60", "50", "4460"),
                    "premium-wc": ("860.00", "260.70", "292", "26070"),
                    "sectigo-ev": ("555.00", "167.90", "188", "16790"),
                }
            ),
        )
    ],
)
"""Price lists by the day from which each holds, all four tables of it."""


def product(code: str) -> Product:
    """The product of that code. Raises NotFound."""
    if code not in PRODUCTS:
        raise NotFound("SSL product", code)
    return PRODUCTS[code]


def price_on(code: str, day: date, *, resident: bool, currency: Currency) -> Money:
    """What a year of a product costs on a day. Raises NotFound for what the lists of that day do not have."""
    listed = PRICES.on(day)
    if code not in listed:
        raise NotFound("SSL product", code)
    return listed[code].of(resident=resident, currency=currency)


def national_names(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that lie in a national zone, as they were given.

    A name may be in Unicode or `xn--`, in any case, with a wildcard, with a dot at its end.
    """
    return tuple(name for name in names if _top_label(name) in NATIONAL_ZONES)


def _top_label(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name.translate(_OTHER_DOTS)).casefold().strip()
    return plain.rstrip(".").rpartition(".")[2]
