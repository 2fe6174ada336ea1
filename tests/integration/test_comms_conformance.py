"""What every complex must do, whatever stands behind it: run over the sandbox, and over real servers."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from blocks.clients.certificates import LocalAuthority
from blocks.clients.comms.protocol import Complex
from blocks.clients.comms.sandbox import SandboxComplex
from blocks.clients.directory import XMPP_USERS, Directory, Kind
from blocks.clients.password_hashes import AccountHashes, hash_account
from blocks.errors import Transient
from blocks.ledger import open_engine
from blocks.office import Office
from blocks.terms.ks_complex import ProofKind, Want, wanted
from tests.servers.comms_whole import Whole

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CONTACTS = ("c001", "c002", "c003")
OF = {Kind.XMPP: ProofKind.XMPP, Kind.MAIL: ProofKind.IMAP, Kind.SIP: ProofKind.SIP}


@dataclass(frozen=True)
class Held:
    """A complex under test.

    `login(kind, domain, contact, password)` says whether a customer gets in with a password, as a client of its own
    would try it; `down()` is a context in which the complex cannot be reached; `domain(n)` gives domains that can be
    served here, another one for each n.
    """

    complex: Complex
    login: Callable[[Kind, str, str, str], bool]
    down: Callable[[], AbstractContextManager[object]]
    domain: Callable[[int], str]


@dataclass(frozen=True)
class Customer:
    """A domain with its accounts and the passwords of its contacts."""

    domain: str
    accounts: tuple[AccountHashes, ...]
    passwords: dict[str, str]


def customer(domain: str, contacts: tuple[str, ...] = CONTACTS, salt: str = "") -> Customer:
    """Accounts for contacts, each with a password of its own."""
    passwords = {name: f"pass-{name}-{salt}-1A" for name in contacts}
    accounts = tuple(
        hash_account(name, domain, str(1000 + int(name[1:])), password) for name, password in passwords.items()
    )
    return Customer(domain, accounts, passwords)


def lets_in(held: Held, whose: Customer) -> set[tuple[Kind, str]]:
    """Which contacts get in where, with their passwords."""
    tries = [(kind, name) for name in whose.passwords for kind in Kind]
    with ThreadPoolExecutor(len(tries)) as threads:
        tried = threads.map(lambda one: held.login(one[0], whose.domain, one[1], whose.passwords[one[1]]), tries)
        return {one for one, good in zip(tries, tried, strict=True) if good}


EVERYWHERE = {(kind, name) for kind in Kind for name in CONTACTS}


@pytest.fixture(params=["sandbox", "real"])
def held(request: pytest.FixtureRequest) -> Held:
    """Each complex that must conform."""
    found: Held = request.getfixturevalue(f"held_{request.param}")
    return found


@pytest.fixture
def served(held: Held, request: pytest.FixtureRequest) -> Iterator[Customer]:
    """A customer whose domain is prepared and provisioned; gone afterwards."""
    number = int.from_bytes(hashlib.sha256(request.node.name.encode()).digest()[:3])
    whose = customer(held.domain(number))
    held.complex.prepare(whose.domain)
    held.complex.provision(whose.domain, whose.accounts)
    yield whose
    held.complex.delete(whose.domain)


def test_every_contact_is_let_in_with_its_password_and_with_no_other(held: Held, served: Customer) -> None:
    assert lets_in(held, served) == EVERYWHERE
    wrong = Customer(served.domain, served.accounts, dict.fromkeys(CONTACTS, "pass-wrong-1A"))
    assert lets_in(held, wrong) == set()


def test_everything_that_is_wanted_of_a_served_domain_is_proven(held: Held, served: Customer) -> None:
    wants = wanted(CONTACTS)
    proofs = held.complex.verify(served.domain, served.accounts, wants)
    assert sorted(proof.want for proof in proofs) == sorted(wants)
    assert [proof for proof in proofs if not proof.ok] == []


def test_only_what_is_asked_for_is_answered(held: Held, served: Customer) -> None:
    wants = [Want("c002", ProofKind.IMAP), Want("c003", ProofKind.SIP)]
    proofs = held.complex.verify(served.domain, served.accounts, wants)
    assert sorted(proof.want for proof in proofs) == sorted(wants)


def test_preparing_and_provisioning_twice_changes_nothing(held: Held, served: Customer) -> None:
    held.complex.prepare(served.domain)
    held.complex.provision(served.domain, served.accounts)
    assert lets_in(held, served) == EVERYWHERE


def test_provisioning_makes_the_accounts_exactly_those(held: Held, served: Customer) -> None:
    fewer = customer(served.domain, ("c001", "c002"), salt="new")
    held.complex.provision(served.domain, fewer.accounts)
    assert lets_in(held, served) == set(), "the old passwords, and the third contact, are gone"
    assert lets_in(held, fewer) == {(kind, name) for kind in Kind for name in ("c001", "c002")}


def test_an_account_that_is_missing_or_has_another_password_is_told_by_name(held: Held, served: Customer) -> None:
    other = customer(served.domain, ("c002",), salt="other")
    mixed = (served.accounts[0], other.accounts[0])
    held.complex.provision(served.domain, mixed)
    wants = [Want(name, kind) for name in CONTACTS for kind in OF.values()]
    proofs = held.complex.verify(served.domain, served.accounts, wants)
    assert {proof.want for proof in proofs if proof.ok} == {want for want in wants if want.contact == "c001"}
    assert {proof.want for proof in proofs} == set(wants)


def test_a_suspended_domain_lets_nobody_in_until_it_is_resumed_with_the_same_passwords(
    held: Held, served: Customer
) -> None:
    for _ in range(2):
        held.complex.suspend(served.domain)
        assert lets_in(held, served) == set()
    proofs = held.complex.verify(served.domain, served.accounts, [Want("c001", kind) for kind in OF.values()])
    assert not any(proof.ok for proof in proofs)
    for _ in range(2):
        held.complex.resume(served.domain)
        assert lets_in(held, served) == EVERYWHERE


def test_provisioning_a_suspended_domain_opens_it(held: Held, served: Customer) -> None:
    held.complex.suspend(served.domain)
    held.complex.provision(served.domain, served.accounts)
    assert lets_in(held, served) == EVERYWHERE
    held.complex.resume(served.domain)
    assert lets_in(held, served) == EVERYWHERE


def test_a_deleted_domain_is_gone_and_can_be_made_anew(held: Held, served: Customer) -> None:
    for _ in range(2):
        held.complex.delete(served.domain)
        assert lets_in(held, served) == set()
    held.complex.resume(served.domain)
    assert lets_in(held, served) == set(), "nothing was kept to be resumed"
    held.complex.prepare(served.domain)
    held.complex.provision(served.domain, served.accounts)
    assert lets_in(held, served) == EVERYWHERE


def test_a_domain_that_is_suspended_when_it_is_deleted_is_gone_too(held: Held, served: Customer) -> None:
    held.complex.suspend(served.domain)
    held.complex.delete(served.domain)
    held.complex.resume(served.domain)
    assert lets_in(held, served) == set()


def test_a_domain_that_was_never_there_can_be_suspended_resumed_and_deleted(held: Held) -> None:
    never = held.domain(9_999_999)
    for call in (held.complex.suspend, held.complex.resume, held.complex.delete):
        call(never)
    assert lets_in(held, customer(never)) == set()


def test_what_is_done_to_one_customer_is_not_done_to_another(held: Held, served: Customer) -> None:
    other = customer(held.domain(8_888_888), salt="other")
    held.complex.prepare(other.domain)
    held.complex.provision(other.domain, other.accounts)
    try:
        crossed = Customer(other.domain, other.accounts, served.passwords)
        assert lets_in(held, crossed) == set(), "one's passwords do not open the other's accounts"
        held.complex.suspend(other.domain)
        assert lets_in(held, served) == EVERYWHERE
        held.complex.delete(other.domain)
        assert lets_in(held, served) == EVERYWHERE
    finally:
        held.complex.delete(other.domain)


def test_a_complex_that_cannot_be_reached_is_transient_and_holds_no_secret(held: Held, served: Customer) -> None:
    with held.down():
        for call in (
            lambda: held.complex.provision(served.domain, served.accounts),
            lambda: held.complex.verify(served.domain, served.accounts, wanted(CONTACTS)),
            lambda: held.complex.suspend(served.domain),
        ):
            with pytest.raises(Transient) as caught:
                call()
            text = f"{caught.value!r} {caught.value.__cause__!r}"
            for account in served.accounts:
                assert not any(secret in text for secret in (account.ha1, account.scram_client, account.cram_md5))
    held.complex.provision(served.domain, served.accounts)
    assert lets_in(held, served) == EVERYWHERE


def test_the_software_is_named_with_versions_and_the_doctor_is_answered(held: Held) -> None:
    software = held.complex.software()
    assert software
    assert all(part.role and part.name and part.version and part.learnt for part in software)
    assert held.complex.check()


class _Sandbox:
    """The sandbox, and what its tables would let in."""

    def __init__(self, home: Path) -> None:
        self._url = f"sqlite:///{home / 'directory.sqlite3'}"
        self._file = home / "directory.sqlite3"
        self.directory = Directory(open_engine(self._url))
        self.directory.prepare()
        self.complex = SandboxComplex(self.directory, LocalAuthority(home / "certificates", lambda: NOW))

    def login(self, kind: Kind, domain: str, contact: str, password: str) -> bool:
        """What the server of that service would say, computed from the password by the RFCs."""
        if kind is Kind.SIP:
            number = str(1000 + int(contact[1:]))
            mine = hashlib.md5(f"{number}:{domain}:{password}".encode(), usedforsecurity=False).hexdigest()
            return self.directory.verifiers(kind, domain).get(number) == mine
        if kind is Kind.MAIL:
            kept = self.directory.verifiers(kind, domain).get(contact)
            if kept is None:
                return False
            rounds, salt, stored, _ = kept.removeprefix("{SCRAM-SHA-256}").split(",")
            return _stored(password, salt, int(rounds)) == stored
        engine = open_engine(self._url)
        query = select(XMPP_USERS).where(XMPP_USERS.c.server_host == domain, XMPP_USERS.c.username == contact)
        with engine.connect() as connection:
            row = connection.execute(query).first()
        engine.dispose()
        return row is not None and row.password == f"sha256:{_stored(password, row.salt, row.iterationcount)}"


def _stored(password: str, salt: str, rounds: int) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(salt), rounds)
    return b64encode(hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()).decode()


class _Away(AbstractContextManager[None]):
    """While it lasts, the directory's file is no database."""

    def __init__(self, directory: Directory, file: Path) -> None:
        self._directory, self._file = directory, file

    def __enter__(self) -> None:
        self._directory.close()
        self._kept = self._file.read_bytes()
        for left in self._file.parent.glob(f"{self._file.name}-*"):
            left.unlink()
        self._file.write_bytes(b"no database at all, " * 300)

    def __exit__(self, *_: object) -> None:
        self._directory.close()
        self._file.write_bytes(self._kept)


@pytest.fixture
def held_sandbox(tmp_path: Path) -> Iterator[Held]:
    """The sandbox on a directory of its own."""
    sandbox = _Sandbox(tmp_path)
    file = tmp_path / "directory.sqlite3"
    yield Held(
        complex=sandbox.complex,
        login=sandbox.login,
        down=lambda: _Away(sandbox.directory, file),
        domain=lambda n: f"k{n:08d}.example.net",
    )
    sandbox.directory.close()


@pytest.fixture
def held_real(whole: Whole, complex_office: Office) -> Held:
    """The complex of real servers; it cannot be reached while its ejabberd is dead."""

    def login(kind: Kind, domain: str, contact: str, password: str) -> bool:
        number = str(1000 + int(contact[1:]))
        return whole.customer(contact, number, domain, password).gets_in(kind)

    vars(complex_office)["certificates"] = complex_office.authority  # no order has brought one from a CA
    return Held(
        complex=complex_office.complexes.serving("", dedicated=False, place="EU"),
        login=login,
        down=lambda: whole.dead("ejabberd"),
        domain=lambda n: f"k{n:08d}.example.net",
    )
