"""What a log record is."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import Refused
from blocks.logs.gathering import Gathering
from blocks.logs.records import LINE_BYTES, Partition, Sorter, Sorting, Unfit
from blocks.logs.segment import RAW_BYTES
from blocks.terms.retention import LogClass
from tests.log_work import DAY, HOUR, NOW, record

MICRO = timedelta(microseconds=1)


def test_a_record_says_where_it_belongs() -> None:
    place = Sorter(NOW).place(record())
    assert place == (Partition("qs-metadata", date(2026, 11, 22), "p-1"), (NOW - HOUR).timestamp(), False)


@pytest.mark.parametrize(
    ("classes", "written"),
    [
        ("ocp", "ocp"),
        (["ocp"], "ocp"),
        (["ocp", "qs-payload"], "qs-payload+ocp"),
        (["audit", "ocp", "qs-metadata", "qs-payload", "ocp"], "qs-payload+qs-metadata+ocp+audit"),
    ],
)
def test_classes_are_written_in_their_own_order_each_once(classes: str | list[str], written: str) -> None:
    place = Sorter(NOW).place(record(**{"class": classes}))
    assert place is not None
    assert place[0].classes == written


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"class": "other"}, "class"),
        ({"class": None}, "class"),
        ({"class": []}, "class"),
        ({"class": ["ocp", None]}, "class"),
        ({"class": ["ocp", ["ocp"]]}, "class"),
        ({"class": {"ocp": 1}}, "class"),
        ({"class": 1}, "class"),
        ({"project": ""}, "project"),
        ({"project": "p" * 129}, "project"),
        ({"project": "a/b"}, "project"),
        ({"project": "p-1\n"}, "project"),
        ({"project": "проект"}, "project"),
        ({"project": None}, "project"),
        ({"project": ["p-1"]}, "project"),
        ({"ended_at": None}, "ended_at"),
        ({"ended_at": 1700000000}, "ended_at"),
        ({"ended_at": "yesterday"}, "ended_at"),
        ({"ended_at": "2026-11-22T09:00:00"}, "ended_at names no zone"),
        ({"ended_at": "2026-11-22"}, "ended_at names no zone"),
        ({"ended_at": "2016-01-01T00:00:00Z"}, "before the first day"),
        ({"ended_at": "0001-01-01T00:00:00+14:00"}, "ended_at"),
        ({"ended_at": "9999-12-31T23:59:59-14:00"}, "ended_at"),
        ({"residency": None}, "residency"),
        ({"residency": "ru"}, "residency"),
        ({"residency": "RUS"}, "residency"),
        ({"residency": "RU\n"}, "residency"),
        ({"residency": ["RU"]}, "residency"),
    ],
)
def test_a_line_that_is_no_record_is_a_fault_that_tells_nothing_of_it(changes: dict[str, object], reason: str) -> None:
    fields = {"secret": "MARKER"} | changes
    ended = fields.pop("ended_at", NOW.isoformat())
    line = record(**fields).replace(b'"ended_at": "' + (NOW - HOUR).isoformat().encode() + b'"', b'"ended_at": ?')
    line = line.replace(b"?", orjson.dumps(ended))
    with pytest.raises(Unfit, match=reason) as caught:
        Sorter(NOW).place(line)
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize("line", [b"{", b"[]", b"1", b"\xff", b'{"class":"ocp"} {}', b"[" * 5000, b"null"])
def test_a_line_that_is_no_object_is_a_fault(line: bytes) -> None:
    with pytest.raises(Unfit):
        Sorter(NOW).place(line)


def test_a_record_without_one_of_its_fields_is_a_fault() -> None:
    whole = orjson.loads(record())
    for name in ("class", "project", "ended_at", "residency"):
        with pytest.raises(Unfit, match=name):
            Sorter(NOW).place(orjson.dumps({key: value for key, value in whole.items() if key != name}))


def test_a_line_is_at_most_a_mebibyte() -> None:
    room = LINE_BYTES - len(record(text=""))
    assert Sorter(NOW).place(record(text="a" * room)) is not None
    with pytest.raises(Unfit, match="1 MiB"):
        Sorter(NOW).place(record(text="a" * (room + 1)))


def test_a_record_may_have_ended_at_most_a_day_ahead() -> None:
    assert Sorter(NOW).place(record(ended_at=NOW + DAY)) is not None
    with pytest.raises(Unfit, match="ahead"):
        Sorter(NOW).place(record(ended_at=NOW + DAY + MICRO))


@pytest.mark.clause("QS-3.5.3a")
def test_qs_3_5_3a_a_record_whose_life_is_over_is_not_placed() -> None:
    midnight = datetime(2026, 5, 22, tzinfo=ZoneInfo("Europe/Moscow"))
    now = datetime(2026, 11, 23, tzinfo=ZoneInfo("Europe/Moscow")).astimezone(UTC)
    line = record(ended_at=midnight, **{"class": "qs-payload"})
    assert Sorter(now - MICRO).place(line) is not None
    assert Sorter(now).place(line) is None
    assert Sorter(now).place(record(ended_at=midnight + DAY, **{"class": "qs-payload"})) is not None


@pytest.mark.clause("QS-3.8.3")
def test_qs_3_8_3_only_ru_marks_data_of_russian_citizens() -> None:
    sorter = Sorter(NOW)
    places = [sorter.place(record(residency=told)) for told in ("none", "RU", "KZ", "RU")]
    assert [place and place[2] for place in places] == [False, True, False, True]


ZONES = {"qs-payload": "Europe/Moscow", "qs-metadata": "Europe/Moscow", "ocp": "Asia/Almaty", "audit": "Europe/Moscow"}
ORDER = [one.value for one in LogClass]


@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from(ORDER), min_size=1),
            st.datetimes(datetime(2026, 10, 1), datetime(2026, 11, 23)),  # noqa: DTZ001 - made aware below
            st.integers(-14 * 4, 14 * 4),
            st.sampled_from(["p-1", "p-2", "a@b.example"]),
        )
    )
)
def test_any_mix_of_records_lands_in_the_day_of_the_wall_clock_of_its_first_class(
    told: list[tuple[set[str], datetime, int, str]],
) -> None:
    sorter = Sorter(NOW)
    for classes, moment, quarters, project in told:
        ended = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=15 * quarters)))
        ordered = sorted(classes, key=ORDER.index)
        place = sorter.place(record(ended_at=ended, project=project, **{"class": list(classes)}))
        day = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(ZONES[ordered[0]])).date()
        assert place == (Partition("+".join(ordered), day, project), ended.timestamp(), False)


def test_blank_lines_are_passed_over_and_faults_are_told_by_number() -> None:
    sorting = Sorting(NOW)
    good = list(sorting.run([[record(1), b"", b" \r"], [record(2)]]))
    sorting.close()
    assert ([line for line, _ in good], sorting.records) == ([record(1), record(2)], 2)
    assert sorting.size == len(record(1)) + len(record(2)) + 2
    bad = Sorting(NOW)
    assert len(list(bad.run([[record(1), b"{"], [b"", record(2), b"[]", b" " * (LINE_BYTES + 1)]]))) == 1
    with pytest.raises(Refused, match=r"^line 2 is no JSON; line 5 is no JSON object; line 6 is longer"):
        bad.close()


def test_a_batch_without_a_record_is_refused() -> None:
    sorting = Sorting(NOW)
    assert not list(sorting.run([[b"", b""]]))
    with pytest.raises(Refused) as caught:
        sorting.close()
    assert caught.value.reason == "empty"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, LINE_BYTES // 64)), max_size=60), st.integers(0, 10))
def test_gathered_lines_come_out_once_in_order_and_in_pieces_that_fit(
    told: list[tuple[int, int]], down_to: int
) -> None:
    gathering, out = Gathering(), []
    for number, (which, length) in enumerate(told):
        line = b"%d " % number + bytes(length * 40)
        if piece := gathering.add_line(Partition("ocp", date(2026, 1, 1), f"p{which}"), number, number == 7, line):
            out.append(piece)
        if number % 11 == down_to:
            out += gathering.take_out(RAW_BYTES // 4)
    out += gathering.take_out()
    assert gathering.size == 0
    seen: Counter[str] = Counter()
    for piece in out:
        numbers = [int(line.split()[0]) for line in piece.lines]
        assert numbers == sorted(numbers)
        assert (piece.first, piece.last, piece.records) == (numbers[0], numbers[-1], len(numbers))
        assert piece.size == len(piece.content) <= RAW_BYTES
        assert piece.russian == (7 in numbers)
        seen.update(piece.partition.project for _ in numbers)
    assert seen == Counter(f"p{which}" for which, _ in told)


def test_a_flood_of_faults_is_not_read_to_its_end() -> None:
    sorting = Sorting(NOW)
    assert not list(sorting.run([[b"?"] * 1000]))
    with pytest.raises(Refused) as caught:
        sorting.close()
    assert str(caught.value).count("line") == 20
