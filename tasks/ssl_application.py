"""What an application for a certificate (SSL-4.1) must be before it is an order: whatever can be seen without a CA."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from blocks.clients.ca.addresses import DomainName
from blocks.clients.ca.pem import names_asked
from blocks.errors import Refused
from blocks.terms.ssl import NamesFacts, sold_for
from blocks.terms.ssl_prices import PRODUCTS, Product

_NAME: TypeAdapter[str] = TypeAdapter(DomainName)


def names_of(csr: str) -> tuple[str, ...]:
    """The names of a customer's request, the leading one first. Raises Refused for a request that will not do."""
    try:
        names = tuple(_NAME.validate_python(name) for name in names_asked(csr))
    except ValidationError:
        raise Refused("csr", "a name of the request (CSR) is no domain in its DNS form (xn--)") from None
    if not names:
        raise Refused("csr", "the request (CSR) names no domain")
    return names


def why_refused(product: str, domain: str, csr: str) -> str:
    """Why nobody could carry out an application, in plain words; empty where somebody can.

    `csr` is the customer's request as PEM, whose leading name is `domain`.
    """
    if product not in PRODUCTS:
        return "the price list has no such product"
    try:
        names = names_of(csr)
    except Refused as refusal:
        return str(refusal)
    if names[0] != domain:
        return "the leading name of the request (CSR) is not the domain of the application"
    sold = sold_for(NamesFacts(product=product, names=names))
    return _beyond(PRODUCTS[product], names) if sold.allowed else sold.what


def _beyond(product: Product, names: tuple[str, ...]) -> str:
    """A product is for one name: beside it stand only its `www.`, or what a wildcard lies under."""
    leading = names[0]
    if leading.startswith("*.") != product.wildcard:
        return f"{product.title} is {'for a wildcard name (*.)' if product.wildcard else 'for no wildcard name'}"
    bare = leading.removeprefix("*.")
    beside = {bare} if product.wildcard else {f"www.{bare}", bare.removeprefix("www.")}
    if not set(names) <= {leading, *beside}:
        return f"{product.title} is for one name; the request (CSR) has others beside it"
    return ""
