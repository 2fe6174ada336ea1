"""The retention bench: records sealed beside plain gzip, a class-day destroyed beside DELETE, objects beside peers.

Each peer does the same work on the same data in the same run. What needs a bucket is left out where none is configured.
"""

from __future__ import annotations

import gzip
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blocks.clients.keys import KeyStore, LocalKek
from blocks.clients.objects import Objects, Version
from blocks.logs.segment import RAW_BYTES, Label, partition_key, seal, unseal
from blocks.office import bucket, open_office
from blocks.settings import Settings
from blocks.terms.retention import LogClass
from flows.destruction import purge
from tasks.log_files import take_drops
from tasks.log_periods import key_of

DAY = date(2026, 5, 22)
NOW = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
RECORD = 1024


class Row(NamedTuple):
    """A measurement: seconds of processor (children included) and of clock; `figure` says what they bought."""

    what: str
    cpu: float
    wall: float
    figure: str


@contextmanager
def _measured() -> Iterator[list[float]]:
    """Fills a list with processor and clock seconds, those of ended children included."""
    taken: list[float] = []
    before, began = _cpu(), time.perf_counter()
    yield taken
    taken += [_cpu() - before, time.perf_counter() - began]


def _cpu() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def sample_lines(megabytes: int) -> list[bytes]:
    """Log records of 1 KiB each as JSON Lines: fields of chance and a text of words as often as words are."""
    chance = random.Random(1)  # noqa: S311 - a sample
    words = ["".join(chance.choices("aeioubcdfghklmnprstv", k=chance.randint(2, 9))) for _ in range(6000)]
    often = list(accumulate(1 / rank for rank in range(1, 6001)))
    lines = []
    for number in range(megabytes * 1024):
        at = f"{DAY}T10:{number // 60 % 60:02d}:{number % 60:02d}.{chance.randrange(10**6):06d}Z"
        head = (
            f'{{"class":"qs-payload","project":"p-{number % 1000}","ended_at":"{at}","residency":"none",'
            f'"message":"{chance.getrandbits(128):032x}","channel":"room-{chance.randrange(500)}",'
            f'"bytes":{chance.randrange(100, 4000)},"text":"'
        )
        text = " ".join(chance.choices(words, cum_weights=often, k=150))
        lines.append((head + text[: RECORD - len(head) - 3] + '"}\n').encode())
    return lines


def sealing(megabytes: int) -> Iterator[Row]:
    """Sealing from prepared records, beside AES-GCM alone and gzip of the same JSON Lines."""
    lines = sample_lines(megabytes)
    size = sum(map(len, lines))
    a_segment = RAW_BYTES // RECORD
    label = Label("logs/bench.seg", LogClass.PAYLOAD, DAY, "p-1")
    key = partition_key(bytes(32), label)
    with _measured() as taken:
        sealed = [seal(b"".join(lines[at : at + a_segment]), label, key) for at in range(0, len(lines), a_segment)]
    yield _rate("ours: join, zstd, AES-256-GCM", taken, size, len(lines))
    with _measured() as taken:
        opened = b"".join(unseal(one, label, key) for one in sealed)
    if opened != b"".join(lines):
        raise SystemExit("what was sealed did not come back")
    yield _rate("ours: opened again", taken, size, len(lines))
    box, block = AESGCM(key), os.urandom(RAW_BYTES)
    with _measured() as taken:
        for number in range(0, size, RAW_BYTES):
            box.encrypt(number.to_bytes(12), block, None)
    yield _rate("AES-256-GCM alone (the limit)", taken, size, len(lines))
    with _measured() as taken:
        for at in range(0, len(lines), a_segment):
            gzip.compress(b"".join(lines[at : at + a_segment]), 6)
    yield _rate("peer: gzip -6 of JSON Lines, no encryption", taken, size, len(lines))


def _rate(what: str, taken: list[float], size: int, records: int) -> Row:
    return _row(what, taken, f"{size / taken[0] / 1e6:,.0f} MB/s and {records / taken[0]:,.0f} records/s a core")


def _row(what: str, taken: list[float], figure: str, *, digits: int = 2) -> Row:
    cpu, wall = taken
    return Row(what, round(cpu, digits), round(wall, digits), figure)


def key_destruction(folder: Path, records: int) -> Iterator[Row]:
    """A class-day of `records` records made unreadable: one key row, beside DELETE and VACUUM of the same records."""
    store = KeyStore(folder / "keys.sqlite3", LocalKek(bytes(32)), folder / "copies")
    for back in range(3 * 365):
        store.make(key_of(LogClass.METADATA, DAY - timedelta(days=back)), now=NOW)
    doomed = key_of(LogClass.METADATA, DAY - timedelta(days=100))
    with _measured() as taken:
        store.destroy([doomed], now=NOW)
    destroyed = taken[1]
    yield _row("ours: a period key destroyed and read back", taken, f"{taken[1] * 1000:.1f} ms", digits=4)
    with _measured() as taken:
        store.renew_copy(now=NOW)
    yield _row("ours: its copies destroyed", taken, f"{taken[1] * 1000:.1f} ms", digits=4)
    for count in (records // 10, records):
        taken = _deleted(folder / f"peer-{count}.sqlite3", count)
        figure = f"{count:,} records; {taken[1] / destroyed:,.0f} times ours"
        yield _row("peer: SQLite, secure_delete, DELETE and VACUUM", taken, figure)


def _deleted(path: Path, count: int) -> list[float]:
    """What DELETE of `count` old records beside a tenth as many young ones takes, and VACUUM after it."""
    text = "x" * 150
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete=ON")
        database.execute("CREATE TABLE logs (id INTEGER PRIMARY KEY, day TEXT, body TEXT)")
        database.execute("CREATE INDEX by_day ON logs (day)")
        database.execute("BEGIN")
        for day, rows in (("2026-05-22", count), ("2026-11-22", count // 10)):
            database.executemany("INSERT INTO logs (day, body) VALUES (?, ?)", ((day, text) for _ in range(rows)))
        database.execute("COMMIT")
        with _measured() as taken:
            database.execute("DELETE FROM logs WHERE day = '2026-05-22'")
            database.execute("VACUUM")
    path.unlink()
    return taken


def whole_purge(folder: Path, records: int, partitions: int) -> Iterator[Row]:
    """A dropped file of short records of ten days, sealed by (day, project); then all of it destroyed and proven."""
    home = folder / "home"
    office = open_office(Settings(home=home, s3_bucket="", s3_endpoint="", s3_access_key="", s3_secret_key=None))
    taken_at, days = datetime(2026, 11, 22, 9, tzinfo=UTC), 10
    office.settings.log_drops.mkdir(parents=True)
    with (office.settings.log_drops / "drop.jsonl").open("w") as file:
        for number in range(records):
            ended = (taken_at - timedelta(days=1 + number % days)).isoformat()
            project = number // days % (partitions // days)
            file.write(
                f'{{"class":"qs-payload","project":"p-{project}","ended_at":"{ended}","residency":"none","n":{number}}}\n'
            )
    with _measured() as taken:
        take_drops(office, now=taken_at, tell=lambda _what: None)
    yield _row(f"ours: {records:,} short records sealed into {partitions:,} segments, fsync each", taken, "")
    after = datetime(2027, 5, 22, 0, 30, tzinfo=UTC)
    with _measured() as taken:
        done = purge(office, clock=lambda: after, executor="bench", after_pause=True, tell=lambda _what, _done: None)
    figure = f"{done.keys} keys, {partitions:,} objects, act and annex"
    yield _row("ours: the same destroyed, read back, put into an act", taken, figure)
    office.engine.dispose()


def object_destruction(settings: Settings, count: int, folder: Path, say: Callable[[str], None]) -> Iterator[Row]:
    """`count` objects destroyed from the manifest, beside `rclone delete` and `s3cmd del` on the same server."""
    objects = bucket(settings, "")
    yield _ours(objects, _filled(objects, "bench-ours", count, say))
    for name, command in _peers(settings, folder).items():
        if shutil.which(command[0]) is None:
            say(f"{name} is not there: left out")
            continue
        _filled(objects, f"bench-{name}", count, say)
        with _measured() as taken:
            subprocess.run([*command[:-1], command[-1] + f"bench-{name}/"], check=True, env=_rclone(settings, folder))
        left = objects.versions(f"bench-{name}/")
        figure = f"{count / taken[1]:,.0f} objects/s; {len(left):,} versions and markers left behind"
        yield _row(f"peer: {name} by prefix", taken, figure)
        objects.destroy(left, now=NOW)


def _ours(objects: Objects, manifest: list[Version]) -> Row:
    with _measured() as taken:
        stayed = objects.destroy(manifest, now=NOW)
    with _measured() as looked:
        left = objects.versions("bench-ours/")
    if stayed or left:
        raise SystemExit(f"{len(stayed)} objects stayed, {len(left)} versions are left")
    figure = f"{len(manifest) / taken[1]:,.0f} objects/s; nothing left (looked for in {looked[1]:.2f} s)"
    return _row("ours: from the manifest", taken, figure)


def _filled(objects: Objects, prefix: str, count: int, say: Callable[[str], None]) -> list[Version]:
    say(f"writing {count} objects")
    content = os.urandom(1024)
    names = [f"{prefix}/{number:06d}.seg" for number in range(count)]
    return [Version(name, objects.put(name, content)) for name in names]


def _rclone(settings: Settings, folder: Path) -> dict[str, str]:
    empty = folder / "empty.conf"
    empty.touch()
    secret = settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else ""
    told = {
        "CONFIG": str(empty),
        "CONFIG_T_TYPE": "s3",
        "CONFIG_T_PROVIDER": "Other",
        "CONFIG_T_ENDPOINT": settings.s3_endpoint,
        "CONFIG_T_ACCESS_KEY_ID": settings.s3_access_key,
        "CONFIG_T_SECRET_ACCESS_KEY": secret,
        "CONFIG_T_REGION": settings.s3_region,
    }
    return {**os.environ, **{f"RCLONE_{name}": value for name, value in told.items()}}


def _peers(settings: Settings, folder: Path) -> dict[str, list[str]]:
    """Commands of the peers; the prefix of what they delete is added to the last word."""
    secret = settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else ""
    host = settings.s3_endpoint.partition("://")[2].rstrip("/")
    keys = [f"--access_key={settings.s3_access_key}", f"--secret_key={secret}"]
    place = [f"--host={host}", f"--host-bucket={host}", f"--region={settings.s3_region}", "--no-ssl"]
    s3cmd = ["s3cmd", *keys, *place, f"--config={folder / 'empty.conf'}", "-q", "del", "--recursive", "--force"]
    return {
        "rclone": ["rclone", "delete", "--fast-list", "--checkers", "32", "-q", f"t:{settings.s3_bucket}/"],
        "s3cmd": [*s3cmd, f"s3://{settings.s3_bucket}/"],
    }
