"""`dogovor order`, `receipt`, `decide`, `show`: the operator's desk from a terminal, through the same inbox."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
Wait = Annotated[float, typer.Option(help="Seconds to wait for the dispatcher; 0: do not wait")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only check, and say what would be stored")]


@app.command()
def order(
    file: Annotated[Path, typer.Argument(help="The order as JSON; - for standard input")],
    wait: Wait = 30,
    dry_run: Dry = False,
) -> None:
    """Enter an order by hand: the same JSON as the webhook's."""
    from flows.desk_inbox import put_and_wait
    from flows.runtime import now, office
    from tasks.accept import price_of
    from tasks.order_forms import EventKind, OrderForm

    form = OrderForm.model_validate_json(sys.stdin.read() if str(file) == "-" else file.read_text("utf-8"))
    if dry_run:
        decision = price_of(office(), form.item, now())
        typer.echo(f"{form.order}: {decision.what}: {decision.amount or 'no price, it would be held'}; nothing stored")
        return
    typer.echo(put_and_wait(office(), f"order:{form.order}", EventKind.ORDER, form, wait_seconds=wait))


@app.command()
def receipt(  # noqa: PLR0917 - typer reads options from parameters
    number: Annotated[str, typer.Argument(help="The order's number on the invoice, or that of an account")],
    amount: Annotated[str, typer.Argument(help="Decimal amount, for example 29989.00")],
    reference: Annotated[str, typer.Argument(help="The bank's number of the transfer")],
    currency: Annotated[str, typer.Option()] = "RUB",
    account: Annotated[bool, typer.Option("--account", help="NUMBER is a personal account's: LS-000001")] = False,
    payer: Annotated[str | None, typer.Option(help="With --account: who paid; not told by ЕРИП")] = None,
    wait: Wait = 30,
) -> None:
    """Record money that arrived at the bank; the bank's number makes it count once."""
    from flows.desk_inbox import put_and_wait
    from flows.runtime import office
    from tasks.order_forms import BankReceipt, EventKind

    money = {"amount": amount, "currency": currency}
    where = {"account" if account else "order": number, "payer": payer}
    form = BankReceipt.model_validate({**where, "amount": money, "reference": reference})
    typer.echo(put_and_wait(office(), form.event_id, EventKind.RECEIPT, form, wait_seconds=wait))


@app.command()
def decide(  # noqa: PLR0917 - typer reads options from parameters
    order_number: Annotated[str, typer.Argument(help="KS-2026-000001")],
    action: Annotated[
        str, typer.Argument(help="resume, cancel, suspend, send again, settle surplus, take payment ...")
    ],
    operator: Annotated[str, typer.Option(help="Who decides")],
    note: Annotated[str, typer.Option(help="Why")],
    email: Annotated[str | None, typer.Option(help="With `send again`: the corrected address")] = None,
    payment: Annotated[int | None, typer.Option(help="With `take payment`: its number")] = None,
    obligation: Annotated[str | None, typer.Option(help="With `fulfil obligation`: how it begins")] = None,
    refund: Annotated[bool | None, typer.Option(help="With `decline`: whether a paid price returns")] = None,
    csr: Annotated[Path | None, typer.Option(help="With `resume`: a certificate's corrected request (PEM)")] = None,
    wait: Wait = 30,
) -> None:
    """Decide on an order; refused when its state does not allow it."""
    import uuid

    from flows.desk_inbox import put_and_wait
    from flows.runtime import office
    from tasks.order_forms import EventKind, OrderDecision

    asked = {"email": email, "payment": payment, "obligation": obligation, "refund": refund}
    asked["csr"] = csr.read_text("ascii") if csr else None
    form = OrderDecision.model_validate(
        {"order": order_number, "action": action, "operator": operator, "note": note, **asked}
    )
    typer.echo(put_and_wait(office(), f"decision:{uuid.uuid4()}", EventKind.DECISION, form, wait_seconds=wait))


@app.command()
def show(order_number: Annotated[str, typer.Argument(help="KS-2026-000001")]) -> None:
    """An order's whole story."""
    from flows.runtime import office
    from reports.story import order_story
    from tasks.stories import story_of

    typer.echo(order_story(story_of(office().sessions, order_number)))
