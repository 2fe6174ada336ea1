"""Servers that show certificates: a certificate is put where one reads it, and is seen to be shown.

A site's files stand in one directory a certificate, and its name is a link to one of these: chain and key change at
once. A server that opens them one by one while the link moves may meet two; it is told to read anew right after, and
`both.pem` is always of one certificate.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from blocks.clients.ca.addresses import ConsumerAt, EndpointAt
from blocks.clients.ca.pem import facts_of
from blocks.clients.certificates import Bundle
from blocks.clients.comms.addresses import ComplexAt
from blocks.clients.comms.protocol import Complex
from blocks.clients.comms.sip_tls import host_covers
from blocks.clients.endpoints import Seen, asked_name, covered, is_address, look
from blocks.clients.runbook import run_command
from blocks.durable import erase, locked, replace, sync
from blocks.errors import DogovorError, Refused, Transient

PROVE_SECONDS = 20.0
_KEPT = 2
_GOING = ".going-"
_POLL_SECONDS = 0.2
_SLUG = re.compile(r"[a-z0-9][a-z0-9.-]{0,199}")


class Consumer(Protocol):
    """A server, or several, that show the certificate of a site. Every call can be repeated.

    All raise Transient where a server does not answer in time, Refused where it does not take what it is given.
    """

    @property
    def name(self) -> str:
        """How the settings name it."""

    def install(self, slug: str, bundle: Bundle) -> None:
        """Put a site's certificate where the server reads it, and have it read."""

    def prove(self, slug: str, names: Sequence[str], fingerprint: str) -> tuple[Seen, ...]:
        """What each endpoint shows that is asked by one of these names, once all show this one or the time is over.

        Empty where there is no endpoint to look at. Raises Refused where there are, and none is asked by these names.
        """


class DirectoryConsumer:
    """See `Consumer`: `DIRECTORY/SITE/fullchain.pem`, `privkey.pem` and `both.pem`, and a command after each change."""

    def __init__(self, at: ConsumerAt) -> None:
        self._at = at

    @property
    def name(self) -> str:
        """See Consumer.name."""
        return self._at.name

    def install(self, slug: str, bundle: Bundle) -> None:
        """See Consumer.install. The last two certificates stay; keys of older ones are erased."""
        versions = self._at.directory / ".versions" / _checked(slug)
        fingerprint = facts_of(bundle.chain).fingerprint
        with self._writing():
            for path in (versions.parent, versions):
                path.mkdir(exist_ok=True)
            with locked(versions / ".lock"):
                self._write(versions / fingerprint, bundle)
                self._point(slug, f".versions/{slug}/{fingerprint}")
                _forget(versions, fingerprint)
        self._reload()

    def prove(self, slug: str, names: Sequence[str], fingerprint: str) -> tuple[Seen, ...]:
        """See Consumer.prove."""
        meant = meant_for(self._at, names)
        if self._at.endpoints and not meant:
            raise Refused("unproven", f"no endpoint of {self.name} is asked by a name of {slug}")
        return prove(meant, fingerprint, seconds=PROVE_SECONDS)

    def _write(self, version: Path, bundle: Bundle) -> None:
        """Nobody reads a new version before the link points to it, so it may be filled file by file."""
        about = self._at.directory.stat()
        shared = bool(about.st_mode & 0o040)
        version.mkdir(exist_ok=True)
        for path in (version.parent.parent, version.parent, version):
            os.chown(path, -1, about.st_gid)
            path.chmod(0o750 if shared else 0o700)
        for name, text, public in (
            ("fullchain.pem", bundle.chain, True),
            ("privkey.pem", bundle.key, False),
            ("both.pem", bundle.both, False),
        ):
            mode = (0o644 if public else 0o640) if shared else 0o600
            replace(version / name, text, mode, about.st_gid)
        os.utime(version)

    def _point(self, slug: str, target: str) -> None:
        place = self._at.directory / slug
        if place.exists() and not place.is_symlink():
            raise Refused("consumer", f"{place} is somebody else's: move it away, so that a link can take its place")
        draft = self._at.directory / f".{slug}.new"
        draft.unlink(missing_ok=True)
        draft.symlink_to(target)
        draft.replace(place)
        sync(self._at.directory)

    def _reload(self) -> None:
        if not self._at.reload:
            return
        ran = run_command(self._at.reload, timeout_s=self._at.reload_seconds, beat=lambda: True)
        if ran.code is None:
            raise Transient(f"{self.name}: {self._at.reload[0]} did not end in {self._at.reload_seconds} s")
        if not ran.well:
            raise Refused(
                "reload", f"{self.name}: {self._at.reload[0]} ended with {ran.code}: {_harmless(ran.last_line)}"
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Refused(
                "consumer", f"{self.name}: {error.filename or self._at.directory}: {error.strerror}"
            ) from None


class ComplexConsumer:
    """See `Consumer`: the services of a complex that show a customer's domain; `at` is None where it has no servers."""

    def __init__(self, serving: Complex, at: ComplexAt | None) -> None:
        self._complex = serving
        self._at = at

    @property
    def name(self) -> str:
        """See Consumer.name."""
        return "complex"

    def install(self, slug: str, bundle: Bundle) -> None:
        """See Consumer.install. The slug is the domain."""
        self._complex.install_certificate(slug, bundle)

    def prove(self, slug: str, names: Sequence[str], fingerprint: str) -> tuple[Seen, ...]:
        """See Consumer.prove. XMPP shows the domain's own, SIP mostly, mail that of its host."""
        del names
        meant = domain_endpoints(self._at, slug) if self._at is not None else []
        return prove(meant, fingerprint, seconds=PROVE_SECONDS)


def meant_for(at: ConsumerAt, names: Sequence[str]) -> list[EndpointAt]:
    """The endpoints of a consumer that are asked by one of these names, or by an address alone."""
    asked = [(endpoint, asked_name(endpoint)) for endpoint in at.endpoints]
    return [endpoint for endpoint, name in asked if is_address(name) or covered(name, tuple(names))]


def domain_endpoints(at: ComplexAt, domain: str) -> list[EndpointAt]:
    """Where a complex shows the certificate of a customer's domain; not at SIP where its host's is good for it."""
    upload = f"upload.{domain}"
    found: list[EndpointAt] = []
    for host in at.addresses:
        found += [
            EndpointAt(host=host, port=at.xmpp.port, protocol="xmpp-client", name=domain),
            EndpointAt(host=host, port=at.xmpp.tls_port, name=domain),
            EndpointAt(host=host, port=at.xmpp.upload_port, name=upload),
        ]
        if not host_covers(at.sip.certificates, domain):
            found.append(EndpointAt(host=host, port=at.sip.tls_port, name=domain))
    return found


def prove(endpoints: Sequence[EndpointAt], fingerprint: str, *, seconds: float) -> tuple[Seen, ...]:
    """Look at endpoints until all show the certificate, or the time is over: reloads take a moment."""
    end = time.monotonic() + seconds
    seen = {at: _seen(at, fingerprint) for at in endpoints}
    while not all(each.ok for each in seen.values()) and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
        seen |= {at: _seen(at, fingerprint) for at, each in seen.items() if not each.ok}
    return tuple(seen.values())


def _seen(at: EndpointAt, fingerprint: str) -> Seen:
    try:
        there = look(at)
    except DogovorError as error:
        return Seen(endpoint=str(at), name=asked_name(at), ok=False, detail=str(error))
    detail = "shows it" if there == fingerprint else f"shows {there}"
    return Seen(endpoint=str(at), name=asked_name(at), ok=there == fingerprint, fingerprint=there, detail=detail)


def _forget(versions: Path, current: str) -> None:
    """Keep the current certificate and the one of before; of older ones keys are erased first.

    What is to go is renamed before, so that it is known for that to whoever comes after a killed process.
    """
    found = [path for path in versions.iterdir() if path.is_dir() and path.name != current]
    standing = [path for path in found if not path.name.startswith(_GOING)]
    standing.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    going = [path for path in found if path.name.startswith(_GOING)]
    going += [path.rename(path.with_name(f"{_GOING}{path.name}")) for path in standing[_KEPT - 1 :]]
    for version in going:
        for file in version.iterdir():
            erase(file)
        version.rmdir()


def _harmless(line: str) -> str:
    return "(what it printed holds a key)" if "PRIVATE KEY" in line else line


def _checked(slug: str) -> str:
    if not _SLUG.fullmatch(slug):
        raise Refused("consumer", f"{slug!r} is no name of a directory")
    return slug
