"""The servers really serve. Run with -rP to see how long each took to start."""

from __future__ import annotations

import asyncio
import http.server
import os
import smtplib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Error as PlaywrightError

from .chromium import chromium_page
from .postfix import BOUNCES, CUSTOMER, OTHER, PostfixServer, wait_messages
from .postgres import PostgresServer
from .processes import (
    NotReadyError,
    ProcessDiedError,
    free_port,
    running,
    wait_tcp,
    wait_until,
)
from .requirements import require
from .seaweedfs import S3Server

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def send(server: PostfixServer, recipient: str, notify: str, envelope_id: str) -> None:
    """Send one message through the server, asking for the reports that `notify` names."""
    text = f"Subject: {envelope_id}\r\nFrom: {BOUNCES}\r\nTo: {recipient}\r\n\r\nbody\r\n"
    with smtplib.SMTP(server.host, server.port, server.domain, timeout=10) as client:
        client.sendmail(
            BOUNCES,
            [recipient],
            text,
            mail_options=["RET=HDRS", f"ENVID={envelope_id}"],
            rcpt_options=[f"NOTIFY={notify}", f"ORCPT=rfc822;{recipient}"],
        )


def is_alive(pid: int) -> bool:
    """Tell whether the process exists and is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_postgres_answers(postgres: PostgresServer) -> None:
    """A database can be created, asked, and dropped while someone is connected to it."""
    print(f"PostgreSQL ready in {postgres.ready_s:.2f} s")
    url = postgres.create_database("проверка")
    assert url == f"postgresql+psycopg://postgres@127.0.0.1:{postgres.port}/проверка"
    with psycopg.connect(postgres.dsn("проверка")) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        assert connection.execute("show server_encoding").fetchone() == ("UTF8",)
        postgres.drop_database("проверка")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")


def test_postgres_copies_a_template(postgres: PostgresServer) -> None:
    """A database that has been migrated once can be copied for each test."""
    postgres.create_database("migrated")
    with psycopg.connect(postgres.dsn("migrated"), autocommit=True) as connection:
        connection.execute("create table t as select 7 as n")
    started = time.monotonic()
    postgres.create_database("copy", template="migrated")
    print(f"database copied in {time.monotonic() - started:.3f} s")
    with psycopg.connect(postgres.dsn("copy")) as connection:
        assert connection.execute("select n from t").fetchone() == (7,)
    postgres.drop_database("copy")
    postgres.drop_database("migrated")


def test_postgres_url_is_an_empty_database(postgres_url: str) -> None:
    """Each test gets a database in which nothing is."""
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        tables = "select count(*) from pg_tables where schemaname = 'public'"
        assert connection.execute(tables).fetchone() == (0,)


def test_postfix_reports_success(postfix: PostfixServer) -> None:
    """A delivered message is in the Maildir, and its success report in the sender's."""
    print(f"Postfix ready in {postfix.ready_s:.2f} s")
    started = time.monotonic()
    send(postfix, CUSTOMER, "SUCCESS,FAILURE", "env-success")
    [message] = wait_messages(postfix.maildir("customer"), 1)
    assert message["Subject"] == "env-success"
    [report] = wait_messages(postfix.maildir("bounces"), 1)
    print(f"success DSN back in {time.monotonic() - started:.2f} s")
    assert report.get_content_type() == "multipart/report"
    status = report.as_string()
    assert "Action: delivered" in status
    assert "Original-Envelope-Id: env-success" in status


def test_postfix_reports_failure(postfix: PostfixServer) -> None:
    """A name without a mailbox is accepted at RCPT and bounced with a report."""
    started = time.monotonic()
    send(postfix, f"nobody-here@{postfix.domain}", "FAILURE", "env-failure")
    [report] = wait_messages(postfix.maildir("bounces"), 1, match=lambda mail: "env-failure" in mail.as_string())
    print(f"failure DSN back in {time.monotonic() - started:.2f} s")
    status = report.as_string()
    assert "Action: failed" in status
    assert "Status: 5.1.1" in status
    assert f"Final-Recipient: rfc822; nobody-here@{postfix.domain}" in status


def test_postfix_stays_silent_when_asked(postfix: PostfixServer) -> None:
    """NOTIFY=NEVER yields the message and no report."""
    send(postfix, OTHER, "NEVER", "env-never")
    wait_messages(postfix.maildir("other"), 1)
    with pytest.raises(NotReadyError):
        wait_messages(postfix.maildir("bounces"), 1, deadline_s=0.3)


def test_postfix_relays_nothing(postfix: PostfixServer) -> None:
    """Mail for any other domain is refused at RCPT."""
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(postfix, "someone@example.net", "FAILURE", "env-relay")


def test_seaweedfs_keeps_versions_and_locks(s3: S3Server, s3_bucket: str, s3_lockless_bucket: str) -> None:
    """A bucket keeps two versions of a name; one has object lock, the other has not."""
    print(f"SeaweedFS ready in {s3.ready_s:.2f} s")
    client = s3.client
    for bucket in (s3_bucket, s3_lockless_bucket):
        versions = [client.put_object(Bucket=bucket, Key="name", Body=body)["VersionId"] for body in (b"1", b"2")]
        listed = client.list_object_versions(Bucket=bucket)["Versions"]
        assert sorted(version["VersionId"] for version in listed) == sorted(versions)
    assert client.get_object_lock_configuration(Bucket=s3_bucket)["ObjectLockConfiguration"]
    with pytest.raises(ClientError, match="ObjectLockConfigurationNotFoundError"):
        client.get_object_lock_configuration(Bucket=s3_lockless_bucket)


def test_seaweedfs_runs_a_command_beside_it(tmp_path: Path) -> None:
    """The command is told where the server is, and its exit status comes back."""
    script = """
import os, sys
from blocks.clients.objects_s3 import S3Objects, s3_client
told = {name: os.environ[f"DOGOVOR_S3_{name}"] for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY")}
client = s3_client(told["ENDPOINT"], "us-east-1", told["ACCESS_KEY"], told["SECRET_KEY"])
print(S3Objects(os.environ["DOGOVOR_S3_BUCKET"], "", client).check(), told["ENDPOINT"])
sys.exit(7)
"""
    command = [sys.executable, "-m", "tests.servers.seaweedfs", sys.executable, "-c", script]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 7, done.stderr
    assert "versions enabled, object lock on" in done.stdout
    port = int(done.stdout.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_chromium_renders_cyrillic(tmp_path: Path) -> None:
    """A page is rendered, Cyrillic has glyphs, and a screenshot comes out."""
    started = time.monotonic()
    with chromium_page() as page:
        print(f"Chromium ready in {time.monotonic() - started:.2f} s")
        page.goto("data:text/html;charset=utf-8,<h1>Договор</h1><button>Оплатить</button>")
        assert page.get_by_role("button", name="Оплатить").is_visible()
        picture = tmp_path / "page.png"
        page.screenshot(path=picture)
        assert picture.read_bytes().startswith(PNG_SIGNATURE)
    print(f"Chromium, page, screenshot, end in {time.monotonic() - started:.2f} s")


def test_chromium_reaches_localhost_only(tmp_path: Path) -> None:
    """A page of a local server loads; a name outside is not even looked up."""
    (tmp_path / "index.html").write_text("<meta charset=utf-8><title>Местная</title>")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with chromium_page() as page:
                for host in ("127.0.0.1", "localhost"):
                    page.goto(f"http://{host}:{server.server_port}/")
                    assert page.title() == "Местная"
                for outside in ("http://example.com/", "http://192.0.2.1/"):
                    with pytest.raises(PlaywrightError, match="ERR_NAME_NOT_RESOLVED"):
                        page.goto(outside)
        finally:
            server.shutdown()
            thread.join()


def test_asyncio_works_after_chromium() -> None:
    """A closed page leaves no event loop behind, so async tests may follow."""
    with chromium_page():
        pass
    assert asyncio.run(asyncio.sleep(0, 5)) == 5


def test_running_tells_why_a_process_died(tmp_path: Path) -> None:
    """A process that ends early fails the test with what it last wrote."""
    with (
        pytest.raises(ProcessDiedError, match=r"status 3\n.*no licence"),
        running(["sh", "-c", "echo no licence; exit 3"], log=tmp_path / "log") as process,
    ):
        wait_tcp("127.0.0.1", free_port(), 5, process)


def test_running_kills_what_ignores_sigterm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole group is gone afterwards, its stubborn members too."""
    monkeypatch.setattr("tests.servers.processes.STOP_DEADLINE_S", 0.2)
    log = tmp_path / "log"
    script = "trap '' TERM; sleep 60 & echo $!; while :; do sleep 1; done"
    with running(["sh", "-c", script], log=log) as process:
        wait_until(lambda: log.read_text().endswith("\n"), 5, "the script has started")
        child_pid = int(log.read_text())
    assert not is_alive(process.pid)
    wait_until(lambda: not is_alive(child_pid), 5, "the grandchild has ended")


def test_running_does_not_outlive_the_test_process(tmp_path: Path) -> None:
    """When the test process is killed, the kernel ends what it started, whoever that runs as."""
    user = ", user_id=65534" if os.geteuid() == 0 else ""
    script = f"""
import os, pathlib, signal, time
from tests.servers.processes import running
with running(["sleep", "60"], log=pathlib.Path({str(tmp_path / "log")!r}){user}) as process:
    print(process.pid, flush=True)
    while pathlib.Path(f"/proc/{{process.pid}}/comm").read_text() != "sleep\\n":
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    pid = int(result.stdout)
    wait_until(lambda: not is_alive(pid), 5, "the orphan has ended")


def test_ports_are_never_given_twice() -> None:
    """Two callers never get the same port, though nobody listens on it yet."""
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize(("ci", "outcome"), [("true", "Failed"), ("", "Skipped")])
def test_a_missing_binary_fails_in_ci_only(monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str) -> None:
    """In CI nothing is skipped in silence."""
    monkeypatch.setenv("CI", ci)
    with pytest.raises(BaseException, match=r"no-such-server is missing.*install\.sh") as caught:
        require("no-such-server", "no-such-package")
    assert type(caught.value).__name__ == outcome
