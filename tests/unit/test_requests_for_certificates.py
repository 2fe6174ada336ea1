"""Requests (CSR) as strangers send them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from blocks.clients.ca.pem import names_asked
from blocks.errors import Refused
from tasks.order_forms import OrderDecision, OrderForm
from tests.certificates_ordered import CSR, DOMAIN, FIRM, KEY, certificate

ANOTHER = CSR.replace("\n", "\r\n")


@pytest.mark.parametrize(
    "more",
    [KEY + CSR, CSR + KEY, CSR + CSR, "Certificate Request:\n" + CSR, CSR + "\nspoken words"],
    ids=["key before", "key behind", "another", "words before", "words behind"],
)
def test_what_stands_beside_a_request_is_neither_taken_nor_kept(more: str) -> None:
    with pytest.raises(Refused, match="nothing beside it"):
        names_asked(more)
    with pytest.raises(ValidationError, match="nothing beside it"):
        OrderForm.model_validate({"order": "C-1", "customer": FIRM, "item": certificate(csr=more)})
    decision = {"order": "SSL-2026-000001", "action": "resume", "operator": "О. Петрова", "note": "так", "csr": more}
    with pytest.raises(ValidationError, match="nothing beside it"):
        OrderDecision.model_validate(decision)


def test_a_request_of_another_system_is_taken() -> None:
    assert names_asked("\n" + ANOTHER + "\n")[0] == DOMAIN
    assert names_asked(CSR.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"))[0] == DOMAIN


@pytest.mark.parametrize(
    "name",
    [
        x509.IPAddress(ip_address("192.0.2.1")),
        x509.RFC822Name("admin@example.com"),
        x509.UniformResourceIdentifier("https://example.com"),
    ],
)
def test_a_request_that_names_more_than_domains_is_refused(name: x509.GeneralName) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    )
    names = x509.SubjectAlternativeName([x509.DNSName(DOMAIN), name])
    request = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    with pytest.raises(Refused, match="no domain"):
        names_asked(request.public_bytes(serialization.Encoding.PEM).decode())


def test_a_request_whose_algorithm_nobody_knows_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    )
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    curve, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f")
    odd = x509.load_der_x509_csr(der.replace(curve, unknown))
    with pytest.raises(Refused, match="cannot be read"):
        names_asked(odd.public_bytes(serialization.Encoding.PEM).decode())
