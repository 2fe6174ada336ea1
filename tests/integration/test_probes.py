"""Probes of real servers: up, standing still, killed, with bad certificates."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from blocks.clients.probes import ProbeKind, ProbeTarget, Seen, probe, probe_all
from blocks.errors import Refused
from tests.conftest import eventually
from tests.probing import DOMAIN, ENOUGH_S, SHORT_S, leaving_nothing, look, saying, server_context, serving, target
from tests.servers.bind import LONG_NAME, BindServer, bind_server
from tests.servers.certificates import Authority
from tests.servers.dovecot import DovecotServer, dovecot_server
from tests.servers.ejabberd import EjabberdServer, ejabberd_server
from tests.servers.kamailio import KamailioServer, kamailio_server
from tests.servers.postfix import PostfixServer, postfix_server
from tests.servers.processes import ProcessDiedError, RunningProcess, free_port

pytestmark = pytest.mark.xdist_group("probes")


@pytest.fixture(autouse=True)
def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with leaving_nothing(caplog):
        yield


class Served:
    """What the real servers serve: every target must be up, and its server's process."""

    def __init__(self, authority: Authority) -> None:
        self._ca = {"ca_file": authority.ca_file}

    def bind(self, server: BindServer) -> list[ProbeTarget]:
        return [target("dns", server.port), target("dns", server.port, transport="tcp", expect="NS")]

    def ejabberd(self, server: EjabberdServer) -> list[ProbeTarget]:
        return [
            target("xmpp", server.port, **self._ca),
            target("xmpp", server.tls_port, transport="tls", **self._ca),
            target("tls", server.tls_port, **self._ca),
        ]

    def dovecot(self, server: DovecotServer) -> list[ProbeTarget]:
        return [target("imap", server.port, **self._ca), target("imap", server.tls_port, transport="tls", **self._ca)]

    def postfix(self, server: PostfixServer) -> list[ProbeTarget]:
        return [
            target("submission", server.submission_port, **self._ca),
            target("submission", server.smtps_port, transport="tls", **self._ca),
        ]

    def kamailio(self, server: KamailioServer) -> list[ProbeTarget]:
        return [
            target("sip", server.tls_port, **self._ca),
            target("sip", server.port, transport="tcp"),
            target("sip", server.port, transport="udp"),
        ]


@pytest.fixture(scope="session")
def served(authority: Authority) -> Served:
    return Served(authority)


SERVERS = ["bind", "ejabberd", "dovecot", "postfix_shared", "kamailio"]


def targets_of(request: pytest.FixtureRequest, name: str, served: Served) -> tuple[RunningProcess, list[ProbeTarget]]:
    server = request.getfixturevalue(name)
    return server.process, getattr(served, name.removesuffix("_shared"))(server)


@pytest.mark.parametrize("name", SERVERS)
def test_what_a_real_server_serves_is_up(request: pytest.FixtureRequest, name: str, served: Served) -> None:
    _, targets = targets_of(request, name, served)
    seen = asyncio.run(probe_all(targets, timeout_s=ENOUGH_S))
    assert [one.up for one in seen] == [True] * len(targets), seen
    for wanted, one in zip(targets, seen, strict=True):
        assert ("TLSv1.3, certificate until " in one.detail) == (wanted.ca_file is not None)


@contextmanager
def stopped(process: RunningProcess) -> Iterator[None]:
    """The whole server stands still: the kernel takes connections, nobody answers."""
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGCONT)


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_stands_still_is_down_in_time_and_up_again_later(
    request: pytest.FixtureRequest, name: str, served: Served
) -> None:
    process, targets = targets_of(request, name, served)
    with stopped(process):
        seen = asyncio.run(probe_all(targets, timeout_s=SHORT_S))
        assert [one.up for one in seen] == [False] * len(targets), seen
        assert all(one.detail.startswith("waited 0.6 s in vain for the ") for one in seen), seen
        assert all(550 <= one.milliseconds < 1000 for one in seen), seen
        if targets[0].kind is not ProbeKind.DNS:
            assert look(target("tcp", targets[0].port)).up  # the kernel still takes connections
    assert all(one.up for one in asyncio.run(probe_all(targets, timeout_s=ENOUGH_S)))


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_was_killed_is_down(name: str, authority: Authority, served: Served) -> None:
    starts: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "bind": bind_server,
        "ejabberd": lambda: ejabberd_server(authority),
        "dovecot": lambda: dovecot_server(authority),
        "postfix_shared": lambda: postfix_server(authority),
        "kamailio": lambda: kamailio_server(authority),
    }
    with pytest.raises(ProcessDiedError):
        see_it_die(starts[name](), getattr(served, name.removesuffix("_shared")))


def see_it_die(server: AbstractContextManager[Any], targets_of_it: Callable[[Any], list[ProbeTarget]]) -> None:
    with server as running:
        targets = targets_of_it(running)
        assert all(one.up for one in asyncio.run(probe_all(targets, timeout_s=ENOUGH_S)))
        os.killpg(running.process.pid, signal.SIGKILL)
        eventually(lambda: all(map(is_gone, targets)))


def is_gone(wanted: ProbeTarget) -> bool:
    seen = look(wanted, timeout_s=SHORT_S)
    assert not seen.up
    # A DNS question over UDP hears nothing of the refusal.
    return wanted.transport == "udp" or "refused" in seen.detail.lower()


def test_an_answer_that_fits_no_datagram_is_fetched_over_tcp(bind: BindServer) -> None:
    assert look(target("dns", bind.port, name=LONG_NAME, expect="TXT")).detail == f"DNS answers with TXT of {LONG_NAME}"


@pytest.mark.parametrize(
    ("name", "expect", "detail"),
    [
        (f"absent.{DOMAIN}", "A", f"DNS says NXDOMAIN for A of absent.{DOMAIN}"),
        (DOMAIN, "AAAA", f"DNS answers without AAAA of {DOMAIN}"),
        ("other.test", "", "DNS says REFUSED for SOA of other.test"),
    ],
)
def test_dns_without_the_records_is_down(bind: BindServer, name: str, expect: str, detail: str) -> None:
    for transport in ("udp", "tcp"):
        seen = look(target("dns", bind.port, name=name, expect=expect, transport=transport))
        assert (seen.up, seen.detail) == (False, detail)


@pytest.mark.parametrize(
    ("domain", "up"),
    [
        (DOMAIN, True),
        ("says-302.test", True),
        ("says-401.test", True),
        ("unknown.test", True),
        ("says-408.test", False),
        ("says-500.test", False),
        ("says-603.test", False),
    ],
)
def test_any_decided_sip_answer_is_up(kamailio: KamailioServer, domain: str, up: bool) -> None:
    for transport in ("udp", "tcp"):
        seen = look(target("sip", kamailio.port, name=domain, transport=transport))
        assert seen.up is up
        code = {DOMAIN: "200", "unknown.test": "404"}.get(domain, domain[5:8])
        assert seen.detail.startswith(f"SIP {code} ")


@pytest.mark.parametrize("name", SERVERS[1:])
def test_a_certificate_of_another_name_is_down(request: pytest.FixtureRequest, name: str, served: Served) -> None:
    _, targets = targets_of(request, name, served)
    strangers = [one.model_copy(update={"name": "stranger.test"}) for one in targets if one.ca_file]
    for wanted, one in zip(strangers, asyncio.run(probe_all(strangers, timeout_s=ENOUGH_S)), strict=True):
        assert not one.up
        if wanted.kind is ProbeKind.XMPP and wanted.transport == "tcp":
            assert one.detail == "instead of the stream features: error, host-unknown"  # it is asked before TLS
        else:
            assert one.detail.startswith("certificate refused: Hostname mismatch")


def test_an_expired_certificate_is_down(authority: Authority, dovecot: DovecotServer, kamailio: KamailioServer) -> None:
    asked = {"name": dovecot.expired_domain, "ca_file": authority.ca_file}
    targets = [
        target("imap", dovecot.port, **asked),
        target("imap", dovecot.tls_port, transport="tls", **asked),
        target("sip", kamailio.tls_port, **asked),
        target("tls", kamailio.tls_port, **asked),
    ]
    seen = asyncio.run(probe_all(targets, timeout_s=ENOUGH_S))
    assert [(one.up, one.detail) for one in seen] == [(False, "certificate refused: certificate has expired")] * 4


def test_a_certificate_of_an_authority_that_nobody_trusts_is_down(dovecot: DovecotServer) -> None:
    seen = look(target("imap", dovecot.port))
    assert not seen.up
    assert seen.detail.startswith("certificate refused: ")
    assert "issuer" in seen.detail or "self-signed" in seen.detail


def test_without_a_name_the_host_must_be_in_the_certificate(authority: Authority) -> None:
    async def both() -> tuple[Seen, Seen]:
        tls = server_context(authority.issue("127.0.0.1"))
        async with serving(saying(), tls=tls) as port:
            wanted = target("tls", port, name="", ca_file=authority.ca_file)
            other = wanted.model_copy(update={"name": DOMAIN})
            return await probe(wanted, timeout_s=ENOUGH_S), await probe(other, timeout_s=ENOUGH_S)

    right, wrong = asyncio.run(both())
    assert right.up
    assert not wrong.up


def test_a_ca_file_that_cannot_be_used_is_our_fault_not_the_target_s(tmp_path: Path) -> None:
    for content in (None, "", "no certificate"):
        ca_file = tmp_path / "ca.pem"
        if content is not None:
            ca_file.write_text(content)
        wanted = target("tls", free_port(), ca_file=ca_file)
        with pytest.raises(Refused, match="holds no authorities"):
            look(wanted)
        with pytest.raises(Refused, match="holds no authorities"):
            asyncio.run(probe_all([wanted], timeout_s=1))


def test_a_renewed_ca_file_is_read_again(authority: Authority, dovecot: DovecotServer, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    other = ssl.create_default_context().get_ca_certs(binary_form=True)[0]
    ca_file.write_text(ssl.DER_cert_to_PEM_cert(other))
    os.utime(ca_file, (1, 1))
    wanted = target("imap", dovecot.port, ca_file=ca_file)
    assert not look(wanted).up
    ca_file.write_bytes(authority.ca_file.read_bytes())
    assert look(wanted).up
