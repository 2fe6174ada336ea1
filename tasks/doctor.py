"""The doctor: every part of the configuration tried, with what to mend where it fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from tempfile import TemporaryDirectory

import httpx
from pydantic import BaseModel
from sqlalchemy import text

from blocks.clients.bounces import BounceMaildir
from blocks.clients.ca.addresses import ConsumerAt
from blocks.clients.comms.protocol import Complex
from blocks.clients.comms.sandbox import SandboxComplex
from blocks.errors import DogovorError, Refused
from blocks.ledger import reading
from blocks.office import Office
from blocks.terms.calendars import calendar
from blocks.terms.deadlines import local_date
from blocks.terms.policy import RETENTION_POLICY
from blocks.terms.zones import MOSCOW
from tasks.ledger_copies import check as copies_check
from tasks.probing import stale_probes

COUNTRIES = ("RU", "KZ", "BY", "UA")


@dataclass(frozen=True)
class Finding:
    """One part: whether it is well, what was seen, and what to mend where it is not."""

    part: str
    well: bool
    seen: str
    mend: str = ""


def examine(office: Office, *, now: datetime, prefect_url: str | None = None) -> list[Finding]:
    """Try each part; a part that fails never hides the others."""
    settings = office.settings
    checks: list[tuple[str, Callable[[], str], str]] = [
        ("settings", lambda: f"{settings.environment}, home {settings.home}", ""),
        ("ledger", lambda: _ledger(office), "check DOGOVOR_LEDGER_URL and that its server runs"),
        (
            "directory",
            lambda: office.directory.check(),  # noqa: PLW0108 - opened only when tried
            "check DOGOVOR_DIRECTORY_URL and that its server runs",
        ),
        ("copies of the ledger", lambda: copies_check(office), "install postgresql-client; ALTER ROLE ... CREATEDB"),
        ("archive", lambda: _archive(office), "check DOGOVOR_ARCHIVE_DIR and its permissions"),
        ("log archive", lambda: _objects(office), "check DOGOVOR_S3_* and the bucket's versions and object lock"),
        ("data keys", lambda: _keys(office), "check DOGOVOR_KEY_STORE_FILE, DOGOVOR_KEK_FILE, DOGOVOR_KEY_COPIES_DIR"),
        (
            "mail",
            lambda: office.mail.check(),  # noqa: PLW0108
            "check DOGOVOR_SMTP_HOST, _PORT, _SECURITY, _USER, _PASSWORD",
        ),
        ("bounces", lambda: _bounces(office), "check DOGOVOR_BOUNCE_MAILDIR: a Maildir (cur, new, tmp)"),
        (
            "payments",
            lambda: office.payments.check(),  # noqa: PLW0108
            "check DOGOVOR_YOOKASSA_URL, _SHOP and _SECRET",
        ),
        ("order sources", lambda: _sources(office), "set DOGOVOR_ORDER_SOURCES"),
        ("services", lambda: _services(office, now), "check DOGOVOR_SERVICES_FILE and the prober"),
        ("support mail", lambda: _support_mail(office), "check DOGOVOR_SUPPORT_MAILDIR: a Maildir (cur, new, tmp)"),
        ("price list", lambda: _price_list(office, now), "set DOGOVOR_QS_TARIFFS_FILE"),
        *(
            (f"calendar {country}", lambda country=country: _calendar(country, now), "add a decreed year by file")
            for country in COUNTRIES
        ),
    ]
    checks += [*_complexes(office), *_certificates(office)]
    if prefect_url:
        checks += [
            ("prefect", lambda: _prefect(prefect_url), "start it: dogovor up; check PREFECT_API_URL"),
            ("run history", lambda: _run_history(prefect_url, now), "set PREFECT_SERVER_SERVICES_DB_VACUUM_*"),
        ]
    return [_try(*check) for check in checks]


def _try(part: str, check: Callable[[], str], mend: str) -> Finding:
    try:
        return Finding(part, True, check())
    except (DogovorError, OSError, ValueError, httpx.HTTPError) as error:
        return Finding(part, False, f"{type(error).__name__}: {error}"[:300], mend)


def _complexes(office: Office) -> list[tuple[str, Callable[[], str], str]]:
    """A check for each complex; production refuses the sandbox, which nobody can log in to."""
    mend = "check DOGOVOR_COMPLEXES_FILE and that its servers run"
    try:
        fleet = office.complexes.all()
    except (DogovorError, OSError, ValueError) as error:
        told = f"{type(error).__name__}: {error}"
        return [("complexes", lambda: _raise(ValueError(told)), mend)]
    production = office.settings.environment == "production"
    return [(f"complex {one.name}", partial(_complex, one, production=production), mend) for one in fleet]


def _complex(one: Complex, *, production: bool) -> str:
    if production and one.name == SandboxComplex.name:
        raise ValueError("production has no servers: accounts stand in a table, and nobody can log in")
    return one.check()


def _certificates(office: Office) -> list[tuple[str, Callable[[], str], str]]:
    """A check for each CA that is used, and for each directory of certificates."""
    mend = "check DOGOVOR_CERTIFICATES_FILE, DOGOVOR_CA_SECRETS, DOGOVOR_TSIG_KEYS"
    try:
        whole = office.certificates_at
    except (DogovorError, OSError, ValueError) as error:
        told = f"{type(error).__name__}: {error}"
        return [("certificates", lambda: _raise(ValueError(told)), mend)]
    authorities = [(f"CA {at.name}", partial(_authority, office, at.name), mend) for at in whole.authority]
    consumers = [(f"consumer {at.name}", partial(_consumer, at), "give us the directory") for at in whole.consumer]
    return [*authorities, *consumers]


def _authority(office: Office, name: str) -> str:
    return office.ca(name).check()


def _consumer(at: ConsumerAt) -> str:
    with TemporaryDirectory(prefix=".doctor-", dir=at.directory):
        pass
    if at.reload and shutil.which(at.reload[0]) is None:
        raise ValueError(f"{at.reload[0]} is not here: nothing would be read anew")
    return f"{at.directory} is written to; {len(at.endpoints)} endpoints"


def _raise(error: Exception) -> str:
    raise error


def _ledger(office: Office) -> str:
    with reading(office.sessions) as session:
        revision = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return f"{office.engine.dialect.name}, revision {revision}"


def _archive(office: Office) -> str:
    sha256 = office.archive.put(b"dogovor doctor\n")
    office.archive.get(sha256)
    return "written and read back"


def _objects(office: Office) -> str:
    country = office.settings.archive_country or "a country that nobody declared: no data of Russian citizens"
    return f"{office.objects.check()}; in {country}"


def _keys(office: Office) -> str:
    copies, copied = office.keys.copied_names()
    if missing := set(office.keys.names()) - copied:
        raise Refused("keys", f"{len(missing)} keys stand in no copy")
    return f"{office.keys.check()}, all of them in {copies} copies"


def _bounces(office: Office) -> str:
    path = office.settings.bounce_maildir
    if path is None:
        return "none: letters are files, delivered when written" if not office.settings.smtp_host else _missing()
    return f"{sum(1 for _ in BounceMaildir(path).unread())} unread in {path}"


def _missing() -> str:
    raise ValueError("mail goes by SMTP, but nobody reads its delivery reports")


def _sources(office: Office) -> str:
    if not office.settings.order_sources:
        raise ValueError("no order source is known: every order webhook is refused")
    return ", ".join(sorted(office.settings.order_sources))


def _services(office: Office, now: datetime) -> str:
    catalogue = office.catalogue
    commands = {argv[0] for book in catalogue.runbook for argv in (book.apply, book.check, book.undo)}
    lost = sorted(command for command in commands if shutil.which(command) is None)
    if lost:
        raise ValueError(f"runbooks name programs that are not here: {', '.join(lost)}")
    told = (
        f"{len(catalogue.service)} services, {len(catalogue.vantage)} vantage points, {len(catalogue.runbook)} runbooks"
    )
    silent = [silence.service for silence in stale_probes(office, now=now)]
    return told + (f"; not probed lately: {', '.join(silent)}" if silent else "")


def _support_mail(office: Office) -> str:
    path = office.settings.support_maildir
    if path is None:
        return "none: tickets come by webhook and form"
    return f"{sum(1 for _ in (path / 'new').iterdir())} unread in {path}"


def _price_list(office: Office, now: datetime) -> str:
    held = office.settings.qs_price_lists.on(local_date(now, MOSCOW))
    return f"{len(held.tariff)} tariffs since {held.since}{' (example)' if held.sandbox else ''}"


def _calendar(country: str, now: datetime) -> str:
    table = calendar(country)
    day = local_date(now, table.zone)
    states = {year: table.year(year).status for year in (day.year, day.year + 1)}
    told = ", ".join(f"{year} {status}" for year, status in states.items())
    return f"{told}: its deadlines are marked so" if "provisional" in told else told


def _prefect(url: str) -> str:
    answer = httpx.get(f"{url}/health", timeout=5)
    answer.raise_for_status()
    return url


class _Vacuum(BaseModel):
    """What Prefect's server says of its vacuum; seconds."""

    enabled: set[str] | bool | None
    retention_period: timedelta
    loop_seconds: float
    orphan_cleanup_loop_seconds: float


def _run_history(url: str, now: datetime) -> str:
    """Forms with names are parameters of runs: ended runs are deleted before registration data must be gone."""
    answer = httpx.get(f"{url}/admin/settings", timeout=5)
    answer.raise_for_status()
    vacuum = _Vacuum.model_validate(answer.json()["server"]["services"]["db_vacuum"])
    days = RETENTION_POLICY.on(local_date(now, MOSCOW)).copy_days
    on = vacuum.enabled is True or (isinstance(vacuum.enabled, set) and "flow_runs" in vacuum.enabled)
    hours = max(vacuum.loop_seconds, vacuum.orphan_cleanup_loop_seconds) / 3600
    if not on or vacuum.retention_period > timedelta(days=days) or hours > 1:
        kept = f"after {vacuum.retention_period}, looked at every {hours:g} h" if on else "never"
        raise ValueError(f"Prefect deletes ended runs {kept}; after {days} days and hourly is needed")
    return f"ended runs are deleted after {vacuum.retention_period}"
