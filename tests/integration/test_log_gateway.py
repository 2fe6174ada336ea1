"""Log records over HTTP, on a real socket."""

from __future__ import annotations

import gzip
import hmac
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from blocks.ledger import InboxEvent, LogBatch
from blocks.logs.json_lines import inflate
from blocks.office import Office
from flows.gateway.logs import MAX_BATCH, MAX_INFLATED, log_source
from flows.gateway.webhooks import Forged
from tests.conftest import ORDER_SECRET
from tests.gateway_server import gateway, signed
from tests.log_work import batch, lines_of, record, rows, seal_all

MINUTE = timedelta(minutes=1)
LINES = [record(n, ended_at=datetime.now(UTC) - MINUTE, text="привет") for n in range(20)]
BODY = batch(LINES)


@pytest.fixture
def http(office: Office) -> Iterator[httpx.Client]:
    with gateway(office) as client:
        yield client


def headers(
    body: bytes, event_id: str = "evt-1", *, at: datetime | None = None, secret: str = ORDER_SECRET
) -> dict[str, str]:
    """The headers of a signed body of bytes."""
    stamp = str(int((at or datetime.now(UTC)).timestamp()))
    key = b64decode(secret.removeprefix("whsec_"))
    mark = hmac.digest(key, f"{event_id}.{stamp}.".encode() + body, "sha256")
    return {
        "webhook-id": event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{b64encode(mark).decode()}",
        "content-type": "application/x-ndjson",
    }


def post(http: httpx.Client, body: bytes, told: dict[str, str]) -> tuple[int, dict[str, object]]:
    answer = http.post("/webhooks/logs", content=body, headers=told)
    return answer.status_code, answer.json()


def test_a_signed_batch_is_stored_before_it_is_acknowledged(office: Office, http: httpx.Client) -> None:
    counts = {"records": 20, "dropped": 0}
    assert post(http, BODY, headers(BODY)) == (202, counts | {"duplicate": False})
    assert len(list((office.settings.home / "spool").glob("*.batch"))) == 1
    assert post(http, BODY, headers(BODY)) == (202, counts | {"duplicate": True})
    zipped = gzip.compress(BODY)
    assert post(http, zipped, headers(zipped) | {"content-encoding": "gzip"}) == (202, counts | {"duplicate": True})
    other = batch([record(1)])
    assert post(http, other, headers(other))[0] == 409
    seal_all(office, datetime.now(UTC))
    assert lines_of(office) == Counter(LINES)
    assert not rows(office, InboxEvent)
    assert [row.source for row in rows(office, LogBatch)] == ["shop"]


def test_the_signature_is_that_of_standard_webhooks(http: httpx.Client) -> None:
    told = signed(BODY.decode()) | {"content-type": "application/x-ndjson; charset=utf-8"}
    told["webhook-signature"] = f"v1a,AAAA v1,AAAA {told['webhook-signature']}"
    assert post(http, BODY, told)[0] == 202


def forged() -> dict[str, dict[str, str]]:
    good, now = headers(BODY), datetime.now(UTC)
    return {
        "another secret": headers(BODY, secret="whsec_" + "YW5vdGhlci1zZWNyZXQt" * 3),
        "another body": headers(BODY + b" "),
        "another id": good | {"webhook-id": "evt-2"},
        "too old": headers(BODY, at=now - 6 * MINUTE),
        "too new": headers(BODY, at=now + 6 * MINUTE),
        "no signature": {name: value for name, value in good.items() if name != "webhook-signature"},
        "no time": {name: value for name, value in good.items() if name != "webhook-timestamp"},
        "no number": good | {"webhook-timestamp": "1e9"},
        "bare": good | {"webhook-signature": good["webhook-signature"].removeprefix("v1,")[:-2]},
    }


@pytest.mark.parametrize("how", list(forged()))
def test_a_forged_batch_is_refused_before_it_is_read(http: httpx.Client, office: Office, how: str) -> None:
    status, answer = post(http, BODY, forged()[how])
    assert (status, answer["error"]) == (401, "signature")
    assert not rows(office, LogBatch)


def test_a_time_in_other_digits_is_forged(office: Office) -> None:
    with pytest.raises(Forged):
        log_source(office.settings, BODY, headers(BODY) | {"webhook-timestamp": "\u00b2"}, datetime.now(UTC))


@pytest.mark.timeout(60)
def test_a_body_of_very_many_empty_members_takes_time_by_its_length_alone() -> None:
    assert inflate(gzip.compress(b"") * 400_000 + gzip.compress(BODY), MAX_INFLATED) == BODY


def test_what_is_no_batch_is_refused_without_telling_of_its_content(http: httpx.Client, office: Office) -> None:
    bad = batch([record(1), b"MARKER"])
    assert post(http, bad, headers(bad)) == (422, {"error": "records", "detail": "line 2 is no JSON"})
    for body, changes, status in (
        (b"", {}, 422),
        (BODY, {"content-type": "application/json"}, 422),
        (BODY, {"content-encoding": "br"}, 422),
        (BODY, {"content-encoding": "gzip"}, 422),
        (gzip.compress(BODY)[:-9], {"content-encoding": "gzip"}, 422),
        (gzip.compress(bytes(MAX_INFLATED + 1)), {"content-encoding": "gzip"}, 413),
        (gzip.compress(b"\n" * MAX_INFLATED) + gzip.compress(b"\n"), {"content-encoding": "gzip"}, 413),
        (bytes(MAX_BATCH + 1), {}, 413),
    ):
        assert post(http, body, headers(body) | changes)[0] == status
    odd = headers(BODY, "evt 1")
    assert post(http, BODY, odd)[0] == 422
    assert not rows(office, LogBatch)


@pytest.mark.clause("QS-3.8.3")
def test_qs_3_8_3_data_of_russian_citizens_are_refused_without_an_archive_in_russia(
    http: httpx.Client, office: Office
) -> None:
    body = batch([*LINES, record(99, residency="RU")])
    status, answer = post(http, body, headers(body))
    assert (status, answer["error"]) == (409, "residency")
    assert not rows(office, LogBatch)
    assert post(http, BODY, headers(BODY))[0] == 202
