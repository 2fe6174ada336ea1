"""An office that watches services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blocks.office import Office, open_office
from blocks.settings import Settings
from tests.conftest import close_office
from tests.outage_work import SERVICES


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
