"""Our own public pages, fetched as anybody fetches them: without a login, from the address that customers have."""

from __future__ import annotations

import time

import httpx

from blocks.errors import Transient

LARGEST = 1024 * 1024


def fetch(url: str, *, timeout_s: float = 15.0, transport: httpx.BaseTransport | None = None) -> str:
    """The text of a page. Redirects are not followed: what is published stands at its own address.

    No credential, cookie or proxy of the environment is used. `timeout_s` is for all of it; `transport` is httpx's, for
    another wire. Raises Transient where nothing or something else than a page of at most LARGEST bytes is there.
    """
    end = time.monotonic() + timeout_s
    body = bytearray()
    try:
        with (
            httpx.Client(timeout=timeout_s, trust_env=False, follow_redirects=False, transport=transport) as http,
            http.stream("GET", url) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise Transient(f"{url} answers {answer.status_code}")
            for part in answer.iter_bytes():
                body += part
                if len(body) > LARGEST or time.monotonic() > end:
                    raise Transient(f"{url} is too long, or comes too slowly")
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise Transient(f"{url} cannot be reached: {type(error).__name__}") from None
    return body.decode("utf-8", "replace")
