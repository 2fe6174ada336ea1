"""The copying of the ledger that is killed: in a child of multiprocessing's fork server."""

from __future__ import annotations

import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from blocks.clients import ledger_copy
from blocks.office import open_office
from blocks.settings import Settings
from tasks.ledger_copies import back_up


def _die(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def job(settings: Settings, at: datetime, where: str) -> None:
    """Copy, and be killed: when the plain copy is to be `erased`, before the copy is put on `record`, or when a
    restored one is `compared`.
    """
    office = open_office(settings)
    if where == "erased":
        ledger_copy.erase = _die  # type: ignore[attr-defined]
    elif where == "record":
        put = office.objects.put_file

        def put_then_die(name: str, source: Path, **told: Any) -> NoReturn:
            put(name, source, **told)
            _die()

        office.objects.put_file = put_then_die  # type: ignore[method-assign]
    else:
        ledger_copy._tally_of = _die  # noqa: SLF001
    back_up(office, who="test", now=at)
