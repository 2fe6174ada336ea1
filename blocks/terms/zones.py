"""The zones in which the agreements tell the time: IANA names, which bind, whatever offset an agreement prints."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

MOSCOW, ASTANA, KYIV, MINSK = "Europe/Moscow", "Asia/Almaty", "Europe/Kyiv", "Europe/Minsk"
ZONES: Mapping[str, str] = MappingProxyType({"KS": MOSCOW, "OCP": ASTANA, "QS": MOSCOW, "OT": KYIV, "SSL": MINSK})
"""By agreement."""
