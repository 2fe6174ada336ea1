"""The order at a CA whose worker is killed, in a child of multiprocessing's fork server."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime
from typing import Any

import requests

from blocks.clients.ca import acme_ca, dns01
from blocks.office import open_office
from blocks.settings import Settings
from tasks.ca_advance import advance

PRELOADED = (acme_ca, dns01)
"""What an office loads when it opens such a CA: once in the fork server, not in every child."""


def job(settings: Settings, order: int, at: datetime, kill_at: int | None, moment: str) -> None:
    """Advance an order once, killed `before` the N-th of its requests and commits or `after` it."""
    office = open_office(settings)
    seen = 0

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def acts(*args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == kill_at and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answer = act(*args, **kwargs)
            if seen == kill_at and moment == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return acts

    office.engine.dialect.do_commit = counted(office.engine.dialect.do_commit)  # type: ignore[method-assign]
    plain = requests.Session.request
    requests.Session.request = counted(plain)  # type: ignore[method-assign]
    advance(office, order, worker="w", now=at)
    requests.Session.request = plain  # type: ignore[method-assign]
    office.engine.dispose()
