"""A log record: one JSON object, of which four fields say where it belongs; all else is content and passes through.

`class`: one or a list of the classes of records. `project`: 1 to 128 letters, digits and . _ : @ -. `ended_at`: when
the handling ended, ISO 8601 with a zone. `residency`: "none", or the country (ISO 3166, two letters) of the citizens
whose personal data it holds. A line is at most 1 MiB. What is wrong is told by line number, never by content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

import orjson

from blocks.errors import NotFound, Refused
from blocks.logs.segment import classes_text
from blocks.terms.deadlines import local_date
from blocks.terms.retention import LogClass, day_of, life, zone_of

LINE_BYTES = 1024 * 1024
AHEAD = timedelta(days=1)
"""A record that ended later than this after now is a fault: a clock somewhere is wrong."""
_FAULTS = 20
_QUARTER = 900
"""Seconds in which no zone changes its day: all offsets are whole quarters of an hour."""
_PROJECT = re.compile(r"[A-Za-z0-9._:@-]{1,128}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_NAMES = {one.value: one for one in LogClass}


class Partition(NamedTuple):
    """Where a record lies: classes as `qs-metadata+ocp`, the day of the end of handling, and the project."""

    classes: str
    day: date
    project: str


Place = tuple[Partition, float, bool]
"""Of a record: its partition, when its handling ended (POSIX seconds), whether it holds data of Russian citizens."""


class Unfit(ValueError):  # noqa: N818 - it names an outcome, as the error tree does
    """Raised when a line is no record; the text is for its sender and holds nothing of the line."""


class Sorter:
    """Tells of each record where it belongs, as seen from `now`. What it finds out once it remembers."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._latest = (now + AHEAD).timestamp()
        self._days: dict[tuple[Any, int], tuple[str, date] | None] = {}
        self._partitions: dict[tuple[str, date], dict[str, Partition]] = {}
        self._russian = {"none": False, "RU": True}

    def place(self, line: bytes) -> Place | None:
        """Where a record belongs; None when its life is over: storing it would break its term. Raises Unfit."""
        if len(line) > LINE_BYTES:
            raise Unfit("is longer than 1 MiB")
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise Unfit("is no JSON") from None
        if type(record) is not dict:
            raise Unfit("is no JSON object")
        ended = _ended(record.get("ended_at"))
        seconds = ended.timestamp()
        classes = record.get("class")
        bucket = (tuple(map(str, classes)) if type(classes) is list else classes, int(seconds // _QUARTER))
        try:
            day = self._days[bucket]
        except (KeyError, TypeError):
            day = self._day(classes, ended)
            self._days[bucket] = day
        if seconds > self._latest:
            raise Unfit("ended_at is more than a day ahead")
        russian = self._residency(record.get("residency"))
        project = record.get("project")
        partition = self._partition(day or ("", date.min), project)
        return (partition, seconds, russian) if day is not None else None

    def _partition(self, day: tuple[str, date], project: object) -> Partition:
        known = self._partitions.setdefault(day, {})
        if type(project) is str:
            if (found := known.get(project)) is not None:
                return found
            if _PROJECT.fullmatch(project):
                return known.setdefault(project, Partition(*day, project))
        raise Unfit("project is not 1 to 128 letters, digits and . _ : @ -")

    def _residency(self, told: object) -> bool:
        if type(told) is str:
            if (found := self._russian.get(told)) is not None:
                return found
            if _COUNTRY.fullmatch(told):
                return self._russian.setdefault(told, False)
        raise Unfit('residency is neither "none" nor a country of two capital letters')

    def _day(self, told: object, ended: datetime) -> tuple[str, date] | None:
        """The classes and the day of a record, None when such records must be gone already."""
        classes = _classes(told)
        try:
            day = day_of(classes, ended)
            kept_until = life(classes, day, today=local_date(self._now, zone_of(classes))).kept_until
        except (NotFound, OverflowError):
            raise Unfit("ended_at lies before the first day of the terms, or beyond all days") from None
        return (classes_text(classes), day) if self._now < kept_until else None


def _classes(told: object) -> tuple[LogClass, ...]:
    names = told if type(told) is list else [told]
    found = {_NAMES.get(name) if type(name) is str else None for name in names}
    if not found or None in found:
        raise Unfit("class is none of qs-payload, qs-metadata, ocp, audit, nor a list of them")
    return tuple(one for one in LogClass if one in found)


def _ended(told: object) -> datetime:
    if type(told) is not str:
        raise Unfit("ended_at is missing, or no text")
    try:
        ended = datetime.fromisoformat(told)
    except ValueError:
        raise Unfit("ended_at is no moment of ISO 8601") from None
    if ended.utcoffset() is None:
        raise Unfit("ended_at names no zone")
    return ended


class Sorting:
    """Lines of a batch, each with its place, and the counts of them. Blank lines are passed over."""

    def __init__(self, now: datetime) -> None:
        self._place = Sorter(now).place
        self._line = 0
        self._faults: list[str] = []
        self.records = self.dropped = self.size = 0
        self.russian = False

    def run(self, blocks: Iterable[list[bytes]]) -> Iterator[tuple[bytes, Place]]:
        """Each record that is stored, with its place, up to the first fault; `close` then tells of the faults."""
        for line in chain.from_iterable(blocks):
            self._line += 1
            if len(line) <= LINE_BYTES and (not line or line.isspace()):
                continue
            try:
                place = self._place(line)
            except Unfit as error:
                self._faults.append(f"line {self._line} {error}")
                if len(self._faults) == _FAULTS:
                    return
                continue
            if place is None:
                self.dropped += 1
            elif not self._faults:
                self.records += 1
                self.size += len(line) + 1
                self.russian = self.russian or place[2]
                yield line, place

    def close(self) -> None:
        """Raise Refused("records") with the faults by line, or Refused("empty") when there was no record at all."""
        if self._faults:
            raise Refused("records", "; ".join(self._faults))
        if not self.records and not self.dropped:
            raise Refused("empty", "there is no record in it")
