"""Settings: the embedded default is whole, production refuses what is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.clients.yookassa_sandbox import create_sandbox
from blocks.errors import Refused
from blocks.settings import Settings, load_settings
from blocks.terms import calendars

ORDER_SECRET = "whsec_" + "c2VjcmV0" * 6


def production(**changes: Any) -> dict[str, Any]:
    return {
        "environment": "production",
        "ledger_url": "postgresql+psycopg://dogovor@db.example.net/dogovor",
        "directory_url": "postgresql+psycopg://dogovor@db.example.net/directory",
        "master_key": "ab" * 32,
        "order_sources": {"shop": [ORDER_SECRET]},
        "smtp_host": "mx.example.net",
        "bounce_maildir": "/var/mail/bounces",
        "yookassa_shop": "1",
        "yookassa_secret": "x",
        "public_url": "https://orders.example.net",
        "provider_requisites": "Банк",
        "archive_country": "RU",
        "complexes_file": "/etc/dogovor/complexes.toml",
        "certificates_file": "/etc/dogovor/certificates.toml",
        "kek_file": "/etc/dogovor/kek.key",
        "key_copies_dir": "/mnt/keys",
        **changes,
    }


@pytest.fixture
def tariffs(tmp_path: Path) -> dict[str, Path]:
    """The tariff files of a production: the examples without their mark."""
    files = {}
    for name in ("qs_tariffs", "ocp_tariffs"):
        example = Path(calendars.__file__).parent / "data" / f"{name}.toml"
        files[f"{name}_file"] = path = tmp_path / example.name
        path.write_text(example.read_text("utf-8").replace("sandbox = true\n", ""), "utf-8")
    return files


def test_a_whole_production_is_accepted(tariffs: dict[str, Path]) -> None:
    settings = Settings.model_validate(production(**tariffs))
    assert settings.environment == "production"
    assert settings.ocp_tariffs.row("TV-BASE").title


@pytest.mark.parametrize(
    "missing",
    [
        "ledger_url",
        "master_key",
        "order_sources",
        "smtp_host",
        "yookassa_secret",
        "qs_tariffs_file",
        "ocp_tariffs_file",
        "archive_country",
        "kek_file",
        "key_copies_dir",
    ],
)
def test_production_names_what_is_missing(tariffs: dict[str, Path], missing: str) -> None:
    values = production(**tariffs)
    del values[missing]
    with pytest.raises(ValidationError, match=f"DOGOVOR_{missing.upper()}"):
        Settings.model_validate(values)


def test_production_refuses_plain_http(tariffs: dict[str, Path]) -> None:
    with pytest.raises(ValidationError, match="https"):
        Settings.model_validate(production(**tariffs, public_url="http://orders.example.net"))


@pytest.mark.parametrize(
    ("name", "first", "refused"),
    [
        ("qs_tariffs_file", "[[list]]\nsandbox = true", "a price list marked sandbox"),
        ("ocp_tariffs_file", "sandbox = true\n[[tariff]]", "ОЦП tariffs marked sandbox"),
    ],
)
def test_production_refuses_example_prices(tariffs: dict[str, Path], name: str, first: str, refused: str) -> None:
    marked = tariffs[name].with_name("marked.toml")
    table = "[[list]]" if "[[list]]" in first else "[[tariff]]"
    marked.write_text(tariffs[name].read_text("utf-8").replace(table, first, 1), "utf-8")
    with pytest.raises(ValidationError, match=refused):
        Settings.model_validate(production(**{**tariffs, name: marked}))


def test_the_payment_sandbox_refuses_production() -> None:
    with pytest.raises(Refused, match="production"):
        create_sandbox("1", "x", "http://127.0.0.1:9/", "production")


@pytest.mark.parametrize(
    "sources",
    [{"operator": [ORDER_SECRET]}, {"shop": ["whsec_c2hvcnQ="]}, {"Shop!": [ORDER_SECRET]}],
)
def test_order_sources_have_names_of_their_own_and_long_secrets(tmp_path: Path, sources: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"home": tmp_path, "order_sources": sources})


@pytest.mark.parametrize(
    "half",
    [
        {"s3_access_key": "a", "s3_secret_key": "b"},
        {"s3_endpoint": "http://127.0.0.1:9"},
        {"s3_bucket": "logs", "s3_access_key": "a"},
        {"s3_bucket": "logs", "s3_secret_key": "b"},
    ],
)
def test_a_bucket_is_named_whole_or_not_at_all(tmp_path: Path, half: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="S3_"):
        Settings.model_validate({"home": tmp_path, **half})
    whole = {"s3_bucket": "logs", "s3_access_key": "a", "s3_secret_key": "b", **half}
    assert Settings.model_validate({"home": tmp_path, **whole}).s3_bucket == "logs"


def test_no_secret_shows_in_the_settings(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"home": tmp_path, "order_sources": {"shop": [ORDER_SECRET]}, "yookassa_secret": "top", "master_key": "cd" * 32}
    )
    assert not any(secret in repr(settings) + str(settings) for secret in (ORDER_SECRET, "top", "cdcd"))


def test_processes_that_start_at_once_agree_on_one_key_that_only_the_owner_reads(tmp_path: Path) -> None:
    def key(_: int) -> bytes:
        return Settings.model_validate({"home": tmp_path}).key

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(key, range(16)))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600


def test_an_operators_calendar_is_adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import date

    table = tmp_path / "ru.toml"
    table.write_text(
        'country = "RU"\nzone = "Europe/Moscow"\n[[year]]\nyear = 2031\nstatus = "decreed"\nsource = "decree 1"\n'
        'approved_by = "A. Person"\ndays_off = [2031-01-01]\nworking_weekends = [2031-01-04]\n'
    )
    monkeypatch.setenv("DOGOVOR_CALENDAR_FILES", f'["{table}"]')
    monkeypatch.setenv("DOGOVOR_HOME", str(tmp_path))
    try:
        load_settings()
        assert calendars.calendar("RU").is_working_day(date(2031, 1, 4))
        assert not calendars.calendar("RU").is_provisional(date(2031, 1, 4))
    finally:
        calendars._ADOPTED.clear()  # noqa: SLF001 - the test cleans up after itself
        calendars.calendar.cache_clear()
