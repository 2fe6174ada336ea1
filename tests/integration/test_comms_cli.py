"""`dogovor comms` as a developer runs it: up, scanned, told what runs, down, and up again as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.comms_whole import require_complex
from tests.servers.processes import server_directory, wait_until
from tests.unit.test_cli import dogovor

COMMAND = [sys.executable, "-m", "flows.cli", "comms"]


@contextmanager
def up(home: Path) -> Iterator[dict[str, str]]:
    """The complex in `home/complex`; yields what the worker's environment is."""
    log = home / "up.log"
    environment = {"DOGOVOR_HOME": str(home / "dogovor"), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "up", "--home", str(home / "complex")], env=environment, stdout=output, stderr=output
        )
    try:
        wait_until(lambda: "stop with Ctrl-C" in log.read_text() or process.poll() is not None, 60, "it is up")
        assert process.poll() is None, log.read_text()
        lines = (home / "complex" / "worker.env").read_text().splitlines()
        told = dict(line.replace("'", "").split("=", 1) for line in lines)
        assert not [
            value for name, value in told.items() if name != "DOGOVOR_COMPLEXES_FILE" and value in log.read_text()
        ]
        yield environment | told
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert log.read_text().endswith("stopped\n")


def said(environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [*COMMAND, *arguments],
        env={**environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.clause("KS-2.6", "KS-2.9")
def test_ks_2_6_a_complex_comes_up_is_scanned_and_comes_up_again_as_it_was() -> None:
    require_complex()
    with server_directory("dg-up-") as home:
        with up(home) as environment:
            ports = json.loads((home / "complex" / "ports.json").read_text())
            scan = said(environment, "scan", "--domain", "comms.example.net")
            assert scan.count("TLSv1.3 TLS_AES_256_GCM_SHA384") == 9
            software = said(environment, "software")
            for name in ("ejabberd", "Postfix", "Dovecot", "amailio", "BIND"):
                assert name in software
            bad = said(environment, "scan", "--domain", "nobody.example.net", code=1)
            assert "certificate" in bad
        secrets = (home / "complex" / "secrets.json").read_text()
        with up(home) as environment:
            assert json.loads((home / "complex" / "ports.json").read_text()) == ports
            assert (home / "complex" / "secrets.json").read_text() == secrets
            said(environment, "tables")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is told of the home")
def test_a_home_that_servers_cannot_enter_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    refused = dogovor(tmp_path, "comms", "up", "--home", str(closed / "complex"), code=1)
    assert "choose another --home" in refused


def test_without_a_file_of_complexes_there_is_nothing_to_scan(tmp_path: Path) -> None:
    assert "DOGOVOR_COMPLEXES_FILE" in dogovor(tmp_path, "comms", "scan", code=1)
