"""Probe of a DNS server: it must answer for a name with records of a type."""

from __future__ import annotations

import asyncio
import socket

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from blocks.clients.probe_link import Link
from blocks.clients.probe_target import Down

FIRST_RESEND_S = 1.0


async def probe_dns(link: Link) -> str:
    """Ask for the records. Over UDP a lost question is asked again, and a cut answer is fetched over TCP."""
    kind = dns.rdatatype.from_text(link.target.expect or "SOA")
    try:
        query = dns.message.make_query(link.target.name, kind)
        answer = await _ask(link, query)
    except (dns.exception.DNSException, EOFError) as error:
        raise Down(f"no DNS answer: {type(error).__name__} {error}") from None
    code = dns.rcode.to_text(answer.rcode())
    wanted = f"{kind.name} of {link.target.name}"
    if answer.rcode() != dns.rcode.NOERROR:
        raise Down(f"DNS says {code} for {wanted}")
    if not any(records.rdtype == kind for records in answer.answer):
        raise Down(f"DNS answers without {wanted}")
    return f"DNS answers with {wanted}"


async def _ask(link: Link, query: dns.message.Message) -> dns.message.Message:
    stream = link.target.transport == "tcp"
    address, *_ = await link.addresses(socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
    link.awaited = "the DNS answer"
    source, port = link.source or None, link.target.port
    if stream:
        return await dns.asyncquery.tcp(query, address, port=port, source=source)
    wait_s = FIRST_RESEND_S
    while True:
        try:
            async with asyncio.timeout(wait_s):
                return await dns.asyncquery.udp(query, address, port=port, source=source, raise_on_truncation=True)
        except TimeoutError:
            wait_s *= 2
        except dns.message.Truncated:
            return await dns.asyncquery.tcp(query, address, port=port, source=source)
