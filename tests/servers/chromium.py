"""Debian's Chromium, driven by Playwright.

Each page comes from a browser of its own with an empty profile. The browser resolves no name but
those of this machine, so a page that would load something from outside fails its test here too.

While a page is open, its thread counts as running an event loop: `asyncio.run` there fails. So
pages are per test, never per session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from .requirements import require

EXECUTABLE = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",  # needed as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
)
TIMEOUT_MS = 15_000.0


@contextmanager
def chromium_page(*, locale: str = "ru-RU", timezone: str = "Europe/Moscow") -> Iterator[Page]:
    """Yield an empty page; leaving the context closes the browser and removes its profile."""
    executable = require(EXECUTABLE, "chromium")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=executable, headless=True, args=FLAGS, timeout=TIMEOUT_MS * 2
        ) as browser,
        browser.new_context(locale=locale, timezone_id=timezone) as context,
    ):
        context.set_default_timeout(TIMEOUT_MS)
        yield context.new_page()
