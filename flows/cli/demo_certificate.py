"""The demo's certificate: an application with the customer's own request, paid from its personal account."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from blocks.clients.ca.pem import new_key, request_for
from blocks.terms.certificates import KeyKind

if TYPE_CHECKING:
    from flows.cli.demo_play import Demo

BUYER = {"kind": "company", "name": "ООО «Василёк»", "email": "it@vasilek.example.net", "inn": "190000000"}


def certificate_item() -> dict[str, Any]:
    """A customer's application for a certificate; its key is the customer's own, and nobody else sees it."""
    domain = "shop.vasilek.example.net"
    applicant = {"first_name": "Анна", "last_name": "Примерова", "position": "Директор", "phone": "+375170000000"}
    place = {"address": "ул. Примерная, 1", "city": "Минск", "region": "Минск", "postcode": "220000", "country": "BY"}
    return {
        "agreement": "SSL",
        "product": "alphassl",
        "residence": "resident",
        "currency": "BYN",
        "domain": domain,
        "csr": request_for([domain], new_key(KeyKind.EC_P256)),
        "applicant": applicant | place,
        "authority_stated": True,
        "pay_from": "account",
    }


def top_up(demo: Demo) -> str:
    """Put the price of the certificate on the account that the first letter names."""
    [account] = set(re.findall(r"LS-[0-9]+", demo.letter("shop-7", "лицевого счёта")))
    price = str(demo.story("shop-7").price.amount)
    return demo.command("receipt", "--account", account, price, "BANK-3", "--currency", "BYN", "--payer", BUYER["name"])
