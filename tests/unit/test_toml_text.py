"""The file of complexes written and read again."""

from __future__ import annotations

from pathlib import Path

from pydantic import HttpUrl

from blocks.clients.comms.addresses import ComplexAt, DnsAt, MailAt, SipAt, XmppAt, read_complexes
from blocks.clients.comms.toml_text import complexes_text


def test_what_is_written_is_read_again_as_it_was() -> None:
    url = HttpUrl("http://127.0.0.1:1/")
    shared, own = (
        ComplexAt(
            name=name,
            orders=orders,
            host="host.test",
            addresses=("192.0.2.1", "2001:db8::1"),
            ca_file=Path('/srv/"quoted"/путь.pem') if orders else None,
            xmpp=XmppAt(api_url=url, hosts_file=Path("/a/hosts.yml"), certificates=Path("/a/tls"), port=15222),
            mail=MailAt(doveadm_url=url),
            sip=SipAt(rpc_url=url, tls_file=Path("/a/tls.cfg"), certificates=Path("/a")),
        )
        for name, orders in (("shared", ()), ("own", ("KS-2026-000001",)))
    )
    dns = DnsAt(
        primary="192.0.2.2",
        rndc_key=Path("/a/rndc.key"),
        zones=Path("/zones"),
        own_zone="example.net",
        servers=("ns1.example.net",),
        hostmaster="hostmaster@example.net",
        resolvers=("192.0.2.3#53",),
    )
    read = read_complexes(complexes_text((shared, own), dns))
    assert (read.complexes, read.dns) == ((shared, own), dns)
    assert read_complexes(complexes_text((shared,))).dns is None
