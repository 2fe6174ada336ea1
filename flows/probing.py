"""Probing: one long-lived run that looks at every service from every vantage point, on a fixed grid of time."""

from __future__ import annotations

from datetime import timedelta

from prefect import flow, get_run_logger

from flows import runtime
from flows.prober import Prober, ticks, vantages_of


@flow(name="probe-services", persist_result=False)
async def probe_services(hours: float = 24.1, vantages: list[str] | None = None) -> dict[str, int]:
    """Probe, record and judge in each interval, and tell of outages, for so many hours; the next run overlaps it.

    Two runs at once do no harm: both take the same ticks of the grid, and a round counts once.

    `vantages` names the points that this process looks from; empty: all of the catalogue.
    """
    office, log = runtime.office(), get_run_logger()
    prober = Prober(office, vantages_of(office, vantages))
    interval = timedelta(seconds=office.catalogue.interval_seconds)
    async for tick in ticks(runtime.now() + timedelta(hours=hours), interval, runtime.now):
        judged = await prober.round(tick, runtime.now)
        if judged is None:
            log.warning("the round of %s was not recorded or judged", tick.isoformat())
        elif judged.opened or judged.closed:
            log.info("opened %s, closed %s", ", ".join(judged.opened) or "none", ", ".join(judged.closed) or "none")
    await prober.close()
    log.info("%s rounds, %s failed", prober.rounds, prober.failed)
    return {"rounds": prober.rounds, "failed": prober.failed}
