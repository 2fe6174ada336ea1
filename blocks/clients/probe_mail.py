"""Probes of IMAP and of submission (SMTP): as far as a client gets without a password."""

from __future__ import annotations

from blocks.clients.probe_link import Link
from blocks.clients.probe_target import Down


async def probe_imap(link: Link) -> str:
    """Greeting, STARTTLS unless TLS is there already, and capabilities under TLS."""
    await link.connect()
    if link.target.transport == "tls":
        await link.secure()
    link.awaited = "the IMAP greeting"
    greeting = await link.line()
    if not greeting.upper().startswith("* OK"):
        raise Down(f"instead of the IMAP greeting: {greeting}")
    if link.target.transport == "tcp":
        if "STARTTLS" not in await _capabilities(link, "a1"):
            raise Down("IMAP offers no STARTTLS")
        await link.say("a2 STARTTLS\r\n", "the answer to STARTTLS")
        await _answers(link, "a2")
        await link.secure()
    if "IMAP4REV1" not in await _capabilities(link, "a3"):
        raise Down("IMAP4rev1 is not among the capabilities")
    link.leave("a4 LOGOUT\r\n")
    return f"IMAP4rev1, {link.security}"


async def _capabilities(link: Link, tag: str) -> set[str]:
    await link.say(f"{tag} CAPABILITY\r\n", "the capabilities")
    lines = (line.split() for line in await _answers(link, tag))
    return {word for line in lines if line[1:2] == ["CAPABILITY"] for word in line[2:]}


async def _answers(link: Link, tag: str) -> list[str]:
    """The untagged lines, in capitals, before the tagged OK. Raises Down for any other end."""
    untagged = []
    while (line := (await link.line()).upper()).startswith("* "):
        untagged.append(line)
    if not line.startswith(f"{tag.upper()} OK"):
        raise Down(f"instead of {link.awaited}: {line}")
    return untagged


async def probe_submission(link: Link) -> str:
    """Greeting, EHLO, STARTTLS unless TLS is there already, and EHLO under TLS."""
    await link.connect()
    if link.target.transport == "tls":
        await link.secure()
    link.awaited = "the SMTP greeting"
    await _reply(link, "220")
    if link.target.transport == "tcp":
        if "STARTTLS" not in await _hello(link):
            raise Down("SMTP offers no STARTTLS")
        await link.say("STARTTLS\r\n", "the answer to STARTTLS")
        await _reply(link, "220")
        await link.secure()
    await _hello(link)
    link.leave("QUIT\r\n")
    return f"SMTP submission, {link.security}"


async def _hello(link: Link) -> set[str]:
    """Greet by our address, which needs no name of ours; the keywords of the answer."""
    address, _ = link.local
    literal = f"IPv6:{address}" if ":" in address else address
    await link.say(f"EHLO [{literal}]\r\n", "the answer to EHLO")
    return {line.upper() for line in await _reply(link, "250")}


async def _reply(link: Link, code: str) -> list[str]:
    """The texts of a reply that must have the code. Raises Down."""
    texts = []
    while True:
        line = await link.line()
        if line[:3] != code or line[3:4] not in {"", " ", "-"}:
            raise Down(f"instead of {link.awaited}: {line}")
        texts.append(line[4:])
        if line[3:4] != "-":
            return texts
