"""The bucket's own rules follow the terms, and spare what is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks.log_forms import HoldForm
from tasks.log_holds import place
from tasks.log_net import spread_net
from tests.conftest import close_office
from tests.log_work import DAY, NOW
from tests.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, S3Server


@pytest.fixture
def in_bucket(settings_for: Callable[..., Settings], s3: S3Server, s3_bucket: str) -> Iterator[Office]:
    """An office whose archive is a bucket with object lock."""
    place_of = {"s3_bucket": s3_bucket, "s3_endpoint": s3.endpoint}
    opened = open_office(settings_for(**place_of, s3_access_key=ACCESS_KEY, s3_secret_key=SECRET_KEY))
    yield opened
    close_office(opened)


def by_age(s3: S3Server, bucket: str) -> dict[str, int]:
    rules: list[dict[str, Any]] = s3.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    return {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules if "Days" in rule["Expiration"]}


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_the_bucket_expires_what_outlived_its_term_by_a_month(
    in_bucket: Office, s3: S3Server, s3_bucket: str
) -> None:
    spread_net(in_bucket, now=NOW)
    days = by_age(s3, s3_bucket)
    assert set(days) == {"logs/qs-payload/", "logs/qs-metadata/", "logs/ocp/", "logs/audit/"}
    assert days["logs/qs-payload/"] == 6 * 31 + 3 + 31


def test_what_is_held_is_left_out_of_the_net_while_the_hold_stands(
    in_bucket: Office, s3: S3Server, s3_bucket: str
) -> None:
    spread_net(in_bucket, now=NOW)
    form = HoldForm(
        person="Анна",
        why="запрос суда 12/26",
        classes=["qs-payload"],
        day_from=NOW.date(),
        day_to=NOW.date(),
        until=NOW.date(),
    )
    place(in_bucket, form, now=NOW)
    spread_net(in_bucket, now=NOW)
    assert "logs/qs-payload/" not in by_age(s3, s3_bucket)
    spread_net(in_bucket, now=NOW + 2 * DAY)
    assert "logs/qs-payload/" in by_age(s3, s3_bucket)


def test_without_a_bucket_there_is_no_net(sqlite_office: Office) -> None:
    spread_net(sqlite_office, now=NOW)
    assert not (sqlite_office.settings.home / "objects").exists()
