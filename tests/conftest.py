"""Fixtures for every test: offices on SQLite and PostgreSQL, and the payment sandbox as a real server."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import email_validator
import httpx
import pytest
import uvicorn

from blocks.clients.yookassa_sandbox import create_sandbox
from blocks.ledger import migrate, open_engine
from blocks.office import Office, open_office
from blocks.settings import Settings
from tests.servers.processes import free_port, wait_tcp

pytest_plugins = ["tests.servers.plugin", "tests.rotation_work"]

# Mail in the tests goes to example.test, which is reserved for just that.
email_validator.SPECIAL_USE_DOMAIN_NAMES.remove("test")


ORDER_SECRET = "whsec_" + "c2VjcmV0" * 6


class PaymentSandbox:
    """The YooKassa sandbox on a real port, with the payer's moves as methods."""

    def __init__(self, http: httpx.Client) -> None:
        self.url = str(http.base_url)
        self.http = http

    def pay(self, payment_id: str) -> None:
        self.http.post(f"/sandbox/payments/{payment_id}/succeed").raise_for_status()

    def cancel(self, payment_id: str) -> None:
        self.http.post(f"/sandbox/payments/{payment_id}/cancel").raise_for_status()

    def fail(self, when: str, times: int) -> None:
        self.http.post(f"/sandbox/faults/{when}/{times}").raise_for_status()

    def make(self, amount: str, metadata: dict[str, str], key: str) -> str:
        """A payment that a shop makes by itself."""
        body = {
            "amount": {"value": amount, "currency": "RUB"},
            "metadata": metadata,
            "confirmation": {"type": "redirect", "return_url": "https://shop.example.net/"},
        }
        answer = self.http.post("/v3/payments", json=body, headers={"Idempotence-Key": key}, auth=("shop", "secret"))
        answer.raise_for_status()
        return str(answer.json()["id"])


@pytest.fixture(scope="session")
def sandbox() -> Iterator[PaymentSandbox]:
    """One payment sandbox a test process; its notifications go nowhere."""
    port, nowhere = free_port(), free_port()
    app = create_sandbox("shop", "secret", f"http://127.0.0.1:{nowhere}/", "embedded")
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_tcp("127.0.0.1", port, 10)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as http:
        yield PaymentSandbox(http)
    server.should_exit = True
    thread.join(10)


MakeOffice = Callable[..., Office]


@pytest.fixture(scope="session")
def sqlite_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with the newest schema, to be copied: migrating anew for each test costs more than most tests."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite3"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture
def settings_for(tmp_path: Path, sandbox: PaymentSandbox, sqlite_ledger: Path) -> Callable[..., Settings]:
    """Settings of an embedded installation in the test's own folder."""

    def make(**changes: object) -> Settings:
        """Settings whose SQLite ledger, where that is what they name, is there already: migrated and empty."""
        values: dict[str, object] = {
            "home": tmp_path / "home",
            "yookassa_url": f"{sandbox.url}/v3",
            "yookassa_shop": "shop",
            "yookassa_secret": "secret",
            "yookassa_networks": ["127.0.0.0/8"],
            "order_sources": {"shop": [ORDER_SECRET]},
            "provider_requisites": "Банк «Пример», счёт 40702810000000000000",
            **changes,
        }
        settings = Settings.model_validate(values)
        embedded = settings.home / "ledger.sqlite3"
        if not settings.ledger_url and not embedded.exists():
            settings.home.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sqlite_ledger, embedded)
        return settings

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, settings_for: Callable[..., Settings]) -> Iterator[Office]:
    """An empty office, once on each database."""
    changes: dict[str, object] = {}
    if request.param == "postgresql":
        changes["ledger_url"] = request.getfixturevalue("ledger_url")
    opened = open_office(settings_for(**changes))
    yield opened
    close_office(opened)


@pytest.fixture
def sqlite_office(settings_for: Callable[..., Settings]) -> Iterator[Office]:
    """An empty office on SQLite, for what no database can change."""
    opened = open_office(settings_for())
    yield opened
    close_office(opened)


def close_office(office: Office) -> None:
    """Give back the connections that were opened."""
    office.engine.dispose()
    if "payments" in vars(office):
        office.payments.close()
    if "directory" in vars(office):
        office.directory.close()


def eventually(check: Callable[[], bool], within_s: float = 10) -> None:
    """Wait until something is so, or fail."""
    until = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.02)
