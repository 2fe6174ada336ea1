"""An order worked off on a real complex by a process that dies in the middle of a call to the servers."""

from __future__ import annotations

import os
import signal
from datetime import datetime
from typing import Any

import email_validator

from blocks.clients.comms.complex import RealComplex
from blocks.clients.comms.names import DnsNames
from blocks.clients.comms.sip import SipService
from blocks.clients.comms.xmpp import XmppService
from blocks.settings import Settings
from tests.ca_of_today import opened
from tests.work import drain

if "test" in email_validator.SPECIAL_USE_DOMAIN_NAMES:
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove("test")

POINTS: dict[str, tuple[type, str]] = {
    "before the names": (DnsNames, "publish"),
    "before any account": (XmppService, "provision"),
    "between mail and SIP": (SipService, "provision"),
    "before the proofs are on record": (RealComplex, "verify"),
}
"""Where the process dies: in which call; a verification is made first."""


def job(settings: Settings, point: str, at: datetime) -> None:
    """Drain the inbox; die at that point."""
    owner, method = POINTS[point]
    plain = getattr(owner, method)

    def deadly(*arguments: Any) -> None:
        if owner is RealComplex:
            plain(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, method, deadly)
    drain(opened(settings), at)
