"""The public pages of certificates in Russian, and the same facts for machines."""

from __future__ import annotations

from blocks.terms.certificate_views import SiteIndex, SitePage
from reports.pages import page_templates
from reports.words import CERTIFICATE_STATES


def index_page(view: SiteIndex) -> str:
    """The index of our own hosts as HTML."""
    return page_templates().get_template("certificates.html").render(view=view)


def certificates_page(view: SitePage) -> str:
    """A site's page as HTML, escaped: coming certificates first, then the present one, then former ones."""
    template = page_templates().get_template("site_certificates.html")
    return template.render(view=view, states=CERTIFICATE_STATES)


def missing_page() -> str:
    """What stands where there is no such page."""
    return page_templates().get_template("no_certificates.html").render()


def certificates_json(view: SitePage) -> str:
    """The facts of a site's page as JSON: moments in UTC, hashes in hex."""
    return view.model_dump_json(indent=1) + "\n"
