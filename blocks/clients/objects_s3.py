"""Objects in a bucket of S3 or of a server that speaks it. Its versions, locks and holds are used where it has them.

Listing costs the client 0.1 s of CPU for 1000 versions, destroying 0.015 s: a caller that knows its versions destroys
them without listing. A plain delete, somebody else's too, only lays a marker over the versions: `versions` shows all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from blocks.clients.objects import LOCKED, Version, checked_name, checked_prefix
from blocks.errors import NotFound, Refused, Transient

BATCH = 1000
"""Versions in one request to destroy: what S3 takes."""

THREADS = 4
PART = 64 << 20
"""Bytes: a file that is longer goes up in parts of this size, or of a ten-thousandth of the file."""

_PIECE = 1 << 20
_GONE = {"404", "NoSuchKey", "NoSuchVersion"}
_UNKNOWN_CALLER = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"}
_LATER = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling", "TooManyRequests"}
_LOCKLESS = {"ObjectLockConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed"}
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def s3_client(endpoint: str | None, region: str, access_key: str, secret_key: str) -> Any:
    """A client of boto3 for S3Objects; of Amazon's own S3 where there is no endpoint. Nothing is sent yet.

    Up to five tries with a growing wait between them, 5 s to connect and 60 s to read each. Proxies that the
    environment names are not used.
    """
    session = boto3.session.Session(access_key, secret_key, region_name=region)
    config = Config(
        s3={"addressing_style": "path"},
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=5,
        read_timeout=60,
        proxies={},
    )
    return session.client("s3", endpoint_url=endpoint, config=config)


class S3Objects:
    """Objects of a bucket whose keys begin with a prefix ("" or ending in "/"). Threads may share one.

    Locks are of the GOVERNANCE kind, and no call here bypasses one. In a bucket without object lock nothing holds
    to `keep_until`, and `hold` is refused. In one without versions the only version is called "null". The reason of
    Refused is "credentials", "s3" where nothing could be sent, or S3's own code; so is that of what `destroy` leaves.
    """

    def __init__(self, bucket: str, prefix: str, client: Any) -> None:
        self._bucket = bucket
        self._prefix = checked_prefix(prefix)
        self._client = client

    def put(self, name: str, content: bytes, *, keep_until: datetime | None = None) -> str:
        """See Objects.put."""
        return self._put(name, content, self._lock(keep_until))

    def put_file(self, name: str, source: Path, *, keep_until: datetime | None = None) -> str:
        """See Objects.put_file."""
        lock, size = self._lock(keep_until), source.stat().st_size
        with source.open("rb") as file:
            return self._put(name, file, lock) if size <= PART else self._put_parts(name, file, size, lock)

    def has(self, name: str) -> bool:
        """See Objects.has."""
        try:
            with _said(name):
                self._client.head_object(**self._at(name))
        except NotFound:
            return False
        return True

    def get(self, name: str) -> bytes:
        """See Objects.get."""
        with _said(name):
            return bytes(self._client.get_object(**self._at(name))["Body"].read())

    def fetch(self, name: str, target: Path) -> None:
        """See Objects.fetch."""
        with _said(name):
            body = self._client.get_object(**self._at(name))["Body"]
            try:
                with body, target.open("wb") as file:
                    file.writelines(body.iter_chunks(_PIECE))
            except BaseException:
                target.unlink(missing_ok=True)
                raise

    def versions(self, prefix: str) -> list[Version]:
        """See Objects.versions."""
        found: list[Version] = []
        pages = self._client.get_paginator("list_object_versions")
        with _said(prefix):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + checked_prefix(prefix)):
                for kind, marker in (("Versions", False), ("DeleteMarkers", True)):
                    found += [self._version(entry, marker=marker) for entry in page.get(kind, ())]
        return found

    def destroy(self, versions: Sequence[Version], *, now: datetime) -> dict[str, str]:  # noqa: ARG002 - it has a clock
        """See Objects.destroy. The server judges by its own clock.

        A version without an id stays ("no version given"): to delete it by name would only lay a marker over it.
        """
        stayed = {version.name: "no version given" for version in versions if not version.version}
        known = [version for version in versions if version.version]
        batches = [known[start : start + BATCH] for start in range(0, len(known), BATCH)]
        denied: list[Version] = []
        for errors in _at_once(self._destroy, batches):
            for error in errors:
                version = self._version(error)
                if error["Code"] == "AccessDenied":
                    denied.append(version)
                elif error["Code"] not in _GONE:
                    stayed[version.name] = error["Code"]
        locked = _at_once(self._is_locked, denied)
        reasons = {version.name: "denied" for version in denied}
        reasons.update({version.name: LOCKED for version, yes in zip(denied, locked, strict=True) if yes})
        return stayed | reasons

    def hold(self, versions: Sequence[Version], *, on: bool) -> None:
        """See Objects.hold. Raises Refused("object-lock") where the bucket has no object lock."""
        if not self._has_lock:
            raise Refused("object-lock", f"the bucket {self._bucket} has no object lock: nothing can be held in it")
        status = {"LegalHold": {"Status": "ON" if on else "OFF"}}

        def put(version: Version) -> None:
            with _said(version.name):
                self._client.put_object_legal_hold(**self._at(version.name), VersionId=version.version, **status)

        _at_once(put, [version for version in versions if not version.marker])

    def check(self) -> str:
        """See Objects.check. Says whether the bucket keeps versions and has object lock. Changes nothing."""
        with _said(self._bucket):
            self._client.list_object_versions(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
            status = self._client.get_bucket_versioning(Bucket=self._bucket).get("Status", "off").lower()
        lock = "on" if self._has_lock else "off"
        return f"bucket {self._bucket}/{self._prefix}: versions {status}, object lock {lock}"

    def _put(self, name: str, body: bytes | BinaryIO, lock: dict[str, Any]) -> str:
        with _said(name):
            return _id_of(self._client.put_object(**self._at(name), Body=body, **lock))

    def _put_parts(self, name: str, file: BinaryIO, size: int, lock: dict[str, Any]) -> str:
        """Parts one by one; an upload that fails is taken back."""
        at, part = self._at(name), max(PART, -(-size // 10_000))
        parts: list[dict[str, Any]] = []
        with _said(name):
            at["UploadId"] = self._client.create_multipart_upload(**at, ChecksumAlgorithm="CRC32", **lock)["UploadId"]
            try:
                while piece := file.read(part):
                    number = len(parts) + 1
                    told = self._client.upload_part(**at, PartNumber=number, Body=piece, ChecksumAlgorithm="CRC32")
                    parts.append({"PartNumber": number, "ETag": told["ETag"], "ChecksumCRC32": told["ChecksumCRC32"]})
                return _id_of(self._client.complete_multipart_upload(**at, MultipartUpload={"Parts": parts}))
            except BaseException:
                with suppress(ClientError, BotoCoreError):
                    self._client.abort_multipart_upload(**at)
                raise

    def _destroy(self, batch: Sequence[Version]) -> list[dict[str, str]]:
        named = [{"Key": self._prefix + version.name, "VersionId": version.version} for version in batch]
        with _said("to destroy"):
            told = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": named, "Quiet": True})
        return list(told.get("Errors", ()))

    def _is_locked(self, version: Version) -> bool:
        """Whether a lock or a hold is why it was denied; False where we may not see."""
        try:
            with _said(version.name):
                seen = self._client.head_object(**self._at(version.name), VersionId=version.version)
        except (NotFound, Refused):
            return False
        until = seen.get("ObjectLockRetainUntilDate")
        now = parsedate_to_datetime(seen["ResponseMetadata"]["HTTPHeaders"]["date"])
        return seen.get("ObjectLockLegalHoldStatus") == "ON" or (until is not None and until >= now)

    def _at(self, name: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + checked_name(name)}

    def _version(self, entry: Mapping[str, Any], *, marker: bool = False) -> Version:
        return Version(entry["Key"].removeprefix(self._prefix), entry.get("VersionId", ""), marker)

    def _lock(self, keep_until: datetime | None) -> dict[str, Any]:
        if keep_until is None or not self._has_lock:
            return {}
        return {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": keep_until}

    @cached_property
    def _has_lock(self) -> bool:
        try:
            with _said(self._bucket):
                told = self._client.get_object_lock_configuration(Bucket=self._bucket)
        except Refused as refused:
            if refused.reason in _LOCKLESS:
                return False
            raise
        state: str = told["ObjectLockConfiguration"].get("ObjectLockEnabled", "")
        return state == "Enabled"

    def ensure_second_net(self, prefix_days: Mapping[str, int]) -> None:
        """Have the bucket itself destroy what was deleted but left behind, should nobody here do it.

        Under our prefix: versions a day after they were covered, markers with nothing under them, uploads a day after
        they were begun. And, where object lock protects what is held, whatever is older than that many days under the
        names that begin with each key of `prefix_days`. Rules of others stay, as do ours of another prefix.
        """
        wanted = [self._rule("left-behind", "", _LEFT_BEHIND)]
        if self._has_lock:
            for name, days in sorted(prefix_days.items()):
                wanted.append(self._rule(f"days:{name}", checked_prefix(name), {"Expiration": {"Days": days}}))
        there = self._rules()
        rules = [rule for rule in there if not self._is_ours(rule)] + wanted
        if rules != there:
            configuration = {"Rules": rules}
            with _said(self._bucket):
                self._client.put_bucket_lifecycle_configuration(
                    Bucket=self._bucket, LifecycleConfiguration=configuration
                )

    def _rules(self) -> list[dict[str, Any]]:
        try:
            with _said(self._bucket):
                return list(self._client.get_bucket_lifecycle_configuration(Bucket=self._bucket)["Rules"])
        except Refused as refused:
            if refused.reason == "NoSuchLifecycleConfiguration":
                return []
            raise

    def _is_ours(self, rule: Mapping[str, Any]) -> bool:
        return str(rule.get("ID", "")).startswith(self._rule("", "", {})["ID"])

    def _rule(self, name: str, prefix: str, what: Mapping[str, Any]) -> dict[str, Any]:
        """One of ours. No prefix holds a colon, so its id tells whose it is."""
        whole = {"Filter": {"Prefix": self._prefix + prefix}}
        return {"ID": f"dogovor-{self._prefix}:{name}", "Status": "Enabled", **whole, **what}


_LEFT_BEHIND = {
    "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    "Expiration": {"ExpiredObjectDeleteMarker": True},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}


def _id_of(told: Mapping[str, Any]) -> str:
    return str(told.get("VersionId", "null"))


def _at_once(work: Callable[[_Given], _Made], given: Iterable[_Given]) -> list[_Made]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, given))


@contextmanager
def _said(name: str) -> Iterator[None]:
    """Tell in our errors what the store said: its code, never its text, which may quote what was signed."""
    try:
        yield
    except ClientError as error:
        raise _meant(name, error) from None
    except (HTTPClientError, NoConnectionError, IncompleteReadError, ResponseParserError) as error:
        raise Transient(f"{name}: the object store does not answer ({type(error).__name__})") from None
    except BotoCoreError as error:
        raise Refused("s3", f"{name}: {type(error).__name__}") from None


def _meant(name: str, error: ClientError) -> NotFound | Refused | Transient:
    code = error.response["Error"].get("Code", "")
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    said = f"{name}: {error.operation_name} was answered with {code} ({status})"
    if code in _GONE:
        return NotFound("object", name)
    if code in _LATER or status == 429 or (status >= 500 and status != 501):
        return Transient(said)
    return Refused("credentials" if code in _UNKNOWN_CALLER else code or "s3", said)
