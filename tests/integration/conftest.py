"""An office that watches services; a customer of mail; an office with a whole complex."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.clients.comms.mail import MailService
from blocks.office import Office, open_office
from blocks.settings import Settings
from tests.ca_of_today import opened
from tests.comms_work import close
from tests.conftest import close_office
from tests.integration.mail_client import Customer, MailClient, a_service, an_account
from tests.outage_work import SERVICES
from tests.servers.comms_mail import MailServers
from tests.servers.comms_whole import Whole


@pytest.fixture(params=["sqlite", "postgresql"])
def watching(request: pytest.FixtureRequest, settings_for: Callable[..., Settings], tmp_path: Path) -> Iterator[Office]:
    """An empty office with a catalogue and end users, once on each database."""
    services = tmp_path / "services.toml"
    services.write_text(SERVICES, "utf-8")
    changes: dict[str, object] = {
        "services_file": services,
        "ocp_operator_email": "ocp@example.test",
        "end_users": {"OCP": ["users@example.test"], "KS": ["office@example.test"], "OT": ["ot@example.test"]},
    }
    if request.param == "postgresql":
        changes["ledger_url"] = request.getfixturevalue("ledger_url")
    opened = open_office(settings_for(**changes))
    yield opened
    close_office(opened)


@pytest.fixture
def mail_service(comms_mail: MailServers) -> MailService:
    return a_service(comms_mail)


@pytest.fixture
def mail_client(comms_mail: MailServers) -> MailClient:
    return MailClient(comms_mail.ground.plan)


@pytest.fixture
def mail_customer(mail_service: MailService) -> Iterator[Customer]:
    domain = f"c{uuid4().hex[:10]}.test"
    made = Customer(domain, [an_account(f"c{i}", domain) for i in (1, 2, 3)])
    mail_service.provision(domain, made.accounts)
    yield made
    mail_service.delete(domain)


@pytest.fixture
def complex_settings(whole: Whole, settings_for: Callable[..., Settings], tmp_path: Path) -> Settings:
    """An installation on the complex; its customers have names that no other test uses."""
    told = whole.settings(tmp_path / "home")
    return settings_for(customer_domain=f"t{uuid4().hex[:12]}.example.net", **told)


@pytest.fixture
def complex_office(complex_settings: Settings) -> Iterator[Office]:
    """An empty office on the complex."""
    office = opened(complex_settings)
    yield office
    close(office)
