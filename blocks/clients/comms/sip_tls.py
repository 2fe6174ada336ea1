"""The certificates that Kamailio shows: a file a domain in one directory, and the list of them that it reads.

Kamailio keeps the memory of every list that it read (its issue 3823: some 0.15 MB a domain and reload, measured), and
200 customers would use it up. So what the certificate of the host is good for, as a wildcard is for every customer
below our own domain, is not listed: only domains that customers brought are, and those stand on complexes of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from jinja2 import Environment, PackageLoader, StrictUndefined

from blocks.clients.certificates import Bundle
from blocks.durable import locked, replace
from blocks.errors import Refused

DEFAULT = "default.pem"
"""The certificate of the host, shown to whoever asks for a name that is nobody's. A domain always has a dot."""

_FOR_THE_SERVER = 0o640  # the directory hands its group down: the server's
_TEMPLATE = Environment(  # noqa: S701 - a configuration file, no page
    loader=PackageLoader("blocks.clients.comms"),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
).get_template("kamailio-tls.cfg")


def tls_config(place: Path, *, without: str = "") -> str:
    """The list: the host first, then every domain with a file in `place`, for the names directly below it too."""
    names = sorted({path.name.removesuffix(".pem") for path in place.glob("*.*.pem")} - {without})
    return _TEMPLATE.render(names=["", *names], place=place)


def put_certificate(place: Path, listing: Path, domain: str, bundle: Bundle, reload: Callable[[], None]) -> None:
    """Write a domain's certificate, list it and have it read by `reload`; nothing where all of that was so already.

    Nothing either where the certificate of the host is good for the domain. A reload that failed is made up for by the
    next call. Raises Refused where key and certificate do not fit: the server would not start with them.
    """
    _must_fit(domain, bundle)
    if host_covers(place, domain):
        take_certificate(place, listing, domain, reload)
        return
    file = place / f"{domain}.pem"
    with locked(place / ".lock"):
        if not _unread(place).exists() and _text(file) == bundle.both and _text(listing) == tls_config(place):
            return
        _unread(place).touch()
        replace(file, bundle.both, _FOR_THE_SERVER)
        replace(listing, tls_config(place), _FOR_THE_SERVER)
        reload()
        _unread(place).unlink()


def take_certificate(place: Path, listing: Path, domain: str, reload: Callable[[], None]) -> None:
    """Take a domain off the list, have the list read, then remove its file; nothing where it was gone already."""
    file = place / f"{domain}.pem"
    with locked(place / ".lock"):
        rest = tls_config(place, without=domain)
        if not _unread(place).exists() and not file.exists() and _text(listing) == rest:
            return
        _unread(place).touch()
        replace(listing, rest, _FOR_THE_SERVER)
        reload()
        file.unlink(missing_ok=True)
        _unread(place).unlink()


def _must_fit(domain: str, bundle: Bundle) -> None:
    try:
        leaf = x509.load_pem_x509_certificate(bundle.chain.encode())
        key = serialization.load_pem_private_key(bundle.key.encode(), None)
    except (ValueError, TypeError):
        raise Refused("certificate", f"the certificate or key of {domain} cannot be read") from None
    if leaf.public_key() != key.public_key():
        raise Refused("certificate", f"the key of {domain} is not that of its certificate")


def host_covers(place: Path, domain: str) -> bool:
    """Whether a phone that asks for the domain takes the host's certificate: by its name, or by one wildcard label."""
    try:
        leaf = x509.load_pem_x509_certificate((place / DEFAULT).read_bytes())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    return not {domain, f"*.{domain.partition('.')[2]}"}.isdisjoint(names.get_values_for_type(x509.DNSName))


def _unread(place: Path) -> Path:
    return place / ".unread"


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
