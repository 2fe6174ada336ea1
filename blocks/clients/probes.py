"""Probes of what a communications provider serves: does a customer's client get an answer, and a good one?

Each probe is one short conversation, up to where a password would be needed. A target that refuses, stays silent, talks
garbage, breaks off, or shows a certificate that a customer's client would refuse, is down, and `Seen.detail` says why.
Voice (RTP, UDP 10000 to 20000) cannot be probed without a call and is not among the kinds.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence

from blocks.clients.probe_dns import probe_dns
from blocks.clients.probe_link import Link, check_source, trusted
from blocks.clients.probe_mail import probe_imap, probe_submission
from blocks.clients.probe_sip import probe_sip
from blocks.clients.probe_target import Down, ProbeKind, ProbeTarget, Seen, one_line
from blocks.clients.probe_xmpp import probe_xmpp

__all__ = ["ProbeKind", "ProbeTarget", "Seen", "probe", "probe_all"]


async def _probe_tcp(link: Link) -> str:
    await link.connect()
    return "the connection is taken"


async def _probe_tls(link: Link) -> str:
    await link.connect()
    await link.secure()
    return link.security


PROBES: Mapping[ProbeKind, Callable[[Link], Awaitable[str]]] = {
    ProbeKind.DNS: probe_dns,
    ProbeKind.TCP: _probe_tcp,
    ProbeKind.TLS: _probe_tls,
    ProbeKind.XMPP: probe_xmpp,
    ProbeKind.IMAP: probe_imap,
    ProbeKind.SUBMISSION: probe_submission,
    ProbeKind.SIP: probe_sip,
}


async def probe(target: ProbeTarget, *, timeout_s: float, source: str = "") -> Seen:
    """Probe one target from the local address `source`, or from the one that the system chooses.

    Whatever the target does is a `Seen`, after `timeout_s` at the latest. Raises Refused for a `source` that is not
    ours or a `ca_file` that cannot be read: those say nothing about the target.
    """
    if source:
        check_source(source)
    return await _probe(target, timeout_s, source)


async def probe_all(
    targets: Sequence[ProbeTarget], *, timeout_s: float, source: str = "", at_once: int = 100
) -> list[Seen]:
    """Probe the targets, `at_once` at a time, each with `timeout_s` of its own; what was seen stands in their order.

    Raises Refused as `probe` does, before any target is asked.
    """
    if at_once < 1:
        raise ValueError("at least one target is probed at once")
    if source:
        check_source(source)
    for target in targets:
        trusted(target.ca_file)
    free = asyncio.Semaphore(at_once)

    async def in_turn(target: ProbeTarget) -> Seen:
        async with free:
            return await _probe(target, timeout_s, source)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(in_turn(target)) for target in targets]
    return [task.result() for task in tasks]


async def _probe(target: ProbeTarget, timeout_s: float, source: str) -> Seen:
    clock = asyncio.get_running_loop().time
    begun = clock()
    link = Link(target, source, timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            detail, up = await PROBES[target.kind](link), True
    except TimeoutError:
        detail, up = f"waited {timeout_s:g} s in vain for {link.awaited}", False
    except Down as seen:
        detail, up = str(seen), False
    except OSError as error:
        detail, up = _told(error, link.awaited), False
    finally:
        link.close()
    return Seen(up=up, detail=one_line(detail), milliseconds=round((clock() - begun) * 1000))


def _told(error: OSError, awaited: str) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate refused: {error.verify_message}"
        case ssl.SSLError():
            reason = (error.reason or str(error)).replace("_", " ").lower()
        case socket.gaierror():
            reason = error.strerror or "it cannot be looked up"
        case _:  # what asyncio raises may have no number, or a text without the reason
            reason = os.strerror(error.errno) if error.errno else "hung up"
    return f"instead of {awaited}: {reason}"
