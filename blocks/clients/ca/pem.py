"""Keys, requests and certificates as PEM: made, read, and put together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from blocks.errors import Refused
from blocks.terms.certificates import KeyKind, LeafFacts

_LONGEST_COMMON_NAME = 64
_RSA_BITS = {KeyKind.RSA_2048: 2048, KeyKind.RSA_3072: 3072}
_LEAST_RSA_BITS = 2048
_REQUEST = re.compile(
    r"\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]+-----END (NEW )?CERTIFICATE REQUEST-----\s*"
)
_UNREADABLE = (
    ValueError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def new_key(kind: KeyKind) -> str:
    """A new private key, PKCS #8."""
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if kind is KeyKind.EC_P256:
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(65537, _RSA_BITS[kind])
    shape = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption()).decode()


def request_for(names: Sequence[str], key: str) -> str:
    """A signing request for these names, the first one as its common name where it is short enough."""
    private = serialization.load_pem_private_key(key.encode(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise Refused("csr", "the key is neither EC nor RSA")
    leading = [x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if len(names[0]) <= _LONGEST_COMMON_NAME else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(leading))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def names_asked(csr: str) -> tuple[str, ...]:
    """The names of a request that a customer made, in lower case. Raises Refused for one that is broken or too weak.

    Beside the request stands nothing: what a customer pastes with it may be its private key.
    """
    must_stand_alone(csr)
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        key = request.public_key()
        sound = request.is_signature_valid
        subject = [str(found.value) for found in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        others = [named.value for named in request.extensions if isinstance(named.value, x509.SubjectAlternativeName)]
    except _UNREADABLE:
        raise Refused("csr", "the request (CSR) cannot be read") from None
    if not sound:
        raise Refused("csr", "the request (CSR) is not signed by its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise Refused("csr", "the key is neither EC nor RSA")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        raise Refused("csr", f"an RSA key has {_LEAST_RSA_BITS} bits or more")
    named = [name for found in others for name in found]
    if not all(isinstance(name, x509.DNSName) for name in named):
        raise Refused("csr", "the request (CSR) names something that is no domain")
    return tuple(dict.fromkeys(name.lower() for name in [*subject, *(str(name.value) for name in named)]))


def must_stand_alone(csr: str) -> None:
    """Raises Refused where a text is more than one request, or none."""
    if not _REQUEST.fullmatch(csr):
        raise Refused("csr", "the request (CSR) cannot be read: one request in PEM is needed, and nothing beside it")


def leaf_of(chain: str) -> x509.Certificate:
    """The first certificate of a chain. Raises Refused where it cannot be read."""
    try:
        return x509.load_pem_x509_certificate(chain.encode())
    except ValueError:
        raise Refused("certificate", "what the CA gave cannot be read as a certificate") from None


def bare(chain: str) -> str:
    """The certificates of a chain and nothing else, each as PEM in its order. Raises Refused where one is broken."""
    try:
        found = x509.load_pem_x509_certificates(chain.encode())
    except ValueError:
        raise Refused("certificate", "what the CA gave cannot be read as a chain of certificates") from None
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in found)


def facts_of(chain: str) -> LeafFacts:
    """What is publicly said of the leaf. Raises Refused."""
    leaf = leaf_of(chain)
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        dns = ()
    return LeafFacts(
        names=dns,
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        key_hash=hashlib.sha256(_public(leaf.public_key())).hexdigest(),
        serial=f"{leaf.serial_number:x}",
        issuer=leaf.issuer.rfc4514_string(),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def fits(chain: str, csr: str) -> bool:
    """Whether a certificate is for the key of that request and has every name of it."""
    asked = x509.load_pem_x509_csr(csr.encode())
    leaf = leaf_of(chain)
    same = _public(leaf.public_key()) == _public(asked.public_key())
    return same and set(names_asked(csr)) <= {*facts_of(chain).names}


def _public(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise Refused("certificate", "the key is neither EC nor RSA")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
