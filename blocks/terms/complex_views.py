"""What is shown of a complex: what proved its accounts to work, and the software that serves it."""

from __future__ import annotations

from datetime import datetime

from blocks.terms.base import Frozen, Moment
from blocks.terms.ks_complex import Proof


class SeenProof(Frozen):
    """A proof and when it was seen."""

    at: Moment
    proof: Proof


class SoftwareLine(Frozen):
    """A program that serves a customer: what it does, its name and version, and how these were learnt."""

    role: str
    name: str
    version: str
    learnt: str


class SoftwareStatement(Frozen):
    """The software that serves an order (KS-2.9). `stated_at` dates it."""

    number: str
    domain: str
    provider: str
    asked_by: str
    asked_at: datetime
    stated_at: datetime
    lines: tuple[SoftwareLine, ...]
