"""`dogovor certificates`: what stands and comes, one ordered by hand, a year planned."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blocks.errors import Refused

if TYPE_CHECKING:
    from blocks.terms.certificate_year import YearPlan

app = typer.Typer(help="Certificates: what stands, what comes, what is planned.", no_args_is_help=True)
_YEAR, _PATIENCE = timedelta(days=365), timedelta(minutes=5)


@app.command()
def plan(
    domain: Annotated[str, typer.Argument(help="The domain that the plan is for")],
    begins: Annotated[str, typer.Option("--from", help="The day of the first certificate; empty: today")] = "",
    days: Annotated[int | None, typer.Option(min=1, max=825, help="How long each one is valid for")] = None,
    public: Annotated[
        bool, typer.Option("--public", help="As long as public CAs may issue; so without --days")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="Draw the timeline too: a .pdf, .png or .svg file")] = None,
) -> None:
    """Plan a year of a domain's certificates under KS-3.8: when each is ordered, announced and put into service."""
    from blocks.terms.certificate_year import public_lifetime
    from reports.certificate_plan import plan_table

    if days and public:
        raise Refused("lifetime", "--days and --public say how long in two ways: give one")
    drawn = _drawing(picture) if picture is not None else None
    view = _view(
        domain.strip().lower(), _first_day(begins), (lambda _: timedelta(days=days)) if days else public_lifetime
    )
    typer.echo(plan_table(view))
    for finding in dict.fromkeys(made.finding for made in view.replacements if made.finding):
        typer.echo(finding, err=True)
    if picture is not None and drawn is not None:
        picture.write_bytes(drawn(view))
        typer.echo(f"drawn: {picture}")


@app.command("list")
def list_sites() -> None:
    """Every site with what it shows, until when, and what comes."""
    from flows.runtime import now, office
    from reports.certificate_story import story_row
    from tasks.certificate_stories import all_sites, certificate_story

    opened = office()
    for slug in all_sites(opened.sessions):
        row = story_row(certificate_story(opened.sessions, slug, now=now()))
        typer.echo("\t".join(row.values()))


@app.command()
def show(slug: Annotated[str, typer.Argument(help="The site, as in its public address")]) -> None:
    """The plan, the certificates and the journal of a site."""
    from flows.runtime import now, office
    from reports.certificate_story import story_markdown
    from tasks.certificate_stories import certificate_story

    typer.echo(story_markdown(certificate_story(office().sessions, slug, now=now())))


@app.command("issue")
def issue_one(
    operator: Annotated[str, typer.Option(help="Who does this")],
    name: Annotated[list[str] | None, typer.Option(help="A name, the leading one first; repeat it for more")] = None,
    authority: Annotated[str | None, typer.Option(help="A CA of the file of certificates")] = None,
    slug: Annotated[str | None, typer.Option(help="The site; empty: the first name")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be ordered")] = False,
) -> None:
    """Order a certificate for one or many names and follow its CA for a while."""
    from uuid import uuid4

    from flows.runtime import now, office
    from tasks.ca_following import follow
    from tasks.certificate_acts import intended, issue
    from tasks.certificate_forms import IssueForm

    values = {"names": name or (), "authority": authority, "slug": slug, "operator": operator}
    form, opened = IssueForm.model_validate(values), office()
    site_slug, names, ca = intended(opened, form)
    if dry_run:
        typer.echo(f"would be ordered: {site_slug} at {ca} for {', '.join(names)}")
        return
    site = issue(opened, form, now=now())
    state = follow(opened, site, worker=f"cli {uuid4().hex}", now=now(), patience=_PATIENCE)
    typer.echo(f"{site_slug}: the order at {ca} is {state}")


def _first_day(text: str) -> datetime:
    from datetime import time

    from blocks.terms.deadlines import at_wall, local_date
    from blocks.terms.zones import MOSCOW
    from flows.runtime import now

    try:
        day = date.fromisoformat(text) if text else local_date(now(), MOSCOW)
    except ValueError:
        raise Refused("from", f"{text} is no day: write it as 2026-11-23") from None
    return at_wall(day, time(), MOSCOW)


def _view(domain: str, begins: datetime, lifetime_of: Callable[[datetime], timedelta]) -> YearPlan:
    from blocks.terms.certificate_facts import ks_terms
    from blocks.terms.certificate_year import YearPlan, year_plan
    from blocks.terms.intervals import Interval

    first = Interval(start=begins, end=begins + lifetime_of(begins))
    return YearPlan(
        domain=domain,
        begins_at=begins,
        ends_at=begins + _YEAR,
        first=first,
        replacements=year_plan(first, lifetime_of, begins + _YEAR),
        least_days=ks_terms(timedelta()).least.days,
    )


def _drawing(file: Path) -> Callable[[YearPlan], bytes]:
    """What draws a file of that name. Raises Refused for another kind."""
    from reports.certificate_plan import picture, picture_pdf

    if file.suffix == ".pdf":
        return picture_pdf
    if file.suffix == ".png":
        return lambda view: picture(view, "png")
    if file.suffix == ".svg":
        return lambda view: picture(view, "svg")
    raise Refused("picture", f"{file}: a picture is a .pdf, .png or .svg file")
