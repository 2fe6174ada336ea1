"""Killed with SIGKILL at every step of an installation, and made again: one certificate in service, and shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.clients.ca.addresses import EndpointAt
from blocks.clients.ca.pem import facts_of
from blocks.clients.endpoints import look
from blocks.ledger import Certificate, CertificateState, reading
from blocks.office import open_office
from blocks.settings import Settings
from tests.certificate_job import job
from tests.certificate_work import SLUG, certificates_file, consumer_text, events, in_service, issue
from tests.conftest import close_office
from tests.killing import lives
from tests.servers.tls_site import TlsSite, tls_site
from tests.work import NOW

LATER = NOW + timedelta(days=1)


def run(settings: Settings, home: Path, server: TlsSite, kill_at: int, moment: str) -> tuple[dict[str, Any], bool]:
    """A swap in a process that may be killed, then in one that is not; what stands in the end."""
    office = open_office(settings)
    old = issue(office, ["one"])
    lives(job, settings, old, NOW, None, "before")
    new = issue(office, ["one"])
    lived = lives(job, settings, new, LATER, kill_at, moment)
    place = home / SLUG
    both = (place / "both.pem").read_text()
    assert both == (place / "fullchain.pem").read_text().rstrip() + "\n" + (place / "privkey.pem").read_text()
    if not lived:
        assert len(in_service(office)) == 1
        lives(job, settings, new, LATER, None, "before")
    with reading(office.sessions) as session:
        rows = [session.get_one(Certificate, each) for each in (old, new)]
        states = [(row.state, row.sealed_key is None, row.in_service_at, row.retired_at) for row in rows]
        shown = look(EndpointAt(host="127.0.0.1", port=server.port, name=SLUG))
        found = {
            "states": states,
            "shown": shown == rows[1].fingerprint == facts_of((place / "fullchain.pem").read_text()).fingerprint,
            "events": [kind for kind, _ in events(office, "installed", "retired", "install_failed", "put_back")],
            "versions": sum(1 for each in (home / ".versions" / SLUG).iterdir() if each.is_dir()),
        }
    close_office(office)
    return found, lived


@pytest.mark.parametrize("moment", ["before", "after", "commit before", "commit after"])
def test_killed_at_every_step_a_swap_is_ended_by_its_repetition(
    settings_for: Callable[..., Settings], tmp_path: Path, moment: str
) -> None:
    def ground(name: str) -> tuple[Settings, Path]:
        home = tmp_path / name
        directory = home / "served"
        directory.mkdir(parents=True)
        text = consumer_text(
            "one", directory, server.reload(directory / SLUG / "both.pem"), [f"{server.port} tls {SLUG}"]
        )
        return settings_for(home=home / "home", certificates_file=certificates_file(home / "c.toml", text)), directory

    with tls_site(tmp_path / "server") as server:
        whole, _ = run(*ground("whole"), server, 10_000, moment)
        assert [state for state, *_ in whole["states"]] == [CertificateState.RETIRED, CertificateState.IN_SERVICE]
        assert (whole["shown"], whole["versions"]) == (True, 2)
        kills = 0
        for kill_at in range(1, 20):
            found, lived = run(*ground(str(kill_at)), server, kill_at, moment)
            assert found == whole, f"killed {moment} step {kill_at}"
            if lived:
                break
            kills += 1
        else:
            pytest.fail("the job never got through")
        assert kills >= (1 if moment.startswith("commit") else 6)
