"""The bench's peer: the main job's own functions, called by threads, without Prefect."""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flows import runtime
from flows.cli.bench_play import SLOTS, active, fill
from flows.cli.demo_stack import DemoStack
from flows.fulfilment import advance
from tasks.events import apply_event
from tasks.inbox import Event, claim, finish


def main() -> None:
    """Fill an inbox, drain it, print the figures as JSON."""
    office, count = runtime.office(), int(sys.argv[1])
    stack = DemoStack(Path(office.settings.home), dict(os.environ), 0, lambda _: None)
    stack.sandbox_port = json.load(sys.stdin)["sandbox_port"]
    fill(stack, office.sessions, "plain", count)
    began = time.perf_counter()
    with ThreadPoolExecutor(SLOTS) as pool:
        while events := claim(office.sessions, owner="plain", now=runtime.now(), limit=50):
            orders: dict[str, list[Event]] = {}
            for event in events:
                recorded = apply_event(office, event, now=runtime.now())
                if recorded.order is not None:
                    orders.setdefault(recorded.order, []).append(event)
            list(pool.map(lambda order: advance(office, order, now=runtime.now()), orders))
            for event in events:
                finish(office.sessions, event, owner="plain", outcome="done", now=runtime.now())
    took = time.perf_counter() - began
    if active(office.sessions) != count:
        raise SystemExit(f"{active(office.sessions)} of {count} are active")
    print(json.dumps({"seconds": round(took, 1), "orders_a_minute": round(count / took * 60)}))  # noqa: T201


if __name__ == "__main__":
    main()
