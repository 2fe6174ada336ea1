"""The same month by different engines, each run in a process of its own; what it found goes to stdout as a digest.

The peers are written as their users would: they read the columns they need, trust the file, add up and join. Amounts
are exact in all of them. Ours is what the product runs.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

MONTH = "2026-10"
CAUSES = ("duplicate", "missing_at_them", "missing_at_us", "amount", "tariff", "period", "customer")
_KEYS = ("tariff", "begins_on", "ends_on")


def digest(groups: Iterable[tuple[Any, ...]], causes: Mapping[str, tuple[int, int]] | None = None) -> str:
    """What an engine found in one word: groups (tariff, first and last day, income, VAT), lines and delta by cause."""
    rows = sorted([str(part) for part in group] for group in groups)
    found = None if causes is None else [[int(value) for value in causes.get(cause, (0, 0))] for cause in CAUSES]
    return hashlib.sha256(json.dumps([rows, found]).encode()).hexdigest()[:16]


def raw(folder: Path, form: str) -> str:
    """Nothing but reading the bytes."""
    for side in ("ours", "theirs"):
        with (folder / f"{side}.{form}").open("rb") as file:
            while file.read(4 << 20):
                pass
    return ""


def ours_sums(folder: Path, form: str) -> str:
    """Our totals of a canonical list; a CSV list goes through the strict intake first."""
    from blocks.lines.totals import totals

    with TemporaryDirectory(dir=folder) as scratch:
        found = totals(_taken(folder, "ours", form, Path(scratch)), scratch=Path(scratch))
    return digest((t.tariff, t.begins_on, t.ends_on, t.income_minor, t.vat_minor) for t in found)


def ours_both(folder: Path, form: str) -> str:
    """Our totals and our reconciliation."""
    from blocks.lines.comparing import reconcile
    from blocks.lines.totals import totals

    with TemporaryDirectory(dir=folder) as name:
        scratch = Path(name)
        ours, theirs = (_taken(folder, side, form, scratch) for side in ("ours", "theirs"))
        found = totals(ours, scratch=scratch)
        result = reconcile(ours, theirs, month=MONTH, key="bench", scratch=scratch)
    causes = {one.cause.value: (one.lines, one.delta_minor) for one in result.by_cause}
    return digest(((t.tariff, t.begins_on, t.ends_on, t.income_minor, t.vat_minor) for t in found), causes)


def _taken(folder: Path, side: str, form: str, scratch: Path) -> Path:
    from blocks.lines.reading import read_list
    from blocks.terms.ocp_tariffs import sandbox_tariffs

    if form == "canonical.parquet":
        return folder / f"{side}.{form}"
    target = scratch / f"{side}.parquet"
    whose: Any = "ours" if side == "ours" else "operator"
    read_list(
        folder / f"{side}.{form}",
        target,
        month=MONTH,
        tariffs=sandbox_tariffs(),
        side=whose,
        scratch=scratch,
        tell=lambda _: None,
    )
    return target


_INCOME = "CASE WHEN state = 'cancelled' THEN 0 WHEN state <> 'refunded' THEN 1 WHEN corrects = '' THEN 0 ELSE -1 END"
_CSV = """(SELECT line, customer, tariff, "from" AS begins_on, "to" AS ends_on, (net * 100)::BIGINT AS net_minor,
    (vat * 100)::BIGINT AS vat_minor, state, coalesce(corrects, '') AS corrects FROM read_csv('{}', header = true,
    types = {{'from': 'DATE', 'to': 'DATE', 'net': 'DECIMAL(18,2)', 'vat': 'DECIMAL(18,2)', 'corrects': 'VARCHAR'}}))"""


def _duckdb(folder: Path, form: str) -> tuple[Any, str, str]:
    import duckdb

    db = duckdb.connect(":memory:", config={"threads": 2, "preserve_insertion_order": False})
    wrap = _CSV if form == "csv" else "read_parquet('{}')"
    return db, wrap.format(folder / f"ours.{form}"), wrap.format(folder / f"theirs.{form}")


def duckdb_sums(folder: Path, form: str) -> str:
    """GROUP BY in DuckDB."""
    db, ours, _ = _duckdb(folder, form)
    return digest(_duckdb_groups(db, ours))


def _duckdb_groups(db: Any, ours: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = db.execute(
        f"SELECT tariff, begins_on, ends_on, sum(net_minor * ({_INCOME})), sum(vat_minor * ({_INCOME})) "  # noqa: S608
        f"FROM {ours} WHERE ({_INCOME}) <> 0 GROUP BY ALL"
    ).fetchall()
    return rows


def duckdb_both(folder: Path, form: str) -> str:
    """GROUP BY and FULL JOIN in DuckDB; the Operator's list is grouped first, for a line may stand in it twice."""
    db, ours, theirs = _duckdb(folder, form)
    side = f"SELECT line, customer, tariff, begins_on, ends_on, net_minor * ({_INCOME}) AS income FROM "  # noqa: S608
    rows = db.execute(
        f"""
        WITH o AS ({side} {ours}), t AS (
            SELECT line, count(*) AS times, any_value(customer) AS customer, any_value(tariff) AS tariff,
                any_value(begins_on) AS begins_on, any_value(ends_on) AS ends_on, any_value(income) AS one,
                sum(income) AS income FROM ({side} {theirs}) GROUP BY line)
        SELECT CASE WHEN t.times > 1 THEN 'duplicate' WHEN t.line IS NULL THEN 'missing_at_them'
            WHEN o.line IS NULL THEN 'missing_at_us' WHEN o.income <> t.one THEN 'amount'
            WHEN o.tariff <> t.tariff THEN 'tariff'
            WHEN o.begins_on <> t.begins_on OR o.ends_on <> t.ends_on THEN 'period'
            WHEN o.customer <> t.customer THEN 'customer' END AS cause,
            count(*), sum(coalesce(t.income, 0) - coalesce(o.income, 0))
        FROM o FULL JOIN t ON o.line = t.line WHERE cause IS NOT NULL GROUP BY cause
        """  # noqa: S608
    ).fetchall()
    return digest(_duckdb_groups(db, ours), {cause: (lines, delta) for cause, lines, delta in rows})


def _polars(folder: Path, form: str, side: str) -> Any:
    import polars as pl

    path = folder / f"{side}.{form}"
    if form == "csv":
        money = {name: pl.Decimal(18, 2) for name in ("net", "vat")}
        frame = pl.scan_csv(path, schema_overrides={**money, "from": pl.Date, "to": pl.Date, "corrects": pl.String})
        frame = frame.rename({"from": "begins_on", "to": "ends_on"}).with_columns(
            pl.col("corrects").fill_null(""),
            *((pl.col(name) * 100).cast(pl.Int64).alias(f"{name}_minor") for name in ("net", "vat")),
        )
    else:
        frame = pl.scan_parquet(path)
    state = pl.col("state")
    sign: Any = pl.when(state == "cancelled").then(0).when(state != "refunded").then(1)
    sign = sign.when(pl.col("corrects") == "").then(0).otherwise(-1).cast(pl.Int64)
    return frame.select(
        "line", "customer", *_KEYS, sign.alias("sign"), (pl.col("net_minor") * sign).alias("income"), "vat_minor"
    )


def _polars_groups(folder: Path, form: str) -> Any:
    import polars as pl

    lines = _polars(folder, form, "ours").filter(pl.col("sign") != 0)
    vat = (pl.col("vat_minor") * pl.col("sign")).sum()
    return lines.group_by(*_KEYS).agg(pl.col("income").sum(), vat.alias("vat")).collect(engine="streaming").rows()


def polars_sums(folder: Path, form: str) -> str:
    """group_by in polars, streaming."""
    return digest(_polars_groups(folder, form))


def polars_both(folder: Path, form: str) -> str:
    """group_by and a full join in polars, streaming."""
    import polars as pl

    compared = ("customer", *_KEYS)
    theirs = _polars(folder, form, "theirs").group_by("line")
    theirs = theirs.agg(
        pl.len().alias("times"),
        pl.col(*compared).first(),
        pl.col("income").first().alias("one"),
        pl.col("income").sum(),
    )
    joined = _polars(folder, form, "ours").join(theirs, on="line", how="full", suffix="_t")
    differs = {name: pl.col(name) != pl.col(f"{name}_t") for name in compared}
    cause = (
        pl.when(pl.col("times") > 1)
        .then(pl.lit("duplicate"))
        .when(pl.col("line_t").is_null())
        .then(pl.lit("missing_at_them"))
        .when(pl.col("line").is_null())
        .then(pl.lit("missing_at_us"))
        .when(pl.col("income") != pl.col("one"))
        .then(pl.lit("amount"))
        .when(differs["tariff"])
        .then(pl.lit("tariff"))
        .when(differs["begins_on"] | differs["ends_on"])
        .then(pl.lit("period"))
        .when(differs["customer"])
        .then(pl.lit("customer"))
    )
    delta = pl.col("income_t").fill_null(0) - pl.col("income").fill_null(0)
    found = joined.select(cause.alias("cause"), delta.alias("delta")).filter(pl.col("cause").is_not_null())
    rows = found.group_by("cause").agg(pl.len(), pl.col("delta").sum()).collect(engine="streaming").rows()
    return digest(_polars_groups(folder, form), {cause: (lines, delta) for cause, lines, delta in rows})


def _pandas(folder: Path, form: str, side: str) -> Any:
    """A frame of Decimal objects, as spreadsheets are replaced by pandas when money must be exact."""
    from decimal import Decimal

    import pandas as pd

    columns = ["line", "customer", "tariff", "from", "to", "net", "vat", "state", "corrects"]
    if form == "csv":
        frame = pd.read_csv(folder / f"{side}.csv", usecols=columns, dtype=str, keep_default_na=False)
        frame["net"], frame["vat"] = frame["net"].map(Decimal), frame["vat"].map(Decimal)
    else:
        frame = pd.read_parquet(folder / f"{side}.parquet", columns=columns)
    sign = pd.Series(1, index=frame.index).mask(frame["state"] == "cancelled", 0)
    sign = sign.mask(frame["state"] == "refunded", -(frame["corrects"] != "").astype(int))
    return frame.assign(income=frame["net"] * sign.map(Decimal), vat=frame["vat"] * sign.map(Decimal), sign=sign)


def _pandas_groups(ours: Any) -> list[tuple[Any, ...]]:
    sums = ours[ours["sign"] != 0].groupby(["tariff", "from", "to"])[["income", "vat"]].sum()
    return [
        (*key, int(row.income * 100), int(row.vat * 100))
        for key, row in zip(sums.index, sums.itertuples(), strict=True)
    ]


def pandas_sums(folder: Path, form: str) -> str:
    """Groupby in pandas over Decimal objects."""
    return digest(_pandas_groups(_pandas(folder, form, "ours")))


def pandas_both(folder: Path, form: str) -> str:
    """Groupby and an outer merge in pandas over Decimal objects."""
    from decimal import Decimal

    ours, theirs = (_pandas(folder, form, side) for side in ("ours", "theirs"))
    grouped = theirs.groupby("line")
    one = grouped.first()
    one["times"], one["whole"] = grouped.size(), grouped["income"].sum()
    joined = ours.merge(one, on="line", how="outer", suffixes=("", "_t"), indicator=True)
    cause = joined["line"].map(lambda _: "")
    differs = {
        "duplicate": joined["times"] > 1,
        "missing_at_them": joined["_merge"] == "left_only",
        "missing_at_us": joined["_merge"] == "right_only",
        "amount": joined["income"] != joined["income_t"],
        "tariff": joined["tariff"] != joined["tariff_t"],
        "period": (joined["from"] != joined["from_t"]) | (joined["to"] != joined["to_t"]),
        "customer": joined["customer"] != joined["customer_t"],
    }
    for name, mask in differs.items():
        cause = cause.mask((cause == "") & mask, name)
    delta = joined["whole"].fillna(Decimal(0)) - joined["income"].fillna(Decimal(0))
    found = {name: (int((cause == name).sum()), int(sum(delta[cause == name], Decimal(0)) * 100)) for name in differs}
    return digest(_pandas_groups(ours), found)


ENGINES: dict[str, Callable[[Path, str], str]] = {
    "raw read": raw,
    "ours, sums": ours_sums,
    "ours, sums and reconciliation": ours_both,
    "DuckDB, sums": duckdb_sums,
    "DuckDB, sums and full join": duckdb_both,
    "polars, sums": polars_sums,
    "polars, sums and full join": polars_both,
    "pandas of Decimals, sums": pandas_sums,
    "pandas of Decimals, sums and outer merge": pandas_both,
}


def peak_kb() -> str:
    """The peak of this process's resident memory, without what it had before its program was loaded."""
    status = Path("/proc/self/status").read_text("ascii")
    return next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    found = ENGINES[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
    sys.stdout.write(f"{peak_kb()} {found}\n")
