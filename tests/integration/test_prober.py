"""The prober's rounds: on the grid, kept through a ledger that is away, silent where a vantage point does not work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from blocks.clients.probes import ProbeTarget, Seen
from blocks.errors import NotFound, Refused, Transient
from blocks.office import Office
from flows.prober import Prober, next_tick, ticks, vantages_of
from tests.outage_work import INTERVAL, SECOND, letters, spans, times
from tests.work import MINUTE, NOW


class Clock:
    """A clock that sleeping moves, in the test's own thread alone; `late` is how much longer each sleep takes."""

    def __init__(self, at: datetime) -> None:
        self.at, self.late = at, timedelta()
        self._thread, self._sleep = threading.get_ident(), asyncio.sleep

    def __call__(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        if threading.get_ident() != self._thread:  # asyncio is one for all, and libraries have loops of their own
            await self._sleep(seconds)
            return
        self.at += timedelta(seconds=seconds) + self.late


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(NOW + 7 * SECOND)
    monkeypatch.setattr("flows.prober.asyncio.sleep", made.sleep)
    return made


def answering(monkeypatch: pytest.MonkeyPatch, up: Sequence[bool] = (True,), broken: str = "") -> None:
    """Every target of round n answers `up[n]`; the last one goes on. `broken` is a source that does not work."""
    rounds: list[bool] = list(up)

    async def probe_all(
        targets: Sequence[ProbeTarget], *, timeout_s: float, source: str = "", at_once: int = 100
    ) -> list[Seen]:
        if broken and source == broken:
            raise Refused("source", "this address is not ours")
        return [Seen(up=rounds[0], detail="seen", milliseconds=1) for _ in targets]

    monkeypatch.setattr("flows.prober.probe_all", probe_all)


def test_ticks_lie_on_one_grid_without_drift(clock: Clock) -> None:
    clock.late = timedelta(milliseconds=350)

    async def run() -> list[datetime]:
        return [tick async for tick in ticks(NOW + 4 * MINUTE, INTERVAL, clock)]

    assert asyncio.run(run()) == [NOW + number * MINUTE for number in (1, 2, 3, 4)]


def test_a_missed_tick_is_skipped_and_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> list[datetime]:
        seen = []
        async for tick in ticks(NOW + 6 * MINUTE, INTERVAL, clock):
            seen.append(tick)
            if tick == NOW + 2 * MINUTE:
                clock.at += 2 * MINUTE + 10 * SECOND
        return seen

    assert asyncio.run(run()) == [NOW + number * MINUTE for number in (1, 2, 5, 6)]
    assert "2 rounds after" in caplog.text


def test_the_grid_does_not_depend_on_the_start() -> None:
    assert next_tick(NOW, INTERVAL) == NOW + MINUTE
    assert next_tick(NOW + 59 * SECOND, INTERVAL) == NOW + MINUTE


def test_a_round_is_recorded_judged_and_told(watching: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, [False])
    made = Prober(watching, vantages_of(watching, None))

    async def run() -> None:
        judged = await made.round(NOW, lambda: NOW)
        assert judged is not None
        assert len(judged.opened) == 2
        await made.close()

    asyncio.run(run())
    assert times(watching) == [(NOW, None), (NOW, None)]
    assert {row.state.value for row in letters(watching, "outage_opened")} == {"delivered"}
    assert (made.rounds, made.failed) == (1, 0)


def test_rounds_that_a_lost_ledger_did_not_take_are_recorded_later(
    watching: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch)
    made = Prober(watching, vantages_of(watching, ["first"]))

    def away(*_args: object, **_named: object) -> int:
        raise Transient("the ledger did not answer")

    async def run() -> None:
        await made.round(NOW, lambda: NOW)
        with monkeypatch.context() as patched:
            patched.setattr("flows.prober.record_round", away)
            for minute in (1, 2):
                assert await made.round(NOW + minute * MINUTE, lambda: NOW) is None
        await made.round(NOW + 3 * MINUTE, lambda: NOW)

    asyncio.run(run())
    assert spans(watching) == [("up", NOW, NOW + 4 * MINUTE)] * 2
    assert (made.rounds, made.failed) == (2, 2)


def test_an_error_of_one_round_is_no_end(watching: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Prober(watching, vantages_of(watching, None))

    async def broken(*_args: object, **_named: object) -> list[Seen]:
        raise ZeroDivisionError

    async def run() -> None:
        monkeypatch.setattr("flows.prober.probe_all", broken)
        assert await made.round(NOW, lambda: NOW) is None
        answering(monkeypatch)
        assert await made.round(NOW + MINUTE, lambda: NOW) is not None

    asyncio.run(run())
    assert spans(watching) == [("up", NOW + MINUTE, NOW + 2 * MINUTE)] * 2


def test_a_round_that_can_never_be_recorded_does_not_keep_the_others_back(
    watching: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch)
    made = Prober(watching, vantages_of(watching, ["first"]))

    def impossible(*_args: object, **_named: object) -> int:
        raise ValueError("a NUL character")

    async def run() -> None:
        with monkeypatch.context() as patched:
            patched.setattr("flows.prober.record_round", impossible)
            await made.round(NOW, lambda: NOW)
        await made.round(NOW + MINUTE, lambda: NOW)

    asyncio.run(run())
    assert spans(watching) == [("up", NOW + MINUTE, NOW + 2 * MINUTE)] * 2


def test_a_vantage_point_that_does_not_work_sees_nothing_down(
    watching: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, broken="192.0.2.9")
    points = vantages_of(watching, None)
    broken = points[0].model_copy(update={"source": "192.0.2.9"})
    asyncio.run(Prober(watching, [broken, *points[1:]]).round(NOW, lambda: NOW))
    assert spans(watching, "first") == []
    assert [state for state, _, _ in spans(watching, "second")] == ["up", "up"]


def test_an_unknown_vantage_point_is_refused(watching: Office) -> None:
    assert [vantage.name for vantage in vantages_of(watching, ["third", "first"])] == ["third", "first"]
    with pytest.raises(NotFound):
        vantages_of(watching, ["fourth"])
