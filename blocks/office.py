"""The office: everything a piece of work needs, opened once from the settings and handed down as one argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from pydantic import SecretStr
from sqlalchemy import Engine, make_url
from sqlalchemy.orm import sessionmaker

from blocks.catalogue import Catalogue, read_catalogue
from blocks.clients.archive import Archive, HashedArchive
from blocks.clients.bounces import BounceMaildir
from blocks.clients.ca.addresses import EMBEDDED, CertificatesAt, ZoneAt, read_certificates
from blocks.clients.ca.home_zones import HomeZones
from blocks.clients.ca.protocol import Authority
from blocks.clients.certificates import Certificates, LocalAuthority
from blocks.clients.comms.addresses import ComplexAt, read_complexes
from blocks.clients.comms.protocol import Complex
from blocks.clients.comms.sandbox import SandboxComplex
from blocks.clients.directory import Directory
from blocks.clients.keys import KeyStore, LocalKek
from blocks.clients.mail import MailTransport, open_transport
from blocks.clients.objects import Objects
from blocks.clients.objects_directory import DirectoryObjects
from blocks.clients.support_mail import SupportMaildir
from blocks.clients.yookassa import YooKassa
from blocks.errors import NotFound, Refused
from blocks.issued import IssuedCertificates, ca_account_key, serves_domain
from blocks.ledger import Sessions, migrate, open_engine
from blocks.sealing import Sealer
from blocks.settings import Settings

if TYPE_CHECKING:
    from blocks.clients.objects_s3 import S3Objects


_CONNECT_SECONDS = "10"


@dataclass(frozen=True)
class Office:
    """The ledger and the settings, with clients made when first used."""

    settings: Settings
    engine: Engine
    sessions: Sessions

    @cached_property
    def sealer(self) -> Sealer:
        """Seals and opens secrets under the master key."""
        return Sealer(self.settings.key)

    @cached_property
    def mail(self) -> MailTransport:
        """SMTP where a server is configured, .eml files otherwise."""
        return mail_transport(self.settings)

    @cached_property
    def bounces(self) -> BounceMaildir | None:
        """The Maildir of delivery reports, if there is one."""
        return BounceMaildir(self.settings.bounce_maildir) if self.settings.bounce_maildir else None

    @cached_property
    def support_mail(self) -> SupportMaildir | None:
        """The Maildir of mail to support, if there is one."""
        return SupportMaildir(self.settings.support_maildir) if self.settings.support_maildir else None

    @cached_property
    def archive(self) -> Archive:
        """Documents by hash: in the bucket where one is configured and no directory is named for them."""
        if self.settings.s3_bucket and self.settings.archive_dir is None:
            return HashedArchive(bucket(self.settings, "documents/"))
        return HashedArchive(DirectoryObjects(self.settings.archive))

    @cached_property
    def objects(self) -> Objects:
        """Sealed log segments and copies of the ledger."""
        if self.settings.s3_bucket:
            return bucket(self.settings, "")
        return DirectoryObjects(self.settings.home / "objects")

    @cached_property
    def keys(self) -> KeyStore:
        """The data keys of logs and copies."""
        return KeyStore(self.settings.key_store, LocalKek(self.settings.kek), self.settings.key_copies)

    @cached_property
    def payments(self) -> YooKassa:
        """The online payments."""
        return payment_client(self.settings)

    @cached_property
    def catalogue(self) -> Catalogue:
        """What is watched, from where, and by which runbooks it is worked on."""
        return read_services(self.settings)

    @cached_property
    def directory(self) -> Directory:
        """The accounts that the servers read, those of dedicated complexes excepted."""
        return open_directory(self.settings.directory)

    @cached_property
    def certificates(self) -> Certificates:
        """The certificates of customers' domains that are in service."""
        return IssuedCertificates(self.sessions, self.sealer, _now)

    @cached_property
    def certificates_at(self) -> CertificatesAt:
        """CAs, what shows certificates, what is watched."""
        path = self.settings.certificates_file
        return read_certificates(path.read_text("utf-8")) if path else EMBEDDED

    def ca(self, name: str) -> Authority:
        """The CA of that name, opened when first used. Raises NotFound, Refused where a secret of it is missing."""
        if name not in self._authorities:
            self._authorities[name] = self._open_authority(name)
        return self._authorities[name]

    def _open_authority(self, name: str) -> Authority:
        from blocks.clients.ca.opened import CaKeys, open_authority  # noqa: PLC0415 - their libraries, for CAs alone

        keys = CaKeys(
            authorities=self.settings.ca_secrets, zones={**self.settings.tsig_keys, **self.complexes.dns_keys}
        )
        at = self.certificates_at.authority_at(name)
        if at.kind == "local" and self.settings.environment == "production":
            raise Refused("sandbox", f"{name}: the local authority does not issue in production")
        if at.url is not None and at.url.scheme != "https" and self.settings.environment == "production":
            raise Refused("https", f"{name}: a CA is asked over https in production, not at {at.url}")
        key = partial(ca_account_key, self.sessions, self.sealer, at, _now)
        home = self.complexes.zone_of
        return open_authority(at, self.certificates_at, keys, account_key=key, local=self.authority, home=home)

    @cached_property
    def _authorities(self) -> dict[str, Authority]:
        return {}

    @cached_property
    def authority(self) -> LocalAuthority:
        """The local authority of the embedded default."""
        return LocalAuthority(self.settings.home / "certificates", _now)

    @cached_property
    def complexes(self) -> Fleet:
        """The communications complexes."""
        return Fleet(self)


class Fleet:
    """The complexes that the settings name, each opened when first used; without a file there is the sandbox alone."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._opened: dict[str, Complex] = {}
        self._directories: dict[str, Directory] = {}
        path = office.settings.complexes_file
        self._file = read_complexes(path.read_text("utf-8")) if path else None

    def serving(self, order: str, *, dedicated: bool, place: str) -> Complex:
        """The complex of an order. Raises Refused where a person must provide one first (KS-2.8, KS-4.3)."""
        if self._file is None:
            return self._opened.setdefault("sandbox", SandboxComplex(self._office.directory, self._office.certificates))
        return self._open(self._file.serving(order, dedicated=dedicated, place=place))

    def standing(self, order: str, *, dedicated: bool, place: str) -> ComplexAt | None:
        """Where the complex of an order stands, None for the sandbox. Raises Refused as `serving`."""
        return None if self._file is None else self._file.serving(order, dedicated=dedicated, place=place)

    @property
    def own_zone(self) -> str:
        """The zone of shared customers' names on our name servers; empty where the file names none."""
        dns = self._file.dns if self._file is not None else None
        return dns.own_zone if dns is not None else ""

    @property
    def name_servers(self) -> tuple[str, ...]:
        """The names of our name servers, the primary first; none where the file names none."""
        return self._file.dns.servers if self._file is not None and self._file.dns is not None else ()

    @property
    def resolvers(self) -> tuple[str, ...]:
        """Who is asked for customers' names from outside; none where the file names none."""
        return self._file.dns.resolvers if self._file is not None and self._file.dns is not None else ()

    @property
    def dns_keys(self) -> dict[str, SecretStr]:
        """The secret by which our name servers take updates, under its key's name; none where there is none."""
        secret = self._office.settings.dns_key
        return {self._file.dns.tsig_name: secret} if self._file is not None and self._file.dns and secret else {}

    def zone_of(self, name: str) -> ZoneAt | None:
        """The zone of a customer's domain on our name servers that a name lies in. Raises Transient."""
        if self._file is None or self._file.dns is None:
            return None
        return HomeZones(self._file.dns, partial(serves_domain, self._office.sessions))(name)

    @property
    def hosts(self) -> list[str]:
        """The names of our own servers and name servers; none where there is no file."""
        if self._file is None:
            return []
        return [at.host for at in self._file.complexes] + list(self.name_servers)

    def dedicated_to(self, order: str) -> ComplexAt | None:
        """Where the complex stands that serves this order alone, if there is one."""
        return self._file.dedicated_to(order) if self._file is not None else None

    def place_of(self, order: str, *, dedicated: bool, place: str) -> ComplexAt | None:
        """Where the complex of an order stands; None for the sandbox. Raises Refused as `serving` does."""
        return self._file.serving(order, dedicated=dedicated, place=place) if self._file is not None else None

    def all(self) -> list[Complex]:
        """Every complex."""
        if self._file is None:
            return [self.serving("", dedicated=False, place="")]
        return [self._open(at) for at in self._file.complexes]

    def addresses(self, name: str = "") -> list[ComplexAt]:
        """Where the complex of that name stands, or where all do. Raises NotFound, Refused where there is no file."""
        if self._file is None:
            raise Refused("complexes", "DOGOVOR_COMPLEXES_FILE is not set: the sandbox stands nowhere")
        found = [at for at in self._file.complexes if name in {"", at.name}]
        if not found:
            raise NotFound("complex", name)
        return found

    def directory(self, name: str) -> Directory:
        """The directory that the servers of a complex read, with all their tables."""
        url = self._office.settings.directory_urls.get(name)
        address = url.get_secret_value() if url else self._office.settings.directory
        if address not in self._directories:
            self._directories[address] = _servers_directory(address)
        return self._directories[address]

    def close(self) -> None:
        """Give the connections of the directories back."""
        for directory in self._directories.values():
            directory.close()

    def _open(self, at: ComplexAt) -> Complex:
        if at.name not in self._opened:
            self._opened[at.name] = self._real(at)
        return self._opened[at.name]

    def _real(self, at: ComplexAt) -> Complex:
        from blocks.clients.comms.opened import Keys, open_complex  # noqa: PLC0415 - their libraries, for servers alone

        settings, dns = self._office.settings, self._file.dns if self._file else None
        doveadm = settings.doveadm_keys.get(at.name)
        keys = Keys(
            doveadm=doveadm.get_secret_value() if doveadm else "",
            dns=settings.dns_key.get_secret_value() if settings.dns_key else "",
        )
        return open_complex(
            at,
            dns,
            keys=keys,
            directory=self.directory(at.name),
            certificates=self._office.certificates,
            clock=_now,
        )


def _now() -> datetime:
    return datetime.now(UTC)


def open_directory(url: str) -> Directory:
    """The directory of that database, with its tables."""
    directory = Directory(open_engine(url))
    directory.prepare()
    return directory


def _servers_directory(url: str) -> Directory:
    """A directory that real servers read. Its database is waited for no longer than a step may take."""
    from blocks.clients.comms.whole import prepare_directory  # noqa: PLC0415 - for servers alone

    address = make_url(url)
    if address.get_backend_name() != "postgresql":
        raise Refused("directory", "the servers of a complex read PostgreSQL: DOGOVOR_DIRECTORY_URL names another")
    patient = address.update_query_dict({"connect_timeout": _CONNECT_SECONDS})
    engine = open_engine(patient.render_as_string(hide_password=False))
    prepare_directory(engine)
    return Directory(engine)


def read_services(settings: Settings) -> Catalogue:
    """The catalogue that the settings name; an empty one where they name none."""
    return read_catalogue(settings.services_file.read_text("utf-8")) if settings.services_file else Catalogue()


def bucket(settings: Settings, prefix: str) -> S3Objects:
    """The names under `prefix` in the bucket that the settings name."""
    from blocks.clients.objects_s3 import S3Objects, s3_client  # noqa: PLC0415 - half a second, for a bucket alone

    secret = settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else ""
    client = s3_client(settings.s3_endpoint or None, settings.s3_region, settings.s3_access_key, secret)
    return S3Objects(settings.s3_bucket, prefix, client)


def mail_transport(settings: Settings) -> MailTransport:
    """The transport that the settings name."""
    return open_transport(
        settings.smtp_host,
        settings.smtp_port,
        security=settings.smtp_security,
        bounce_address=settings.bounce_address,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else "",
        outbox=settings.outbox,
    )


def payment_client(settings: Settings) -> YooKassa:
    """The client of the shop that the settings name."""
    secret = settings.yookassa_secret.get_secret_value() if settings.yookassa_secret else ""
    return YooKassa(settings.yookassa_url, settings.yookassa_shop, secret)


def open_office(settings: Settings) -> Office:
    """Open the ledger, migrated to the newest schema. Raises Transient when its database is not there."""
    engine = open_engine(settings.ledger)
    migrate(engine)
    return Office(settings, engine, sessionmaker(engine, expire_on_commit=False))
