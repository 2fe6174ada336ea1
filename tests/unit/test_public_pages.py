"""Our public pages as anybody fetches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from blocks.clients.public_pages import LARGEST, fetch
from blocks.errors import Transient

URL = "https://service.example.net/certificates/c1.example.net"


def wire(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(answer)


def test_a_page_is_fetched_without_any_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, text="Сертификаты")

    assert fetch(URL, transport=wire(answer)) == "Сертификаты"
    assert "authorization" not in asked[0].headers
    assert "cookie" not in asked[0].headers


@pytest.mark.parametrize("status", [204, 301, 302, 401, 403, 404, 500, 503])
def test_what_is_no_page_at_its_own_address_is_tried_later(status: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/login":
            return httpx.Response(200, text="welcome")
        return httpx.Response(status, headers={"location": "/login"})

    with pytest.raises(Transient, match=f"answers {status}"):
        fetch(URL, transport=wire(answer))


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_a_page_that_cannot_be_reached_is_tried_later(error: type[httpx.TransportError]) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error("secret detail")

    with pytest.raises(Transient, match=f"cannot be reached: {error.__name__}$"):
        fetch(URL, transport=wire(answer))


def test_a_page_has_its_largest_size() -> None:
    assert len(fetch(URL, transport=wire(lambda _: httpx.Response(200, content=b"x" * LARGEST)))) == LARGEST
    with pytest.raises(Transient, match="too long"):
        fetch(URL, transport=wire(lambda _: httpx.Response(200, content=b"x" * (LARGEST + 1))))


def test_a_page_that_comes_drop_by_drop_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 1000, 10))
    monkeypatch.setattr("blocks.clients.public_pages.time.monotonic", lambda: next(seconds))

    def drops() -> Iterator[bytes]:
        while True:
            yield b"x"

    with pytest.raises(Transient, match="too slowly"):
        fetch(URL, timeout_s=15, transport=wire(lambda _: httpx.Response(200, content=drops())))
