"""`dogovor ask` and `dogovor clauses`: the agreements' rules, asked by anyone."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def ask(
    clause: Annotated[str, typer.Argument(help="The clause's id, for example KS-4.2")],
    facts: Annotated[str, typer.Option(help="The facts as JSON")] = "{}",
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the facts' JSON Schema instead")] = False,
) -> None:
    """Ask a clause's rule: what it decides on these facts, when or how much, and how we read the clause."""
    import blocks.terms  # noqa: F401 - registers the rules
    from blocks.errors import NotFound
    from blocks.terms.base import ask as ask_rule
    from blocks.terms.base import clause as find_clause
    from blocks.terms.base import rules
    from reports.answer import answer_text

    find_clause(clause)
    if schema:
        if clause not in rules():
            raise NotFound("rule for clause", clause)
        typer.echo(json.dumps(rules()[clause].facts.model_json_schema(), ensure_ascii=False, indent=2))
        return
    answer = ask_rule(clause, facts)
    typer.echo(answer.model_dump_json(indent=2) if as_json else answer_text(answer))


@app.command()
def clauses(as_json: Annotated[bool, typer.Option("--json", help="Print the register as JSON")] = False) -> None:
    """The register: every clause, how it is kept, its rule, and how many tests show it to be kept."""
    import blocks.terms  # noqa: F401 - registers the rules
    from blocks.terms.base import clauses as register
    from blocks.terms.base import rules
    from flows.cli.coverage import tests_by_clause

    tests = tests_by_clause()
    rows = [
        {
            **clause.model_dump(mode="json"),
            "rule": f"{rules()[clause.id].decide.__module__}.{rules()[clause.id].decide.__name__}"
            if clause.id in rules()
            else None,
            "tests": tests.get(clause.id, 0),
        }
        for clause in register().values()
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("clause", "source", "kept", "rule", "tests", "what it says")
    for row in rows:
        kept = f"{row['kept']}{', planned' if row['planned'] else ''}"
        rule = str(row["rule"] or "").removeprefix("blocks.terms.")
        table.add_row(row["id"], row["source"], kept, rule, str(row["tests"] or ""), row["line"])
    Console().print(table)
