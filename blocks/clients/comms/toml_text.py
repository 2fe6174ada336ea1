"""The file of complexes as text, as `addresses.read_complexes` reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from blocks.clients.comms.addresses import ComplexAt, DnsAt


def complexes_text(complexes: Sequence[ComplexAt], dns: DnsAt | None = None) -> str:
    """One table for each complex, and one for the name servers where there are any."""
    tables = [("[complex]", at.model_dump(mode="json", exclude_none=True)) for at in complexes]
    if dns is not None:
        tables.append(("dns", dns.model_dump(mode="json", exclude_none=True)))
    return "\n".join(_table(name, values) for name, values in tables)


def _table(name: str, values: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    lines = [f"[{name}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items())]
    below = [_table(f"{name.strip('[]')}.{key}", value) for key, value in values.items() if isinstance(value, dict)]
    return "\n".join([*lines, *below]) + "\n"
