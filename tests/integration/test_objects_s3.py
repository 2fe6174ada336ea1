"""Objects in S3: versions, locks, policies, faults on the way; on a real server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from blocks.clients import objects_s3
from blocks.clients.objects import LOCKED, Version
from blocks.clients.objects_s3 import S3Objects, s3_client
from blocks.errors import NotFound, Refused, Transient
from tests.servers.processes import free_port
from tests.servers.seaweedfs import ACCESS_KEY, REGION, SECRET_KEY, S3Server

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
FAR = datetime(2190, 1, 1, tzinfo=UTC)
SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"


@pytest.fixture
def store(s3: S3Server, s3_bucket: str) -> S3Objects:
    """A bucket with versions and object lock."""
    return S3Objects(s3_bucket, "kept/", s3.client)


@pytest.fixture
def lockless(s3: S3Server, s3_lockless_bucket: str) -> S3Objects:
    """A bucket with versions and without object lock."""
    return S3Objects(s3_lockless_bucket, "kept/", s3.client)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that botocore would have made, which it does not make."""
    waits: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waits.append))
    return waits


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server that answers so."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Quiet(BaseHTTPRequestHandler):
    """A handler that keeps the test's output clean."""

    def answer(self, status: int, content: bytes, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def in_front(server: S3Server, refuse: Callable[[], bool]) -> AbstractContextManager[str]:
    """The address of a proxy before the server, which answers "slow down" as long as it is told to."""

    class Proxy(Quiet):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if refuse():
                self.answer(503, SLOW_DOWN, len(SLOW_DOWN))
                return
            url, headers = server.endpoint + self.path, dict(self.headers)
            told = httpx.post(url, headers=headers, content=body, timeout=30, trust_env=False)
            self.answer(told.status_code, told.content, len(told.content))

    return serving(Proxy)


def test_every_version_and_marker_of_a_prefix_goes_and_another_prefix_stays(
    s3: S3Server, s3_bucket: str, store: S3Objects
) -> None:
    other = S3Objects(s3_bucket, "kept-too/", s3.client)
    other.put("a", b"1")
    for content in (b"1", b"2"):
        store.put("a/b", content)
        s3.client.delete_object(Bucket=s3_bucket, Key="kept/a/b")
    store.put("a/c", b"3")
    found = store.versions("")
    assert sorted((version.name, version.marker) for version in found) == [
        ("a/b", False),
        ("a/b", False),
        ("a/b", True),
        ("a/b", True),
        ("a/c", False),
    ]
    assert store.destroy(found, now=NOW) == {}
    assert store.versions("") == []
    assert [version.name for version in other.versions("")] == ["a"]


def test_a_plain_delete_by_somebody_else_leaves_the_bytes_and_destroy_takes_them(
    s3: S3Server, s3_bucket: str, store: S3Objects
) -> None:
    version = Version("a", store.put("a", b"secret"))
    s3.client.delete_object(Bucket=s3_bucket, Key="kept/a")
    with pytest.raises(NotFound):
        store.get("a")
    assert not store.has("a")
    assert s3.client.get_object(Bucket=s3_bucket, Key="kept/a", VersionId=version.version)["Body"].read() == b"secret"
    found = store.versions("a")
    assert version in found
    assert store.destroy(found, now=NOW) == {}
    assert store.versions("") == []


def test_an_older_version_alone_may_be_destroyed(store: S3Objects) -> None:
    old = Version("a", store.put("a", b"1"))
    new = Version("a", store.put("a", b"2"))
    assert store.destroy([old], now=NOW) == {}
    assert store.versions("") == [new]
    assert store.get("a") == b"2"


def test_a_version_without_an_id_is_told_and_gets_no_marker(store: S3Objects) -> None:
    version = Version("a", store.put("a", b"1"))
    assert store.destroy([Version("a", "")], now=NOW) == {"a": "no version given"}
    assert store.versions("") == [version]


def test_names_of_others_with_odd_characters_are_listed_and_destroyed(
    s3: S3Server, s3_bucket: str, store: S3Objects
) -> None:
    for name in ("день 1/журнал.log", "a+b & <c>.log", "a%2Fb", "x:y,z"):
        s3.client.put_object(Bucket=s3_bucket, Key=f"kept/{name}", Body=b"1")
    found = store.versions("")
    assert {version.name for version in found} == {"день 1/журнал.log", "a+b & <c>.log", "a%2Fb", "x:y,z"}
    assert store.destroy(found, now=NOW) == {}
    assert store.versions("") == []


def test_more_versions_than_a_page_or_a_request_holds_are_listed_and_destroyed(store: S3Objects) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: store.put(f"many/{number}", b"1"), range(2101)))
    found = store.versions("many/")
    assert len(set(found)) == 2101
    assert store.destroy(found, now=NOW) == {}
    assert store.versions("") == []


def test_a_lock_is_not_bypassed_by_an_administrator(s3: S3Server, s3_bucket: str, store: S3Objects) -> None:
    version = Version("a", store.put("a", b"1", keep_until=FAR))
    told = s3.client.head_object(Bucket=s3_bucket, Key="kept/a", VersionId=version.version)
    assert (told["ObjectLockMode"], told["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", FAR)
    assert store.destroy([version], now=FAR.replace(year=2200)) == {"a": LOCKED}
    assert store.versions("") == [version]


def test_overwriting_a_locked_name_leaves_the_locked_version(store: S3Objects) -> None:
    locked = Version("a", store.put("a", b"1", keep_until=FAR))
    store.put("a", b"2")
    assert store.destroy(store.versions(""), now=NOW) == {"a": LOCKED}
    assert store.versions("") == [locked]


def test_without_object_lock_nothing_is_kept_and_a_hold_is_refused(lockless: S3Objects) -> None:
    version = Version("a", lockless.put("a", b"1", keep_until=FAR))
    with pytest.raises(Refused) as refused:
        lockless.hold([version], on=True)
    assert refused.value.reason == "object-lock"
    assert lockless.destroy([version], now=NOW) == {}


def test_delete_markers_cannot_be_held_and_are_passed_over(s3: S3Server, s3_bucket: str, store: S3Objects) -> None:
    store.put("a", b"1")
    s3.client.delete_object(Bucket=s3_bucket, Key="kept/a")
    found = store.versions("a")
    store.hold(found, on=True)
    assert store.destroy(found, now=NOW) == {"a": LOCKED}
    assert [version.marker for version in store.versions("a")] == [False]


def test_what_a_policy_denies_is_named_and_the_rest_is_gone(s3: S3Server, s3_bucket: str, store: S3Objects) -> None:
    limited = S3Objects(s3_bucket, "kept/", s3.limited_client)
    versions = [Version(name, limited.put(name, b"1")) for name in ("free/1", "denied/1", "free/2", "denied/2")]
    s3.deny_deletes(s3_bucket, "kept/denied/")
    assert limited.destroy(versions, now=NOW) == {"denied/1": "denied", "denied/2": "denied"}
    assert sorted(version.name for version in store.versions("")) == ["denied/1", "denied/2"]


@pytest.mark.parametrize(
    ("versions", "lock", "said"),
    [
        (True, True, "versions enabled, object lock on"),
        (True, False, "versions enabled, object lock off"),
        (False, False, "versions off, object lock off"),
    ],
)
def test_the_check_tells_versions_and_object_lock(s3: S3Server, versions: bool, lock: bool, said: str) -> None:
    bucket = s3.create_bucket(versions=versions, lock=lock)
    assert S3Objects(bucket, "kept/", s3.client).check() == f"bucket {bucket}/kept/: {said}"


HAS = 4


def every_call(store: S3Objects, source: Path) -> list[Callable[[], object]]:
    source.write_bytes(b"1")
    return [
        store.check,
        lambda: store.put("a", b"1"),
        lambda: store.put("a", b"1", keep_until=FAR),
        lambda: store.put_file("a", source),
        lambda: store.has("a"),
        lambda: store.get("a"),
        lambda: store.fetch("a", source.with_name("target")),
        lambda: store.versions(""),
        lambda: store.destroy([Version("a", "1")], now=NOW),
        lambda: store.hold([Version("a", "1")], on=True),
        lambda: store.ensure_second_net({}),
    ]


def test_a_wrong_secret_is_refused_and_never_told(s3: S3Server, s3_bucket: str, tmp_path: Path) -> None:
    store = S3Objects(s3_bucket, "", s3_client(s3.endpoint, REGION, ACCESS_KEY, "wrong-secret"))
    for call in every_call(store, tmp_path / "source"):
        with pytest.raises(Refused) as refused:
            call()
        assert "wrong-secret" not in str(refused.value)
        assert refused.value.__suppress_context__


def test_a_bucket_that_is_not_there_is_refused(s3: S3Server, tmp_path: Path) -> None:
    store = S3Objects("no-such-bucket", "", s3.client)
    calls = every_call(store, tmp_path / "source")
    del calls[HAS]
    for call in calls:
        with pytest.raises(Refused, match="NoSuchBucket"):
            call()
    assert not store.has("a")


def test_a_server_that_is_gone_is_transient(impatient: list[float], tmp_path: Path) -> None:
    client = s3_client(f"http://127.0.0.1:{free_port()}", REGION, ACCESS_KEY, SECRET_KEY)
    for call in every_call(S3Objects("bucket", "", client), tmp_path / "source"):
        with pytest.raises(Transient):
            call()
    assert impatient
    assert not (tmp_path / "target").exists()


def test_a_server_that_says_slow_down_twice_is_asked_a_third_time(
    s3: S3Server, s3_bucket: str, store: S3Objects, impatient: list[float]
) -> None:
    version = Version("a", store.put("a", b"1"))
    answers = [True, True, False]
    with in_front(s3, lambda: answers.pop(0)) as address:
        through = S3Objects(s3_bucket, "kept/", s3_client(address, REGION, ACCESS_KEY, SECRET_KEY))
        assert through.destroy([version], now=NOW) == {}
    assert (answers, len(impatient)) == ([], 2)
    assert store.versions("") == []


def test_a_server_that_goes_on_saying_slow_down_is_transient(
    s3: S3Server, s3_bucket: str, store: S3Objects, impatient: list[float]
) -> None:
    version = Version("a", store.put("a", b"1"))
    with in_front(s3, lambda: True) as address:
        through = S3Objects(s3_bucket, "kept/", s3_client(address, REGION, ACCESS_KEY, SECRET_KEY))
        with pytest.raises(Transient, match="SlowDown"):
            through.destroy([version], now=NOW)
    assert len(impatient) == 4
    assert store.versions("") == [version]


def test_an_answer_that_breaks_off_is_transient_and_leaves_no_file(tmp_path: Path) -> None:
    class Breaking(Quiet):
        def do_GET(self) -> None:
            self.answer(200, b"half", 8)

    with serving(Breaking) as address:
        store = S3Objects("bucket", "", s3_client(address, REGION, ACCESS_KEY, SECRET_KEY))
        with pytest.raises(Transient):
            store.get("a")
        with pytest.raises(Transient):
            store.fetch("a", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_what_is_no_answer_of_s3_is_transient() -> None:
    class Odd(Quiet):
        def do_GET(self) -> None:
            self.answer(200, b"<html>", 6)

    with serving(Odd) as address:
        store = S3Objects("bucket", "", s3_client(address, REGION, ACCESS_KEY, SECRET_KEY))
        with pytest.raises(Transient):
            store.versions("")


def test_a_proxy_of_the_environment_is_not_used(s3: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    store = S3Objects(s3_bucket, "", s3_client(s3.endpoint, REGION, ACCESS_KEY, SECRET_KEY))
    assert store.check()


def test_a_long_file_goes_up_in_parts(
    s3: S3Server, s3_bucket: str, store: S3Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_s3, "PART", 5 << 20)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * (41 << 10) + b"end")
    version = store.put_file("big", source, keep_until=FAR)
    assert store.versions("") == [Version("big", version)]
    told = s3.client.head_object(Bucket=s3_bucket, Key="kept/big")
    assert told["ETag"].endswith('-3"')
    assert told["ObjectLockRetainUntilDate"] == FAR
    store.fetch("big", target)
    assert target.read_bytes() == source.read_bytes()


def test_an_upload_in_parts_that_fails_leaves_no_parts(
    s3: S3Server, s3_bucket: str, store: S3Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_s3, "PART", 5 << 20)
    source = tmp_path / "source"
    source.write_bytes(bytes(11 << 20))
    client = s3_client(s3.endpoint, REGION, ACCESS_KEY, SECRET_KEY)
    sent = []

    def break_second(**_: Any) -> None:
        sent.append(1)
        if len(sent) == 2:
            message = "no more"
            raise RuntimeError(message)

    client.meta.events.register("before-send.s3.UploadPart", break_second)
    with pytest.raises(RuntimeError):
        S3Objects(s3_bucket, "kept/", client).put_file("big", source)
    assert s3.client.list_multipart_uploads(Bucket=s3_bucket).get("Uploads", []) == []
    assert store.versions("") == []


def lifecycle(server: S3Server, bucket: str) -> dict[str, dict[str, Any]]:
    rules = server.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    return {rule["ID"]: rule for rule in rules}


def test_the_second_net_expires_by_days_where_object_lock_protects_what_is_held(
    s3: S3Server, s3_bucket: str, store: S3Objects
) -> None:
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "kept/x"}, "Expiration": {"Days": 3}}
    s3.client.put_bucket_lifecycle_configuration(Bucket=s3_bucket, LifecycleConfiguration={"Rules": [theirs]})
    for prefix in ("", "kept/else/"):
        S3Objects(s3_bucket, prefix, s3.client).ensure_second_net({"logs/": 5})
    store.ensure_second_net({"logs/QS/": 40, "logs/gone/": 7})
    store.ensure_second_net({"logs/QS/": 41})
    rules = lifecycle(s3, s3_bucket)
    assert set(rules) == {
        "theirs",
        "dogovor-:left-behind",
        "dogovor-:days:logs/",
        "dogovor-kept/else/:left-behind",
        "dogovor-kept/else/:days:logs/",
        "dogovor-kept/:left-behind",
        "dogovor-kept/:days:logs/QS/",
    }
    assert rules["theirs"]["Expiration"] == {"Days": 3}
    days = rules["dogovor-kept/:days:logs/QS/"]
    assert (days["Filter"]["Prefix"], days["Expiration"], days["Status"]) == (
        "kept/logs/QS/",
        {"Days": 41},
        "Enabled",
    )
    left = rules["dogovor-kept/:left-behind"]
    assert left["Filter"]["Prefix"] == "kept/"
    assert left["Expiration"] == {"ExpiredObjectDeleteMarker": True}
    assert left["NoncurrentVersionExpiration"]["NoncurrentDays"] == 1
    assert left["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_the_second_net_is_laid_once(s3: S3Server, s3_bucket: str) -> None:
    client, sent = s3_client(s3.endpoint, REGION, ACCESS_KEY, SECRET_KEY), []
    client.meta.events.register("before-send.s3.PutBucketLifecycleConfiguration", lambda **_: sent.append(1))
    for _ in range(2):
        S3Objects(s3_bucket, "kept/", client).ensure_second_net({"logs/QS/": 40})
    assert sent == [1]


def test_the_second_net_expires_nothing_by_days_without_object_lock(
    s3: S3Server, s3_lockless_bucket: str, lockless: S3Objects
) -> None:
    lockless.ensure_second_net({"logs/QS/": 40})
    assert set(lifecycle(s3, s3_lockless_bucket)) == {"dogovor-kept/:left-behind"}
