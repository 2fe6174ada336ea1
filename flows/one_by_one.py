"""Work on many things of which one must not keep the others back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from blocks.errors import Transient

log = logging.getLogger("dogovor.one_by_one")


def failures(names: Iterable[str], work: Callable[[str], object], *, what: str) -> list[str]:
    """Do the work of each; those whose work failed, which is logged as `what`. What may work later is raised."""
    failed = []
    for name in names:
        try:
            work(name)
        except Transient:
            raise
        except Exception:
            log.exception("%s %s", what, name)
            failed.append(name)
    return failed
