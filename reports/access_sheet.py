"""The content of a credential file: a sheet to read or print, and a CSV to import. In memory only."""

from __future__ import annotations

import csv
import io

from blocks.terms.views import AccessSheet
from reports.pdf import render_pdf


def access_files(sheet: AccessSheet) -> dict[str, bytes]:
    """The files by name: a PDF, and a CSV with a byte order mark so that spreadsheets read it as UTF-8."""
    table = io.StringIO()
    writer = csv.writer(table, delimiter=";")
    writer.writerow(["Адрес (XMPP и почта)", "Внутренний номер (SIP)", "Пароль"])
    rows = [(row.address, row.number, row.password) for row in sheet.credentials]
    writer.writerows(rows)
    data = {
        "number": sheet.number,
        "domain": sheet.domain,
        "customer": sheet.customer,
        "rows": [dict(zip(("address", "number", "password"), row, strict=True)) for row in rows],
    }
    return {
        f"access-{sheet.number}.pdf": render_pdf("access_sheet", data, dated=sheet.dated),
        f"access-{sheet.number}.csv": table.getvalue().encode("utf-8-sig"),
    }
