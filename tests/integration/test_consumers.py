"""Directories of certificates: who reads them, what stays in them, and a mail server that reads them anew."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from blocks.clients.ca.addresses import ConsumerAt, EndpointAt
from blocks.clients.ca.pem import facts_of, leaf_of, new_key, request_for
from blocks.clients.certificates import Bundle, LocalAuthority
from blocks.clients.consumers import DirectoryConsumer
from blocks.errors import Refused, Transient
from blocks.terms.certificates import KeyKind
from tests.certificate_work import standing_in
from tests.servers.processes import clean_environment, free_port, running, server_directory, wait_tcp
from tests.servers.requirements import require, require_root
from tests.work import NOW

SLUG = "mail.example.test"
DOVECOT = """\
base_dir = {home}/run
state_dir = {home}/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{served}/fullchain.pem
ssl_key = <{served}/privkey.pem
passdb {{
  driver = passwd-file
  args = {home}/passwd
}}
userdb {{
  driver = passwd-file
  args = {home}/passwd
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


def made(authority: LocalAuthority) -> Bundle:
    key = new_key(KeyKind.EC_P256)
    public = x509.load_pem_x509_csr(request_for([SLUG], key).encode()).public_key()
    return Bundle(chain=authority.signed(public, [SLUG], timedelta(days=90), NOW), key=key)


@pytest.fixture
def authority(tmp_path: Path) -> LocalAuthority:
    return LocalAuthority(tmp_path / "ca", lambda: NOW)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "served"
    path.mkdir(mode=0o750)
    return path


def consumer(directory: Path, *reload: str, seconds: int = 30) -> DirectoryConsumer:
    return DirectoryConsumer(ConsumerAt(name="one", directory=directory, reload=reload, reload_seconds=seconds))


def modes(place: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()}


def test_a_group_that_may_list_the_directory_reads_the_key_and_nobody_else_does(
    directory: Path, authority: LocalAuthority
) -> None:
    consumer(directory).install(SLUG, made(authority))
    place = directory / SLUG
    assert modes(place) == {"fullchain.pem": 0o644, "privkey.pem": 0o640, "both.pem": 0o640}
    assert {path.stat().st_gid for path in place.iterdir()} == {directory.stat().st_gid}
    assert stat.S_IMODE(place.stat().st_mode) == 0o750


def test_a_directory_of_its_owner_alone_keeps_the_key_to_him(directory: Path, authority: LocalAuthority) -> None:
    directory.chmod(0o700)
    consumer(directory).install(SLUG, made(authority))
    assert set(modes(directory / SLUG).values()) == {0o600}


def test_a_key_belongs_to_the_group_of_the_directory(directory: Path, authority: LocalAuthority) -> None:
    require_root("Another group")
    os.chown(directory, -1, 12345)
    consumer(directory).install(SLUG, made(authority))
    assert (directory / SLUG / "privkey.pem").stat().st_gid == 12345
    assert (directory / ".versions").stat().st_gid == 12345


def test_the_last_two_certificates_stay_and_keys_of_older_ones_are_overwritten(
    directory: Path, authority: LocalAuthority
) -> None:
    bundles = [made(authority) for _ in range(4)]
    shown = consumer(directory)
    shown.install(SLUG, bundles[0])
    first = directory / ".versions" / SLUG / facts_of(bundles[0].chain).fingerprint / "privkey.pem"
    with first.open("rb") as held:
        for bundle in bundles[1:]:
            shown.install(SLUG, bundle)
        assert set(held.read()) <= {0}
    kept = {path.name for path in (directory / ".versions" / SLUG).iterdir() if path.is_dir()}
    assert kept == {facts_of(bundle.chain).fingerprint for bundle in bundles[2:]}
    assert standing_in(directory) == bundles[3]
    shown.install(SLUG, bundles[2])
    assert standing_in(directory) == bundles[2]


def test_what_a_killed_process_left_to_be_erased_is_erased_by_the_next(
    directory: Path, authority: LocalAuthority
) -> None:
    bundles = [made(authority) for _ in range(3)]
    shown, versions = consumer(directory), directory / ".versions" / SLUG
    for bundle in bundles[:2]:
        shown.install(SLUG, bundle)
    oldest = versions / facts_of(bundles[0].chain).fingerprint
    left = oldest.rename(versions / f".going-{oldest.name}")
    (left / "fullchain.pem").unlink()
    shown.install(SLUG, bundles[2])
    kept = {path.name for path in versions.iterdir() if path.is_dir()}
    assert kept == {facts_of(bundle.chain).fingerprint for bundle in bundles[1:]}


def test_a_reader_of_one_file_never_sees_a_key_beside_the_certificate_of_another(
    directory: Path, authority: LocalAuthority
) -> None:
    bundles = [made(authority), made(authority)]
    whole = {bundle.both for bundle in bundles}
    shown = consumer(directory)
    shown.install(SLUG, bundles[0])
    over, seen = threading.Event(), set[str]()

    def read() -> None:
        while not over.is_set():
            seen.add((directory / SLUG / "both.pem").read_text())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(60):
            shown.install(SLUG, bundles[turn % 2])
    finally:
        over.set()
        reader.join()
    assert seen == whole


def test_what_somebody_else_put_there_is_left_alone(directory: Path, authority: LocalAuthority) -> None:
    (directory / SLUG).mkdir()
    (directory / SLUG / "privkey.pem").write_text("theirs")
    with pytest.raises(Refused, match="somebody else's"):
        consumer(directory).install(SLUG, made(authority))
    assert (directory / SLUG / "privkey.pem").read_text() == "theirs"
    assert standing_in(directory) is None


@pytest.mark.parametrize("slug", ["..", "../x", "a/b", "", ".versions"])
def test_no_name_leads_out_of_the_directory(directory: Path, authority: LocalAuthority, slug: str) -> None:
    with pytest.raises(Refused):
        consumer(directory).install(slug, made(authority))
    assert list(directory.iterdir()) == []


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path, authority: LocalAuthority) -> None:
    with pytest.raises(Refused, match="No such file"):
        consumer(tmp_path / "none").install(SLUG, made(authority))
    assert not (tmp_path / "none").exists()


def test_a_command_that_hangs_is_ended_and_tried_again_later(directory: Path, authority: LocalAuthority) -> None:
    with pytest.raises(Transient, match="did not end in 1 s"):
        consumer(directory, "/bin/sleep", "60", seconds=1).install(SLUG, made(authority))


def test_a_command_that_fails_is_told_with_its_last_line_and_without_any_key(
    directory: Path, authority: LocalAuthority
) -> None:
    with pytest.raises(Refused, match="ended with 3: no such unit"):
        consumer(directory, "/bin/sh", "-c", "echo no such unit; exit 3").install(SLUG, made(authority))
    with pytest.raises(Refused) as told:
        consumer(directory, "/bin/sh", "-c", "echo -----BEGIN PRIVATE KEY----- MIG; exit 3").install(
            SLUG, made(authority)
        )
    assert "MIG" not in str(told.value)
    with pytest.raises(Refused, match="ended with 127"):
        consumer(directory, "/nowhere/reload").install(SLUG, made(authority))


def test_a_consumer_whose_endpoints_are_asked_by_other_names_proves_nothing(directory: Path) -> None:
    at = ConsumerAt(name="one", directory=directory, endpoints=(EndpointAt(host="other.test", port=443),))
    with pytest.raises(Refused, match="no endpoint"):
        DirectoryConsumer(at).prove(SLUG, [SLUG], "f")
    assert consumer(directory).prove(SLUG, [SLUG], "f") == ()


@contextmanager
def dovecot(served: Path) -> Iterator[tuple[EndpointAt, tuple[str, ...]]]:
    """A Dovecot that reads these files: where it speaks IMAP, and the command that has it read them anew."""
    require_root("Dovecot")
    require("/usr/lib/dovecot/imap", "dovecot-imapd")
    with server_directory("dg-served-") as home:
        port = free_port()
        (home / "passwd").touch()
        conf = home / "dovecot.conf"
        conf.write_text(DOVECOT.format(home=home, served=served, port=port))
        args: list[str | Path] = [require("dovecot", "dovecot-core"), "-F", "-c", conf]
        with running(args, log=home / "log", env=clean_environment(home), cwd=home) as process:
            wait_tcp("127.0.0.1", port, 30, process)
            reload = (require("doveadm", "dovecot-core"), "-c", str(conf), "reload")
            yield EndpointAt(host="127.0.0.1", port=port, protocol="imap", name=SLUG), reload


@pytest.mark.clause("KS-3.8")
def test_ks_3_8_a_mail_server_shows_the_new_certificate_after_its_reload_and_the_old_one_again(
    directory: Path, authority: LocalAuthority
) -> None:
    old, new = made(authority), made(authority)
    consumer(directory).install(SLUG, old)
    with dovecot(directory / SLUG) as (endpoint, reload):
        at = ConsumerAt(name="dovecot", directory=directory, reload=reload, endpoints=(endpoint,))
        shown = DirectoryConsumer(at)
        for bundle in (new, old):
            shown.install(SLUG, bundle)
            fingerprint = facts_of(bundle.chain).fingerprint
            [seen] = shown.prove(SLUG, [SLUG], fingerprint)
            assert (seen.ok, seen.fingerprint, seen.name) == (True, fingerprint, SLUG)
    assert leaf_of(old.chain) != leaf_of(new.chain)
