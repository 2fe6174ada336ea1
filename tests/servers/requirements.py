"""What a test needs of the machine. In CI a lack fails the test; elsewhere it skips it."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

# Debian keeps servers in sbin, which is not on an ordinary user's PATH.
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def in_ci() -> bool:
    """Tell whether this run is CI's, where a test may not silently skip."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def lacking(reason: str) -> NoReturn:
    """End the test: as failed in CI, as skipped elsewhere."""
    if in_ci():
        pytest.fail(f"{reason} (CI=true, so this is a failure)", pytrace=False)
    pytest.skip(reason)


def require(binary: str, package: str) -> str:
    """Return the path of `binary` (a name or a path), which Debian's `package` holds."""
    found = shutil.which(binary, path=SEARCH_PATH)
    if found is None:
        lacking(f"{binary} is missing: run tests/servers/install.sh (Debian package {package})")
    return found


def require_root(what: str) -> None:
    """End the test unless it runs as root, which `what` needs."""
    if os.geteuid() != 0:
        lacking(f"{what} starts only as root")
