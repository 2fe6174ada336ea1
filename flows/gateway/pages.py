"""The customers' pages: the one-time page, whose secret is shown on a deliberate press, once; documents to download."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from blocks.errors import NotFound
from flows import runtime
from flows.gateway.webhooks import InOffice
from reports.pages import secret_page, style, thanks_page
from tasks.downloads import download
from tasks.reveal import PageState, page_of, reveal

router = APIRouter(tags=["pages"])
Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$")]


@router.get("/style.css", include_in_schema=False)
def stylesheet() -> Response:
    """The pages' style."""
    return PlainTextResponse(style(), media_type="text/css")


@router.get("/thanks", response_class=HTMLResponse)
def thanks() -> HTMLResponse:
    """Where a payer returns to whose access data comes in an envelope."""
    return HTMLResponse(thanks_page())


@router.get("/secrets/{token}", response_class=HTMLResponse)
def show_page(token: Token, office: InOffice) -> HTMLResponse:
    """Where the secret stands: not ready, ready to be shown, shown already."""
    page = page_of(office, token)
    status = 404 if page.state is PageState.UNKNOWN else 200
    return HTMLResponse(secret_page(page.state.value, page.order, shown_at=page.shown_at, secret=None), status)


@router.post("/secrets/{token}", response_class=HTMLResponse)
def press(token: Token, office: InOffice) -> HTMLResponse:
    """Show the secret to the first who presses; everybody later learns when it was shown."""
    page = page_of(office, token)  # before the showing, so that nothing can fail after it
    secret = reveal(office, token, now=runtime.now())
    if secret is None:
        page = page_of(office, token)
        status = {PageState.UNKNOWN: 404, PageState.PREPARING: 409}.get(page.state, 410)
        return HTMLResponse(secret_page(page.state.value, page.order, shown_at=page.shown_at, secret=None), status)
    return HTMLResponse(secret_page("revealed", page.order, shown_at=page.shown_at, secret=secret))


@router.get("/documents/{token}")
def document(token: str, office: InOffice) -> Response:
    """A document that a letter links to (SSL-7.6), as often as it is asked for; no search engine keeps it."""
    try:
        found = download(office, token)
    except NotFound:
        return HTMLResponse(secret_page(PageState.UNKNOWN.value, "", shown_at=None, secret=None), 404)
    name = quote(found.file_name)
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}", "x-robots-tag": "noindex"}
    return Response(found.content, media_type=found.media_type, headers=headers)
