"""`dogovor demo` as a stranger runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.xdist_group("stack")
@pytest.mark.timeout(280)
def test_the_demo_ends_by_itself_with_everything_done() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "demo", "--json"], capture_output=True, text=True, timeout=270, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)
    assert result["all_done"]
    assert (result["repeated_webhook"], result["forged_webhook"]) == (202, 401)
    states = {row["shop_order"]: row["state"] for row in result["orders"]}
    assert states == {
        "shop-1": "completed",
        "shop-2": "completed",
        "shop-3": "completed",
        "shop-4": "completed",
        "shop-5": "rejected",
        "shop-6": "held",
        "shop-7": "completed",
    }
    paths = [Path(path) for row in result["orders"] for path in row["documents"].values()]
    assert len(paths) == 5
    assert all(path.stat().st_size > 1000 for path in paths)
