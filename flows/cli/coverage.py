"""Which tests show which clause to be kept: read from the marks in the sources of `tests`, where they are at hand."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2] / "tests"


def tests_by_clause() -> Counter[str]:
    """How many tests carry `@pytest.mark.clause("...")` for each clause id; empty without the sources."""
    counts: Counter[str] = Counter()
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                counts.update(argument for mark in node.decorator_list for argument in _clauses(mark))
    return counts


def _clauses(mark: ast.expr) -> list[str]:
    if not (isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.clause"):
        return []
    return [
        argument.value
        for argument in mark.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
