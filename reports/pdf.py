"""PDF and drawings by Typst, from a template beside this module and a mapping of text.

Fonts are Typst's own, so bytes repeat.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import as_file, files
from typing import Any, Literal

import typst

Drawing = Literal["png", "svg"]


def render_pdf(template: str, data: Mapping[str, Any], *, dated: datetime) -> bytes:
    """Render `templates/{template}.typ` with JSON `data`; `dated` is the document's date: nothing reads a clock."""
    with as_file(files("reports").joinpath("templates", f"{template}.typ")) as path:
        pdf: bytes = typst.compile(
            str(path),
            format="pdf",
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            ignore_system_fonts=True,
            timestamp=int(dated.timestamp()),
        )
        return pdf


def render_drawing(template: str, data: Mapping[str, Any], *, kind: Drawing) -> bytes:
    """The same as a drawing at 144 dots an inch. Raises TypeError where the template makes several pages."""
    with as_file(files("reports").joinpath("templates", f"{template}.typ")) as path:
        drawn: bytes | list[bytes] = typst.compile(
            str(path),
            format=kind,
            ppi=144,
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            ignore_system_fonts=True,
        )
        if not isinstance(drawn, bytes):
            raise TypeError(f"{template} makes {len(drawn)} pages")
        return drawn
