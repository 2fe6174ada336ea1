"""The public pages of certificates (KS-3.8): no login, no script, for each certificate an address that stays."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from blocks.errors import NotFound
from flows import runtime
from flows.gateway.webhooks import InOffice
from reports.certificate_pages import certificates_json, certificates_page, index_page, missing_page
from tasks.certificate_pages import chain_of, site_index, site_page

router = APIRouter(tags=["pages"])
Slug = Annotated[str, Path(pattern=r"^[a-z0-9_*][a-z0-9_.-]{0,199}$")]
Fingerprint = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}


@router.get("/certificates", response_class=HTMLResponse)
def certificates(office: InOffice) -> HTMLResponse:
    """Our own hosts, each with its page."""
    return HTMLResponse(index_page(site_index(office, now=runtime.now())))


@router.get("/certificates/{slug}.json")
def facts(slug: Slug, office: InOffice) -> Response:
    """The facts of a site's page for machines."""
    try:
        view = site_page(office, slug, now=runtime.now())
    except NotFound:
        return Response('{"error":"not_found"}', 404, media_type="application/json")
    return Response(certificates_json(view), media_type="application/json")


@router.get("/certificates/{slug}", response_class=HTMLResponse)
def site(slug: Slug, office: InOffice) -> HTMLResponse:
    """A site's certificates: those that come, that in service, those of the last 90 days."""
    try:
        return HTMLResponse(certificates_page(site_page(office, slug, now=runtime.now())))
    except NotFound:
        return HTMLResponse(missing_page(), 404)


@router.get("/certificates/{slug}/{fingerprint}.pem")
def chain(slug: Slug, fingerprint: Fingerprint, office: InOffice) -> Response:
    """The chain of one certificate, the leaf first."""
    try:
        text = chain_of(office, slug, fingerprint, now=runtime.now())
    except NotFound:
        return PlainTextResponse("not found\n", 404)
    return Response(text, media_type="application/pem-certificate-chain", headers=FOR_EVER)
