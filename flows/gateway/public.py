"""The public pages: the state of services, coming works and the journal; the works as a calendar to subscribe to."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from flows import runtime
from flows.gateway.webhooks import InOffice
from reports.status import status_page, windows_calendar
from tasks.status import status_view

router = APIRouter(tags=["pages"])


@router.get("/status", response_class=HTMLResponse)
def status(office: InOffice) -> HTMLResponse:
    """Services now, coming works, the journal of unavailability; no customer's name stands there."""
    return HTMLResponse(status_page(status_view(office, now=runtime.now())))


@router.get("/status.ics")
def calendar(office: InOffice) -> Response:
    """The windows of works as iCalendar; a changed or cancelled one reaches whoever has subscribed."""
    return Response(windows_calendar(status_view(office, now=runtime.now())), media_type="text/calendar; charset=utf-8")
