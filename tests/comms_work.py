"""Orders on a real complex in tests, and contacts with what stands in the credential file."""

from __future__ import annotations

import csv
import io
import subprocess
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path

from sqlalchemy import select

from blocks.ledger import AccountProof, InboxEvent, Order, reading
from blocks.office import Office
from tasks.reveal import reveal
from tests.conftest import PaymentSandbox, close_office
from tests.servers.comms_whole import Customer, Whole
from tests.work import MINUTE, NOW, drain, ks, ordered, page_token, payment_of, put_payment, service_of


def close(office: Office) -> None:
    office.complexes.close()
    close_office(office)


def paid(office: Office, sandbox: PaymentSandbox, contacts: int) -> str:
    """An order that is paid and not worked on yet."""
    number = ordered(office, "A-1", ks(contacts))
    payment = payment_of(office, number)
    sandbox.pay(payment)
    put_payment(office, payment, at=NOW + MINUTE)
    return number


def active(office: Office, sandbox: PaymentSandbox, contacts: int) -> str:
    number = paid(office, sandbox, contacts)
    drain(office, NOW + MINUTE)
    assert service_of(office, number).state.value == "active", outcomes(office)
    return number


def outcomes(office: Office) -> list[str | None]:
    """What became of each event: what a server said is there."""
    with reading(office.sessions) as session:
        return list(session.scalars(select(InboxEvent.outcome).order_by(InboxEvent.id)))


def proofs(office: Office, number: str) -> list[AccountProof]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(AccountProof).join(Order).where(Order.number == number)))


def customers(whole: Whole, office: Office, number: str, folder: Path) -> list[Customer]:
    """The contacts, each with what stands in the credential file that 7z opens."""
    shown = reveal(office, page_token(office, number), now=NOW + 2 * MINUTE)
    assert shown is not None
    [content] = [
        attachment.get_payload(decode=True)
        for path in office.settings.outbox.glob("*.eml")
        for attachment in message_from_bytes(path.read_bytes(), policy=default_policy).iter_attachments()
    ]
    assert isinstance(content, bytes)
    (folder / "access.zip").write_bytes(content)
    command = ["7z", "e", "-so", "-bd", f"-p{shown['password']}", "access.zip", f"access-{number}.csv"]
    opened = subprocess.run(command, cwd=folder, check=True, capture_output=True)
    rows = list(csv.reader(io.StringIO(opened.stdout.decode("utf-8-sig")), delimiter=";"))[1:]
    domain = service_of(office, number).name
    return [whole.customer(row[0].partition("@")[0], row[1], domain, row[2]) for row in rows]
