"""The bench of the revenue split: its engines give one answer, and one that gives another fails it."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.errors import Refused
from blocks.terms.revenue import Cause
from flows.cli import bench_revenue as bench
from flows.cli.bench_revenue_engines import ENGINES, MONTH, digest
from flows.cli.revenue_sample import Form, write_sample

PLANTED = {cause: 2 + place for place, cause in enumerate(Cause)}
FORMS: tuple[Form, ...] = ("canonical", "parquet", "csv")


def test_every_engine_finds_the_same_from_every_form(tmp_path: Path) -> None:
    for form in FORMS:
        write_sample(tmp_path, 400, month=MONTH, form=form, differences=PLANTED)
    found: dict[bool, set[str]] = {False: set(), True: set()}
    for suffix in (bench.CANONICAL, bench.CSV, bench.PARQUET):
        for name, engine in ENGINES.items():
            if name != "raw read" and bench.runs(name, suffix, pandas=True):
                found[" and " in name].add(engine(tmp_path, suffix))
    assert [len(same) for same in found.values()] == [1, 1]
    assert not found[False] & found[True]


def test_a_digest_hangs_on_every_amount_and_cause_and_not_on_the_order() -> None:
    groups, causes = [("a", "b", 1), ("c", "d", 2)], {"amount": (1, 5)}
    assert digest(groups, causes) == digest(groups[::-1], causes)
    others = [digest(groups), digest(groups, {}), digest(groups, {"amount": (1, 6)}), digest(groups[:1], causes)]
    assert len({digest(groups, causes), *others}) == 5


def test_engines_that_do_not_agree_fail_the_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(engine: str, _folder: Path, form: str, _repeat: int) -> tuple[bench.Measured, str]:
        return bench.Measured(form, engine, 1.0, 1.0, 1.0, None), "another" if engine == "polars, sums" else "one"

    monkeypatch.setattr(bench, "measured", measured)
    with pytest.raises(Refused, match="disagree"):
        list(bench.bench_revenue(tmp_path, 100, repeat=1, pandas=False, say=lambda _: None))
