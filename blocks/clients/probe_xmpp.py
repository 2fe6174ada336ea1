"""Probe of XMPP client connections: as far as a client gets without a password (RFC 6120)."""

from __future__ import annotations

from xml.parsers.expat import ExpatError, ParserCreate

from blocks.clients.probe_link import Link
from blocks.clients.probe_target import Down

STREAM = "http://etherx.jabber.org/streams"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
STANZA_BYTES = 65_536


async def probe_xmpp(link: Link) -> str:
    """Stream, STARTTLS unless TLS is there already, and SASL mechanisms on the stream under TLS."""
    await link.connect()
    if link.target.transport == "tls":
        await link.secure()
    else:
        stream = _Stream(link)
        if f"{TLS} starttls" not in await stream.features():
            raise Down("XMPP offers no STARTTLS")
        await link.say(f"<starttls xmlns='{TLS}'/>", "the answer to STARTTLS")
        answer = await stream.stanza()
        if answer[0] != f"{TLS} proceed":
            raise Down(f"instead of {link.awaited}: {_bare(answer)}")
        await link.secure()
    features = await _Stream(link).features()
    if f"{SASL} mechanism" not in features:
        raise Down("XMPP offers no SASL mechanism under TLS")
    link.leave("</stream:stream>")
    return f"XMPP, {features.count(f'{SASL} mechanism')} SASL mechanisms, {link.security}"


class _Stream:
    """One XML stream: its stanzas as lists of the names in them, each a namespace and a name."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._parser = ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._depth = 0
        self._closed = False
        self._names: list[str] = []
        self._stanzas: list[list[str]] = []

    async def features(self) -> list[str]:
        """Open the stream; the names in its features. Raises Down."""
        opening = (
            f"<?xml version='1.0'?><stream:stream to='{self._link.target.domain}' version='1.0' xml:lang='en'"
            f" xmlns='jabber:client' xmlns:stream='{STREAM}'>"
        )
        await self._link.say(opening, "the stream features")
        features = await self.stanza()
        if features[0] != f"{STREAM} features":
            raise Down(f"instead of the stream features: {_bare(features)}")
        return features

    async def stanza(self) -> list[str]:
        """The names in the next stanza, its own first. Raises Down for what is no XMPP stream, or a stanza too long."""
        read = 0
        while not self._stanzas:
            if self._closed:
                raise Down(f"closed its stream instead of {self._link.awaited}")
            chunk = await self._link.chunk()
            read += len(chunk)
            try:
                self._parser.Parse(chunk)
            except ExpatError as error:
                raise Down(f"instead of {self._link.awaited}: no XML ({error})") from None
            if read > STANZA_BYTES:
                raise Down(f"instead of {self._link.awaited}: a stanza without an end")
        return self._stanzas.pop(0)

    def _start(self, name: str, _: dict[str, str]) -> None:
        if self._depth == 0 and name != f"{STREAM} stream":
            raise Down(f"instead of {self._link.awaited}: the XML of {name}")
        if self._depth > 0:
            self._names.append(name)
        self._depth += 1

    def _end(self, _: str) -> None:
        self._depth -= 1
        if self._depth == 1:
            self._stanzas.append(self._names)
            self._names = []
        elif self._depth == 0:
            self._closed = True

    def _refuse_doctype(self, *_: object) -> None:
        raise Down(f"instead of {self._link.awaited}: a DOCTYPE, which XMPP forbids")


def _bare(names: list[str]) -> str:
    return ", ".join(name.rpartition(" ")[2] for name in names)
