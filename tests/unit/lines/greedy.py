"""Stands for the process of a sheet that wants more memory than it may."""

from __future__ import annotations

import resource

resource.setrlimit(resource.RLIMIT_AS, (256 * 1024**2, 256 * 1024**2))
hoard = bytearray(1024**3)
