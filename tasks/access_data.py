"""Access data of a communications complex: generated uniformly, kept by nobody in clear (KS-1.4, KS-2.2).

Passwords exist in memory from their generation to the end of one step. What leaves it: an AES-256 file whose password
is sealed for the one-time page, and per-protocol hashes sealed until every account is proven to work.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from datetime import datetime

import pyzipper
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from blocks.clients.password_hashes import AccountHashes, hash_account
from blocks.errors import Refused
from blocks.ledger import (
    Document,
    Order,
    OrderState,
    SealedAccounts,
    SealedSecret,
    Step,
    reading,
    transaction,
)
from blocks.office import Office
from blocks.sealing import random_password
from blocks.terms.ks import AccountsFacts, contacts_of
from blocks.terms.views import AccessSheet, Credential
from tasks.accept import page_purpose
from tasks.complexes import service_of
from tasks.documents import file_document
from tasks.order_state import find_order, is_done, mark_done

GENERATED = "generate_access_data"
CERTIFIED = "obtain_certificate"
PREPARED, PROVISIONED, VERIFIED = "prepare_domain", "provision_accounts", "verify_accounts"
SERVING = (CERTIFIED, PREPARED, PROVISIONED, VERIFIED)
_HASHES = TypeAdapter(list[AccountHashes])


Render = Callable[[AccessSheet], Mapping[str, bytes]]
"""From the sheet to the files of the credential file, by name."""


def encrypted_file(files: Mapping[str, bytes], password: str) -> bytes:
    """A ZIP under AES-256 (WinZip AE-2), built in memory; opens with 7-Zip and the like.

    Its key derivation is weak (1000 rounds), so the password must be random; file names stay visible.
    """
    target = io.BytesIO()
    with pyzipper.AESZipFile(target, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(password.encode())
        archive.setencryption(pyzipper.WZ_AES, nbits=256)
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def generate_access_data(office: Office, number: str, render: Render, *, now: datetime) -> None:
    """Generate all passwords, the encrypted file and the hashes, and record them in one transaction, once."""
    with transaction(office.sessions) as session:
        order = find_order(session, number)
        if is_done(session, order, GENERATED):
            return
        service = service_of(session, order)
        domain, envelope = service.name, order.delivery == "envelope"
        contacts = contacts_of(AccountsFacts(contacts=order.item["contacts"], domain=domain))
        customer_name = service.product["customer"]
        purpose = page_purpose(order)
    hashes, credentials = [], []
    for contact in contacts:
        password = random_password()
        hashes.append(hash_account(contact.name, domain, contact.number, password))
        credentials.append(Credential(contact.address, contact.number, password))
    file_password = random_password()
    files = render(AccessSheet(number, domain, customer_name, now, tuple(credentials)))
    content = encrypted_file(files, file_password)
    sealed_password = office.sealer.seal(json.dumps({"password": file_password}).encode(), purpose)
    sealed_hashes = office.sealer.seal(_HASHES.dump_json(hashes), f"accounts:{number}")
    sha256 = office.archive.put(content)
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if order.state is not OrderState.IN_PROGRESS or is_done(session, order, GENERATED):
            return
        file_document(
            session,
            order,
            key=f"access-data:{number}",
            title="Письмо с данными доступа (для печати)" if envelope else "Данные доступа (зашифрованный файл)",
            file_name=f"access-{number}.zip",
            media_type="application/zip",
            sha256=sha256,
            size=len(content),
            now=now,
        )
        page = session.scalars(select(SealedSecret).where(SealedSecret.purpose == purpose)).one()
        page.sealed = sealed_password
        session.add(SealedAccounts(order_id=order.id, sealed=sealed_hashes))
        mark_done(session, order, GENERATED, result=f"{len(contacts)} contacts, file {sha256}", now=now)


def sealed_accounts(office: Office, number: str) -> list[AccountHashes]:
    """The hashes of an order's accounts while they are kept: one for each contact of its package.

    Raises Refused("no_keys") where they are gone, or were made before accounts could be proven.
    """
    with reading(office.sessions) as session:
        order = find_order(session, number)
        row = session.get(SealedAccounts, order.id)
        domain, contacts = service_of(session, order).name, order.item["contacts"]
    if row is None:
        raise Refused("no_keys", "the keys of the accounts are gone: resume to make new access data")
    try:
        hashes = _HASHES.validate_json(office.sealer.open(row.sealed, f"accounts:{number}"))
    except ValidationError:
        raise Refused(
            "no_keys", "the accounts were made before they could be proven: resume to make new ones"
        ) from None
    names = [contact.name for contact in contacts_of(AccountsFacts(contacts=contacts, domain=domain))]
    if [account.name for account in hashes] != names:
        raise Refused("no_keys", f"the keys are not those of {contacts} contacts: resume to make new ones")
    return hashes


def forget_access_data(session: Session, order: Order) -> None:
    """Drop access data that nobody was given: if the order ever goes on, it gets new."""
    session.execute(delete(SealedAccounts).where(SealedAccounts.order_id == order.id))
    session.execute(delete(Step).where(Step.order_id == order.id, Step.key.in_([GENERATED, *SERVING])))
    session.execute(update(SealedSecret).where(SealedSecret.order_id == order.id).values(sealed=None))
    session.execute(delete(Document).where(Document.key == f"access-data:{order.number}"))
