"""Objects: one suite for every store, the directory and buckets of a real S3 server."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from blocks.clients.archive import HashedArchive
from blocks.clients.objects import LOCKED, LONGEST_NAME, Objects, Version
from blocks.clients.objects_directory import DirectoryObjects
from blocks.clients.objects_s3 import S3Objects
from blocks.errors import NotFound, Refused
from tests.servers.processes import wait_until
from tests.servers.seaweedfs import S3Server

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
FAR = datetime(2190, 1, 1, tzinfo=UTC)

BAD_NAMES = (
    "",
    "/etc/passwd",
    "../up",
    "logs/../../up",
    "logs/..",
    "logs//day",
    "logs/",
    ".hidden",
    "logs/.hidden",
    "пакет",
    "a b",
    "a\n",
    "a\\b",
    "a" * 256,
    "/".join(["a" * 200] * 5),
)


@pytest.fixture(params=["directory", "s3", "s3 without lock", "s3 without versions"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """An empty store of each kind."""
    if request.param == "directory":
        return DirectoryObjects(tmp_path / "objects")
    server: S3Server = request.getfixturevalue("s3")
    bucket = server.create_bucket(versions="versions" not in request.param, lock=request.param == "s3")
    return S3Objects(bucket, "kept/", server.client)


@pytest.fixture(params=["directory", "s3"])
def locking(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """An empty store of each kind that can hold to locks."""
    if request.param == "directory":
        return DirectoryObjects(tmp_path / "objects")
    server: S3Server = request.getfixturevalue("s3")
    return S3Objects(request.getfixturevalue("s3_bucket"), "kept/", server.client)


def names(store: Objects, prefix: str = "") -> list[str]:
    return sorted(version.name for version in store.versions(prefix))


def test_what_was_put_is_given_back(store: Objects) -> None:
    store.put("logs/QS/2026-11-01/1-0.seg", b"sealed")
    store.put("empty", b"")
    assert store.get("logs/QS/2026-11-01/1-0.seg") == b"sealed"
    assert store.get("empty") == b""
    assert store.has("empty")
    assert names(store) == ["empty", "logs/QS/2026-11-01/1-0.seg"]


def test_a_file_goes_in_and_out_in_pieces(store: Objects, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(3 << 20))
    store.put_file("big", source)
    store.fetch("big", target)
    assert target.read_bytes() == source.read_bytes() == store.get("big")


@pytest.mark.parametrize("name", ["absent", "folder", "folder/object/below"])
def test_what_is_not_there_is_not_found_and_leaves_no_file(store: Objects, tmp_path: Path, name: str) -> None:
    store.put("folder/object", b"1")
    assert not store.has(name)
    with pytest.raises(NotFound):
        store.get(name)
    with pytest.raises(NotFound):
        store.fetch(name, tmp_path / "target")
    assert not (tmp_path / "target").exists()
    assert store.destroy([Version(name, "null")], now=NOW) == {}
    assert store.get("folder/object") == b"1"


def test_a_name_that_leads_elsewhere_is_refused_by_every_method(store: Objects, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"1")
    calls: list[Callable[[str], object]] = [
        lambda name: store.put(name, b"1"),
        lambda name: store.put_file(name, source),
        store.has,
        store.get,
        lambda name: store.fetch(name, tmp_path / "target"),
    ]
    for call, name in product(calls, BAD_NAMES):
        with pytest.raises(Refused) as refused:
            call(name)
        assert refused.value.reason == "name"
    assert names(store) == []


def test_a_prefix_that_leads_elsewhere_is_refused(store: Objects) -> None:
    for prefix in ("/", "../", "logs/../", ".", "logs/.", "*"):
        with pytest.raises(Refused) as refused:
            store.versions(prefix)
        assert refused.value.reason == "name"


def test_the_longest_name_of_every_character_is_taken(store: Objects) -> None:
    first = "AZaz09._+=-"
    name = "/".join([first, *["a" * 200] * 4, "b" * (LONGEST_NAME - 4 * 201 - len(first) - 1)])
    assert len(name) == LONGEST_NAME
    store.put(name, b"1")
    assert names(store) == [name]


def test_versions_are_those_whose_names_begin_so(store: Objects) -> None:
    for name in ("logs/a/1", "logs/a/2", "logs/ab/1", "logs/b", "logsx", "other"):
        store.put(name, b"1")
    assert names(store, "logs/a") == ["logs/a/1", "logs/a/2", "logs/ab/1"]
    assert names(store, "logs/a/") == ["logs/a/1", "logs/a/2"]
    assert names(store, "logs/") == ["logs/a/1", "logs/a/2", "logs/ab/1", "logs/b"]
    assert names(store, "logs") == ["logs/a/1", "logs/a/2", "logs/ab/1", "logs/b", "logsx"]
    assert names(store, "logs/b/") == names(store, "nothing/here") == []


def test_the_version_that_put_tells_is_the_one_listed(store: Objects) -> None:
    version = store.put("a", b"1")
    assert store.versions("") == [Version("a", version)]


def test_what_is_destroyed_is_gone_and_the_rest_stays(store: Objects) -> None:
    versions = {name: Version(name, store.put(name, b"1")) for name in ("x/a", "x/b", "y/c")}
    assert store.destroy([versions["x/a"], versions["y/c"]], now=NOW) == {}
    assert names(store) == ["x/b"]
    assert not store.has("x/a")
    with pytest.raises(NotFound):
        store.get("y/c")


def test_destroying_again_is_no_error(store: Objects) -> None:
    version = Version("a", store.put("a", b"1"))
    assert store.destroy([version], now=NOW) == {}
    assert store.destroy([version, version], now=NOW) == {}
    assert store.destroy([], now=NOW) == {}


def test_a_name_put_again_after_it_was_destroyed_is_new(store: Objects) -> None:
    store.destroy([Version("a/b", store.put("a/b", b"1"))], now=NOW)
    store.put("a/b", b"2")
    assert store.get("a/b") == b"2"


def test_an_overwritten_name_gives_the_newest_and_leaves_nothing_once_destroyed(store: Objects) -> None:
    for content in (b"1", b"2", b"3"):
        store.put("a", content)
    assert store.get("a") == b"3"
    assert store.destroy(store.versions("a"), now=NOW) == {}
    assert store.versions("") == []


def test_a_lock_refuses_until_its_time(locking: Objects) -> None:
    until = datetime.now(UTC) + timedelta(seconds=3)
    locked = Version("a", locking.put("a", b"1", keep_until=until))
    free = Version("b", locking.put("b", b"1"))
    assert locking.destroy([locked, free], now=until - timedelta(microseconds=1)) == {"a": LOCKED}
    assert names(locking) == ["a"]
    wait_until(lambda: locking.destroy([locked], now=until) == {}, 15, "the lock is over")
    assert names(locking) == []


def test_a_file_is_locked_as_bytes_are(locking: Objects, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"1")
    version = Version("a", locking.put_file("a", tmp_path / "source", keep_until=FAR))
    assert locking.destroy([version], now=NOW) == {"a": LOCKED}


def test_what_is_held_is_not_destroyed_until_it_is_let_go(locking: Objects) -> None:
    held, free = (Version(name, locking.put(name, b"1")) for name in ("a/held", "a/free"))
    for _ in range(2):
        locking.hold([held], on=True)
    assert locking.destroy([held, free], now=NOW) == {"a/held": LOCKED}
    assert names(locking) == ["a/held"]
    for _ in range(2):
        locking.hold([held], on=False)
    assert locking.destroy([held], now=NOW) == {}
    assert names(locking) == []


def test_what_is_not_there_cannot_be_held(locking: Objects) -> None:
    gone = Version("a", locking.put("a", b"1"))
    locking.destroy([gone], now=NOW)
    for on in (True, False):
        with pytest.raises(NotFound):
            locking.hold([gone], on=on)


def test_the_check_says_what_was_seen_and_leaves_nothing(store: Objects) -> None:
    said = store.check()
    assert said.startswith(("directory ", "bucket "))
    assert names(store) == []


def test_an_archive_keeps_the_same_bytes_once_and_finds_out_what_was_altered(store: Objects, tmp_path: Path) -> None:
    archive, source, target = HashedArchive(store), tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"document")
    sha256 = archive.put(b"document")
    [kept] = store.versions("")
    assert kept.name == f"{sha256[:2]}/{sha256}"
    assert archive.put(b"document") == archive.put_file(source) == sha256
    assert store.versions("") == [kept]
    assert archive.get(sha256) == b"document"
    archive.fetch(sha256, target)
    assert target.read_bytes() == b"document"
    store.put(kept.name, b"other")
    with pytest.raises(Refused, match="altered"):
        archive.get(sha256)
    with pytest.raises(Refused, match="altered"):
        archive.fetch(sha256, target)
    assert not target.exists()
    with pytest.raises(NotFound, match="document"):
        archive.get("0" * 64)
