"""How probes get to their targets: addresses, names, many at once, cancelled."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from blocks.clients import probe_link
from blocks.clients.probes import Seen, probe, probe_all
from blocks.errors import Refused
from tests.probing import (
    ENOUGH_S,
    SHORT_S,
    STREAM_TARGETS,
    leaving_nothing,
    look,
    saying,
    see_udp,
    server_context,
    serving,
    serving_udp,
    sip_answer,
    target,
)
from tests.servers.bind import GUARDED_FOR, ZONE_FOR_ALL, ZONE_GUARDED, BindServer
from tests.servers.certificates import Authority
from tests.servers.kamailio import KamailioServer
from tests.servers.processes import free_port

pytestmark = pytest.mark.xdist_group("probes")


@pytest.fixture(autouse=True)
def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with leaving_nothing(caplog):
        yield


def test_the_source_address_is_the_one_that_is_seen() -> None:
    peers: list[str] = []

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername")[0])

    async def see() -> None:
        async with serving(note) as port:
            targets = [target(kind, port, transport=how) for kind, how in [*STREAM_TARGETS, ("tcp", "tcp")]]
            await probe_all(targets, timeout_s=ENOUGH_S, source="127.0.0.2")

    asyncio.run(see())
    assert peers == ["127.0.0.2"] * (len(STREAM_TARGETS) + 1)
    for kind in ("sip", "dns"):
        _, service = asyncio.run(see_udp(kind, lambda _: [b"garbage"], source="127.0.0.2"))
        assert {peer[0] for _, peer in service.heard} == {"127.0.0.2"}


def test_a_real_server_that_serves_one_source_only_is_up_from_there_only(bind: BindServer) -> None:
    for transport in ("udp", "tcp"):
        wanted = target("dns", bind.port, name=ZONE_GUARDED, transport=transport)
        assert look(wanted, source=GUARDED_FOR).up
        assert look(wanted).detail == f"DNS says REFUSED for SOA of {ZONE_GUARDED}"
        assert look(wanted.model_copy(update={"name": ZONE_FOR_ALL}), source=GUARDED_FOR).up


@pytest.mark.parametrize("source", ["192.0.2.1", "2001:db8::1", "nonsense"])
def test_a_source_that_is_not_ours_is_our_fault_not_the_target_s(source: str) -> None:
    wanted = target("tcp", free_port())
    with pytest.raises(Refused, match="no address of this machine"):
        look(wanted, source=source)
    with pytest.raises(Refused, match="no address of this machine"):
        asyncio.run(probe_all([wanted], timeout_s=1, source=source))


def test_an_ipv6_literal_is_a_host(authority: Authority) -> None:
    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(sip_answer(requests[-1]))
        await reader.read(-1)

    async def see() -> Seen:
        async with serving(answer, tls=server_context(authority.issue("::1")), host="::1") as port:
            wanted = target("sip", port, host="::1", name="", ca_file=authority.ca_file)
            return await probe(wanted, timeout_s=ENOUGH_S, source="::1")

    assert asyncio.run(see()).up
    lines = requests[0].decode().split("\r\n")
    assert lines[0] == "OPTIONS sip:[::1] SIP/2.0"
    assert lines[1].startswith("Via: SIP/2.0/TLS [::1]:")
    assert any(line.startswith("Contact: <sip:[::1]:") for line in lines)


def test_a_first_address_that_swallows_packets_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(*_: object) -> list[str]:
        return ["::1", "127.0.0.1"]

    monkeypatch.setattr(probe_link, "_look_up", look_up)

    async def see() -> Seen:
        async with serving(saying()) as port:
            with socket.create_server(("::1", port), family=socket.AF_INET6, backlog=0), full(port):
                return await probe(target("tcp", port, host="two.test"), timeout_s=1)

    @contextmanager
    def full(port: int) -> Iterator[None]:
        """The queue of a listener that accepts nobody is full: it drops whoever comes next."""
        waiting = [socket.socket(socket.AF_INET6) for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("::1", port))
        try:
            yield
        finally:
            for one in waiting:
                one.close()

    seen = asyncio.run(see())
    assert seen.up
    assert 450 < seen.milliseconds < 900


def test_a_name_of_this_machine_is_looked_up() -> None:
    async def see() -> Seen:
        async with serving(saying()) as port:
            return await probe(target("tcp", port, host="localhost"), timeout_s=ENOUGH_S)

    assert asyncio.run(see()).up


def test_an_unknown_host_is_down() -> None:
    for kind, how in [*STREAM_TARGETS, ("tcp", "tcp"), ("sip", "udp"), ("dns", "udp")]:
        seen = look(target(kind, 5061, host="no-such-host.invalid", transport=how), timeout_s=2)
        assert not seen.up
        assert "an address" in seen.detail


def test_a_name_server_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    enough = threading.Event()

    def hang(host: str, *rest: Any) -> Any:
        if host != "hangs.test":
            return real(host, *rest)
        enough.wait(5)
        raise socket.gaierror(socket.EAI_AGAIN, "too late")

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    async def see() -> list[Seen]:
        async with serving(saying()) as port:
            hanging = [target("tcp", port, host="hangs.test")] * 50
            return await probe_all([*hanging, target("tcp", port, host="localhost")], timeout_s=SHORT_S)

    begun = time.monotonic()
    *hanging, good = asyncio.run(see())
    assert time.monotonic() - begun < 1.5  # the end of the loop does not wait for them either
    enough.set()
    assert {one.detail for one in hanging} == {"waited 0.6 s in vain for an address"}
    assert good.up


def test_five_hundred_silent_targets_end_with_their_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as silent:
        port = silent.getsockname()[1]
        kinds = [pair for pair in STREAM_TARGETS if pair[0] != "dns"]
        targets = [target(kind, port, transport=how) for kind, how in kinds] * 60
        begun = time.monotonic()
        seen = asyncio.run(probe_all(targets[:500], timeout_s=2, at_once=500))
        took = time.monotonic() - begun
    print(f"500 silent targets in {took:.2f} s")
    assert 2 <= took < 3
    assert len(seen) == 500
    assert not any(one.up for one in seen)
    assert all("in vain" in one.detail for one in seen)


def test_only_so_many_are_probed_at_once_each_with_its_own_time() -> None:
    now, most = 0, 0

    async def count(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await reader.read(-1)
        now -= 1

    async def see() -> list[Seen]:
        async with serving(count) as port:
            return await probe_all([target("imap", port)] * 12, timeout_s=0.2, at_once=4)

    begun = time.monotonic()
    seen = asyncio.run(see())
    assert 0.6 <= time.monotonic() - begun < 1.5
    assert most == 4
    assert all(190 <= one.milliseconds < 400 for one in seen)


def test_answers_stand_in_the_order_of_their_targets(bind: BindServer, kamailio: KamailioServer) -> None:
    closed = free_port()
    targets = [target("tcp", closed), target("dns", bind.port), target("tcp", closed), target("tcp", kamailio.port)]
    assert [one.up for one in asyncio.run(probe_all(targets * 5, timeout_s=ENOUGH_S, at_once=3))] == [False, True] * 10


def test_nobody_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        asyncio.run(probe_all([], timeout_s=1, at_once=0))


@pytest.mark.parametrize(("kind", "how"), [*STREAM_TARGETS, ("sip", "udp"), ("dns", "udp")])
def test_a_cancelled_probe_hangs_up_at_once(kind: str, how: str) -> None:
    left = asyncio.Event

    async def see() -> None:
        came, gone = left(), left()

        async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            came.set()
            await reader.read(-1)
            gone.set()

        def came_by_udp(_: bytes) -> list[bytes]:
            came.set()
            gone.set()
            return []

        async with serving(wait) as stream, serving_udp(came_by_udp) as (datagrams, _):
            port = datagrams if how == "udp" else stream
            running = asyncio.create_task(probe_all([target(kind, port, transport=how)] * 3, timeout_s=30))
            await asyncio.wait_for(came.wait(), 5)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await asyncio.wait_for(gone.wait(), 5)

    asyncio.run(see())
