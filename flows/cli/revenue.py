"""`dogovor revenue`: a month of the ОЦП split and reconciled from files, without a server or a ledger."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from blocks.errors import Refused

if TYPE_CHECKING:
    from blocks.settings import Settings
    from blocks.terms.ocp_tariffs import TariffTable
    from tasks.revenue_draft import Draft, Head
    from tasks.revenue_history import Earlier
    from tasks.revenue_split_file import SplitFile

app = typer.Typer()


@app.command()
def revenue(  # noqa: PLR0917 - typer reads options from parameters
    month: Annotated[str, typer.Option(help="The calendar month: 2026-10", metavar="MONTH")],
    lines: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Our list: CSV, XLSX or Parquet")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Where the documents go")],
    operator: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="The Operator's list")] = None,
    words: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="People's words on differences, as JSON")
    ] = None,
    earlier: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="split.json of earlier months, oldest first")
    ] = None,
    number: Annotated[str, typer.Option(help="The act's number; empty: a draft")] = "",
    dated: Annotated[str, typer.Option(help="The day of the documents: 2026-11-02; empty: the month's last")] = "",
) -> None:
    """Check the lists, split the month, reconcile it, and write the documents and split.json.

    With --number it is final, and refused while something stands against it. Tariffs and the parties come from the
    DOGOVOR_* settings.
    """
    from blocks.settings import load_settings
    from flows.revenue_month import documents, picture, scratch_folder, story, workbook
    from tasks.revenue_split_file import SplitFile

    if out.exists() and any(out.iterdir()):
        raise Refused("out", f"{out} is not empty: documents of two runs do not mix")
    settings = load_settings()
    head = _head(settings, month, number, dated)
    with scratch_folder() as scratch:
        read = partial(_read, month=month, tariffs=settings.ocp_tariffs, scratch=scratch)
        drafted = _drafted(
            read("ours", lines),
            read("operator", operator) if operator else None,
            head=head,
            tariffs=settings.ocp_tariffs,
            words=words,
            earlier=earlier or (),
            scratch=scratch,
        )
        typer.echo(story(drafted))
        if number and drafted.obstacles:
            raise typer.Exit(1)
        files = {f"data-{month}.xlsx": workbook(drafted, scratch)}
        files |= {one.file_name: one.content for one in [*documents(drafted), picture(drafted)]}
        files["split.json"] = SplitFile.of(drafted).model_dump_json(indent=1).encode()
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (out / name).write_bytes(content)
            typer.echo(f"{hashlib.sha256(content).hexdigest()}  {out / name}")


def _head(settings: Settings, month: str, number: str, dated: str) -> Head:
    from datetime import date

    from pydantic import TypeAdapter

    from blocks.terms.revenue import Month, last_day
    from tasks.revenue_draft import Head, sides_of

    month = TypeAdapter(Month).validate_python(month)
    try:
        day = date.fromisoformat(dated) if dated else last_day(month)
    except ValueError:
        raise Refused("dated", f"no such day: {dated}; a day is written as 2026-11-02") from None
    return Head(
        month=month,
        edition=0,
        reason="",
        number=number,
        dated=day,
        sides=sides_of(settings),
    )


def _read(side: Literal["ours", "operator"], path: Path, *, month: str, tariffs: TariffTable, scratch: Path) -> Path:
    """A list in its canonical form. Of a bad one every fault that is kept is told, and BadList goes on."""
    from blocks.lines.reading import BadList, read_list

    def tell(what: str) -> None:
        typer.echo(what, err=True)

    target = scratch / f"{side}.parquet"
    try:
        read_list(path, target, month=month, tariffs=tariffs, side=side, scratch=scratch, tell=tell)
    except BadList as bad:
        for fault in bad.faults:
            tell(f"{path.name}: row {fault.row}, {fault.column or 'the row'}: {fault.reason}")
        raise
    return target


def _drafted(
    ours: Path,
    theirs: Path | None,
    *,
    head: Head,
    tariffs: TariffTable,
    words: Path | None,
    earlier: Sequence[Path],
    scratch: Path,
) -> Draft:
    from pydantic import TypeAdapter

    from blocks.lines.writing import sha256_of
    from blocks.terms.revenue import Settlement
    from tasks.revenue_draft import assemble

    earlier_files = _earlier(earlier, head)
    said = TypeAdapter(tuple[Settlement, ...]).validate_json(words.read_bytes()) if words else ()
    return assemble(
        ours,
        theirs,
        head=head,
        tariffs=tariffs,
        scratch=scratch,
        settlements=said,
        without_list=[] if theirs else [sha256_of(ours)],
        history=lambda months: _history(months, earlier_files),
    )


def _earlier(paths: Sequence[Path], head: Head) -> list[SplitFile]:
    """What earlier months added. Raises Refused where it would count a month twice, or a final act stand on a draft."""
    from tasks.revenue_split_file import SplitFile

    files: list[SplitFile] = []
    for path in paths:
        file = SplitFile.model_validate_json(path.read_bytes())
        if file.month >= head.month:
            raise Refused("earlier", f"{path}: {file.month} is not before {head.month}")
        if any(file.month == known.month for known in files):
            raise Refused("earlier", f"{path}: {file.month} is there twice")
        if head.number and not file.number:
            raise Refused("earlier", f"{path}: {file.month} is a draft, and an act stands on acts alone")
        files.append(file)
    return files


def _history(months: frozenset[str], files: Sequence[SplitFile]) -> Earlier:
    from blocks.terms.revenue import SplitRow, Total, month_of
    from tasks.revenue_history import Earlier

    before: dict[str, list[Total]] = defaultdict(list)
    acted: dict[str, list[SplitRow]] = defaultdict(list)
    for file in files:
        for total in file.totals:
            before[month_of(total.begins_on)].append(total)
        for row in file.rows:
            acted[row.month_of].append(row)
    return Earlier(
        {month: before[month] for month in months},
        {month: acted[month] for month in months},
        tuple(one for file in files for one in file.services),
        tuple(file.share for file in files),
    )
