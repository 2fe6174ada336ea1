"""The prober without Prefect: rounds on a fixed grid of time, recorded, judged, told of.

A tick that was missed is skipped and logged, never invented; a round that the ledger did not take is kept and
recorded before the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta

from blocks.catalogue import Vantage
from blocks.clients.probes import probe_all
from blocks.errors import NotFound, Refused, Transient
from blocks.office import Office
from flows.fulfilment import send_due
from tasks.probing import Judged, Round, judge, record_round, service_seen

log = logging.getLogger("dogovor.prober")

KEPT_ROUNDS = 600
"""So many rounds at most wait for a ledger that is away; the oldest are lost first and stay unknown."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def next_tick(after: datetime, interval: timedelta) -> datetime:
    """The first moment of the grid later than `after`; the grid is the same for every prober and every start."""
    return _EPOCH + ((after - _EPOCH) // interval + 1) * interval


async def ticks(until: datetime, interval: timedelta, clock: Callable[[], datetime]) -> AsyncIterator[datetime]:
    """The moments of the grid, each when it has come, without drift; those that passed meanwhile are skipped."""
    tick = next_tick(clock(), interval)
    while tick <= until:
        await asyncio.sleep(max((tick - clock()) / timedelta(seconds=1), 0))
        yield tick
        following = next_tick(max(tick, clock()), interval)
        if missed := (following - tick) // interval - 1:
            log.warning("%s rounds after %s were missed", missed, tick.isoformat())
        tick = following


def vantages_of(office: Office, names: Sequence[str] | None) -> list[Vantage]:
    """The vantage points of those names, all of them without names. Raises NotFound."""
    known = {vantage.name: vantage for vantage in office.catalogue.vantage}
    for name in names or ():
        if name not in known:
            raise NotFound("vantage point", name)
    return [known[name] for name in names] if names else list(known.values())


class Prober:
    """Looks from its vantage points, and keeps what it saw until the ledger has it."""

    def __init__(self, office: Office, vantages: Sequence[Vantage]) -> None:
        self._office, self._vantages = office, vantages
        self._services = [service for service in office.catalogue.service if service.probe]
        self._kept: deque[tuple[datetime, Round]] = deque(maxlen=KEPT_ROUNDS)
        self._sending: asyncio.Task[None] | None = None
        self.rounds = self.failed = 0

    async def round(self, at: datetime, clock: Callable[[], datetime]) -> Judged | None:
        """One round at a tick; None when it could not be recorded or judged, which is logged and no end."""
        try:
            views = await asyncio.gather(*(self._look(vantage) for vantage in self._vantages))
            self._kept.append((at, {point: seen for view in views for point, seen in view.items()}))
            judged = await asyncio.to_thread(self._keep, clock)
        except Transient as error:
            log.warning("the round of %s waits: %s", at.isoformat(), error)
        except Exception:
            log.exception("the round of %s failed", at.isoformat())
        else:
            self.rounds += 1
            if judged.letters:
                self._send(clock)
            return judged
        self.failed += 1
        return None

    async def _look(self, vantage: Vantage) -> Round:
        """What is seen from one point; nothing at all when the point itself does not work."""
        targets = [target for service in self._services for target in service.probe]
        timeout, source = self._office.catalogue.timeout_seconds, vantage.source
        try:
            answers = await probe_all(targets, timeout_s=timeout, source=source, at_once=self._at_once(len(targets)))
        except Refused as error:
            log.warning("nothing is seen from %s: %s", vantage.name, error)
            return {}
        seen = iter(answers)
        return {
            (service.name, vantage.name): service_seen([next(seen) for _ in service.probe])
            for service in self._services
        }

    def _at_once(self, targets: int) -> int:
        """So many probes at a time that a round ends well within its interval, though every target is silent."""
        catalogue = self._office.catalogue
        waves = max(int(catalogue.interval_seconds * 0.8 / catalogue.timeout_seconds), 1)
        return max(100, -(-targets // waves))

    def _keep(self, clock: Callable[[], datetime]) -> Judged:
        interval = timedelta(seconds=self._office.catalogue.interval_seconds)
        while self._kept:
            at, seen = self._kept[0]
            try:
                record_round(self._office, seen, at=at, interval=interval)
            except Transient:
                raise
            except Exception:
                log.exception("the round of %s cannot be recorded and is dropped", at.isoformat())
            self._kept.popleft()
        return judge(self._office, now=clock())

    def _send(self, clock: Callable[[], datetime]) -> None:
        """Letters go out beside the rounds: a slow mail server makes no round late."""
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_due(clock))

    async def _send_due(self, clock: Callable[[], datetime]) -> None:
        try:
            await asyncio.to_thread(send_due, self._office, now=clock())
        except Exception:
            log.exception("letters wait for the next sending")

    async def close(self) -> None:
        """Wait for the letters on their way."""
        if self._sending is not None:
            await self._sending
