"""The environment as typed settings: variables `DOGOVOR_*`, or a `.env` file in the working directory.

Defaults are the embedded ones: SQLite, a directory, mail as .eml files, a payment sandbox. `environment=production`
refuses every sandbox part.
"""

from __future__ import annotations

import os
import secrets
from base64 import b64decode
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import EmailStr, Field, HttpUrl, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from blocks.terms import calendars
from blocks.terms.ocp_tariffs import TariffTable, read_tariffs, sandbox_tariffs
from blocks.terms.qs import PriceList, read_price_lists, sandbox_price_lists
from blocks.terms.revenue_views import Party
from blocks.terms.tariffs import Timeline

Network = IPv4Network | IPv6Network
SourceName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
RESERVED_SOURCES = frozenset({"operator", "yookassa", "bank", "payment", "page", "mail", "orders", "keeper"})

# YooKassa's published notification sources; configuration because they change.
YOOKASSA_NETWORKS = (
    "185.71.76.0/27",
    "185.71.77.0/27",
    "77.75.153.0/25",
    "77.75.154.128/25",
    "77.75.156.11/32",
    "77.75.156.35/32",
    "2a02:5180::/32",
)


class Settings(BaseSettings):
    """Everything that differs between one installation and another. Secrets are SecretStr and never printed."""

    model_config = SettingsConfigDict(
        env_prefix="DOGOVOR_", env_file=".env", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    environment: Literal["embedded", "production"] = "embedded"
    home: Path = Path("~/.dogovor").expanduser()

    ledger_url: str = ""
    """SQLAlchemy URL of the ledger; empty: SQLite in `home`."""
    directory_url: str = ""
    """SQLAlchemy URL of the database that the XMPP, mail and SIP servers read; empty: SQLite in `home`."""
    complexes_file: Path | None = None
    """Where the servers of complexes and the name servers stand (TOML); None: a sandbox (embedded only)."""
    directory_urls: dict[str, SecretStr] = Field(default_factory=dict)
    """SQLAlchemy URLs of the directories of dedicated complexes, by complex; the others share `directory_url`."""
    doveadm_keys: dict[str, SecretStr] = Field(default_factory=dict)
    """The key of Dovecot's doveadm API by complex."""
    dns_key: SecretStr | None = None
    """The TSIG secret (base64) by which the primary name server takes updates."""
    certificates_file: Path | None = None
    """CAs, what shows certificates, what is watched (TOML); None: a local authority alone (embedded only)."""
    ca_secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """By authority: the EAB key of an ACME account (base64url), the password of a reseller."""
    tsig_keys: dict[str, SecretStr] = Field(default_factory=dict)
    """TSIG secrets (base64) by key name, for proofs of domains in the DNS."""
    archive_dir: Path | None = None
    """Where documents go; None: a directory in `home`."""
    archive_country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    """The country (ISO 3166, two letters) in which the archive, the ledger and its copies are declared to stand."""
    s3_bucket: str = ""
    """The bucket of documents, log segments and copies of the ledger; empty: directories in `home`."""
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_access_key: str = ""
    s3_secret_key: SecretStr | None = None
    log_drop_dir: Path | None = None
    """Where files of log records are dropped; None: a directory in `home`."""
    log_s3_prefix: str = Field(default="", pattern=r"^([A-Za-z0-9._=-]+/)*$")
    """The prefix in the bucket under which files of log records are dropped, ending with /; empty: none."""
    key_store_file: Path | None = None
    """The file of data keys, apart from the ledger and its backups; None: in `home`."""
    key_copies_dir: Path | None = None
    """Where the one living copy of the data keys is kept, best on another disk; None: a directory in `home`."""
    kek_file: Path | None = None
    """32 bytes in hex that wrap the data keys; None: a key file in `home` (embedded only)."""
    master_key: SecretStr | None = None
    """32 bytes in hex that seal secrets in the ledger; None: a key file in `home` (embedded only)."""

    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=8080, ge=1, le=65535)
    public_url: HttpUrl = HttpUrl("http://127.0.0.1:8080")
    """How customers reach the gateway."""
    trusted_proxies: tuple[Network, ...] = ()
    """Networks of the reverse proxies whose X-Forwarded-For is believed."""
    order_sources: dict[SourceName, tuple[SecretStr, ...]] = Field(default_factory=dict)
    """Order sources by name, each with its Standard Webhooks secrets (`whsec_...`): several during a rotation."""
    requests_a_minute: int = Field(default=6000, ge=1)
    """Requests accepted from one address in a minute before 429."""

    provider_name: str = "Исполнитель"
    provider_requisites: str = ""
    """What an invoice prints as the payee's bank details."""
    provider_signatory: str = ""
    """Who signs acts for the provider, as acts print it."""
    customer_domain: str = "example.net"
    """The domain under which each KeepSecrets customer gets its own."""
    qsockets_url: str = "wss://ws.example.net"

    mail_from: EmailStr = "service@example.net"
    bounce_address: EmailStr = "bounces@example.net"
    operator_email: EmailStr = "operator@example.net"
    smtp_host: str = ""
    """Empty: mail is written as .eml files into `home`."""
    smtp_port: int = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str = ""
    smtp_password: SecretStr | None = None
    bounce_maildir: Path | None = None
    """The Maildir in which delivery reports for `bounce_address` arrive."""

    ocp_operator_email: EmailStr = "ocp-operator@example.net"
    """Where the ОЦП Operator takes notices, requests for agreement and log files."""
    ocp_operator_name: str = "Оператор ОЦП"
    ocp_operator_requisites: str = ""
    ocp_operator_signatory: str = ""
    """The Operator as acts print it."""
    ocp_agreement: str = "Договор о совместной деятельности"
    """The agreement with the Operator, with its number and date, as acts print it."""
    ssl_agreement: str = "Публичный договор на услуги по оформлению SSL-сертификатов"
    """The agreement with certificate customers as monthly acts print it."""
    end_users: dict[Literal["KS", "OCP", "QS", "OT"], tuple[EmailStr, ...]] = Field(default_factory=dict)
    """Distribution lists of end users by agreement, beside the customers that the ledger knows."""
    support_maildir: Path | None = None
    """The Maildir in which mail to support arrives; it becomes tickets."""
    support_addresses: dict[EmailStr, Literal["KS", "OCP", "QS", "OT", "SSL"]] = Field(default_factory=dict)
    """The agreement of each address that support is written to; mail to any other is KeepSecrets' (KS)."""
    mail_authserv_id: str = ""
    """The name under which our own mail server writes Authentication-Results (RFC 8601); empty: none is believed.

    It must strip headers of that name from what comes in.
    """
    services_file: Path | None = None
    """The catalogue (TOML) of watched services, vantage points and runbooks; None: nothing is watched."""

    yookassa_url: str = "https://api.yookassa.ru/v3"
    yookassa_shop: str = ""
    yookassa_secret: SecretStr | None = None
    yookassa_networks: tuple[Network, ...] = Field(default=YOOKASSA_NETWORKS, validate_default=True)

    qs_tariffs_file: Path | None = None
    """The operator's published QS price list; None: the example list (embedded only)."""
    ocp_tariffs_file: Path | None = None
    """The tariff rows of the ОЦП (Appendix 4); None: the example (embedded only)."""
    lists_dir: Path | None = None
    """Where lists of invoice lines are dropped for a flow to take; None: a directory in `home`."""
    calendar_files: tuple[Path, ...] = ()
    """Working-day tables that replace shipped years."""

    @field_validator("order_sources")
    @classmethod
    def _sources_are_outside(cls, sources: dict[str, tuple[SecretStr, ...]]) -> dict[str, tuple[SecretStr, ...]]:
        if taken := RESERVED_SOURCES & set(sources):
            raise ValueError(f"these names are the project's own: {', '.join(sorted(taken))}")
        for secret in (secret for secrets_of in sources.values() for secret in secrets_of):
            if not 24 <= len(b64decode(secret.get_secret_value().removeprefix("whsec_"))) <= 64:
                raise ValueError("a Standard Webhooks secret is 24 to 64 bytes in base64 after whsec_")
        return sources

    @model_validator(mode="after")
    def _bucket_is_whole(self) -> Settings:
        """Without a bucket all goes to directories: whoever names one half meant the other."""
        if not self.s3_bucket and (self.s3_endpoint or self.s3_access_key or self.s3_secret_key):
            raise ValueError("DOGOVOR_S3_ENDPOINT and the keys need DOGOVOR_S3_BUCKET")
        if bool(self.s3_access_key) != bool(self.s3_secret_key):
            raise ValueError("DOGOVOR_S3_ACCESS_KEY and DOGOVOR_S3_SECRET_KEY are given together")
        return self

    @model_validator(mode="after")
    def _production_is_whole(self) -> Settings:
        if self.environment == "embedded":
            return self
        missing = [
            name
            for name, present in {
                "DOGOVOR_LEDGER_URL": self.ledger_url,
                "DOGOVOR_DIRECTORY_URL": self.directory_url,
                "DOGOVOR_COMPLEXES_FILE": self.complexes_file,
                "DOGOVOR_CERTIFICATES_FILE": self.certificates_file,
                "DOGOVOR_MASTER_KEY": self.master_key,
                "DOGOVOR_ORDER_SOURCES": self.order_sources,
                "DOGOVOR_SMTP_HOST": self.smtp_host,
                "DOGOVOR_BOUNCE_MAILDIR": self.bounce_maildir,
                "DOGOVOR_YOOKASSA_SHOP": self.yookassa_shop,
                "DOGOVOR_YOOKASSA_SECRET": self.yookassa_secret,
                "DOGOVOR_QS_TARIFFS_FILE": self.qs_tariffs_file,
                "DOGOVOR_OCP_TARIFFS_FILE": self.ocp_tariffs_file,
                "DOGOVOR_PROVIDER_REQUISITES": self.provider_requisites,
                "DOGOVOR_ARCHIVE_COUNTRY": self.archive_country,
                "DOGOVOR_KEK_FILE": self.kek_file,
                "DOGOVOR_KEY_COPIES_DIR": self.key_copies_dir,
            }.items()
            if not present
        ]
        if missing:
            raise ValueError(f"production needs {', '.join(missing)}")
        for name, url in (("DOGOVOR_PUBLIC_URL", self.public_url), ("DOGOVOR_YOOKASSA_URL", self.yookassa_url)):
            if not str(url).startswith("https://"):
                raise ValueError(f"production needs https in {name}")
        if any(held.sandbox for _, held in self.qs_price_lists.entries):
            raise ValueError("production refuses a price list marked sandbox")
        if self.ocp_tariffs.sandbox:
            raise ValueError("production refuses ОЦП tariffs marked sandbox")
        return self

    @property
    def ledger(self) -> str:
        """The ledger's SQLAlchemy URL."""
        return self.ledger_url or f"sqlite:///{self.home / 'ledger.sqlite3'}"

    @property
    def directory(self) -> str:
        """The directory database's SQLAlchemy URL."""
        return self.directory_url or f"sqlite:///{self.home / 'directory.sqlite3'}"

    @property
    def archive(self) -> Path:
        """The archive's directory."""
        return self.archive_dir or self.home / "archive"

    @property
    def outbox(self) -> Path:
        """Where .eml files go when there is no SMTP server."""
        return self.home / "outbox"

    @cached_property
    def qs_price_lists(self) -> Timeline[PriceList]:
        """The QS price lists this installation sells by."""
        if self.qs_tariffs_file is None:
            return sandbox_price_lists()
        return read_price_lists(self.qs_tariffs_file.read_text("utf-8"))

    @property
    def provider(self) -> Party:
        """The provider as documents that are signed print it."""
        return Party(name=self.provider_name, requisites=self.provider_requisites, signatory=self.provider_signatory)

    @property
    def ocp_operator(self) -> Party:
        """The Operator of the ОЦП as documents print it."""
        return Party(
            name=self.ocp_operator_name,
            requisites=self.ocp_operator_requisites,
            signatory=self.ocp_operator_signatory,
        )

    @property
    def lists(self) -> Path:
        """Where lists of invoice lines are dropped."""
        return self.lists_dir or self.home / "lists"

    @cached_property
    def ocp_tariffs(self) -> TariffTable:
        """The tariff rows of the ОЦП."""
        if self.ocp_tariffs_file is None:
            return sandbox_tariffs()
        return read_tariffs(self.ocp_tariffs_file.read_text("utf-8"))

    @cached_property
    def key(self) -> bytes:
        """The 32-byte master key; made once in `home` when none is configured (embedded only)."""
        if self.master_key is not None:
            key = bytes.fromhex(self.master_key.get_secret_value())
        else:
            key = _key_file(self.home / "master.key")
        if len(key) != 32:
            raise ValueError("DOGOVOR_MASTER_KEY is 32 bytes in hex")
        return key

    @cached_property
    def kek(self) -> bytes:
        """The 32-byte key that wraps the data keys; made once in `home` when none is configured (embedded only)."""
        path = self.kek_file
        key = bytes.fromhex(path.read_text()) if path is not None else _key_file(self.home / "log-kek.key")
        if len(key) != 32:
            raise ValueError("DOGOVOR_KEK_FILE holds 32 bytes in hex")
        return key

    @property
    def key_store(self) -> Path:
        """The file of data keys."""
        return self.key_store_file or self.home / "keys.sqlite3"

    @property
    def key_copies(self) -> Path:
        """Where the copy of the data keys is kept."""
        return self.key_copies_dir or self.home / "key-copies"

    @property
    def log_drops(self) -> Path:
        """Where files of log records are dropped."""
        return self.log_drop_dir or self.home / "logs-in"

    def link(self, path: str) -> str:
        """A public URL of the gateway."""
        return str(self.public_url).rstrip("/") + path


def _key_file(path: Path) -> bytes:
    """The key in that file, made when there is none; of several processes that make it the first wins."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return bytes.fromhex(path.read_text())


def load_settings() -> Settings:
    """Settings from the environment, with the operator's calendars adopted.

    Raises pydantic.ValidationError with the variable's name and what is wrong, never with a secret's value.
    """
    settings = Settings()
    for path in settings.calendar_files:
        calendars.adopt(path.read_text("utf-8"))
    return settings
