"""Access data of a communications complex: generated uniformly, kept by nobody in clear (KS-1.4, KS-2.2).

Passwords exist in memory from their generation to the end of one step. What leaves it: an AES-256 file whose password
is sealed for the one-time page, and per-protocol hashes sealed until they are in the directory.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from datetime import datetime

import pyzipper
from pydantic import TypeAdapter
from sqlalchemy import select

from blocks.clients.password_hashes import AccountHashes, hash_account
from blocks.ledger import OrderState, SealedAccounts, SealedSecret, Service, transaction
from blocks.office import Office
from blocks.sealing import random_password
from blocks.terms.ks import AccountsFacts, contacts_of
from blocks.terms.views import AccessSheet, Credential
from tasks.accept import page_purpose
from tasks.complexes import complex_of
from tasks.documents import file_document
from tasks.order_state import find_order, is_done, mark_done

GENERATED, PROVISIONED = "generate_access_data", "provision_accounts"
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
        service = session.scalars(select(Service).where(Service.order_id == order.id)).one()
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


def provision_accounts(office: Office, number: str, *, now: datetime) -> None:
    """Write the accounts into the directory, then let go of the sealed hashes. Repeating it changes nothing."""
    with transaction(office.sessions) as session:
        order = find_order(session, number)
        if is_done(session, order, PROVISIONED):
            return
        sealed = session.get_one(SealedAccounts, order.id).sealed
        domain = session.scalars(select(Service.name).where(Service.order_id == order.id)).one()
    hashes = _HASHES.validate_json(office.sealer.open(sealed, f"accounts:{number}"))
    complex_of(office, number).provision(domain, hashes)
    with transaction(office.sessions) as session:
        order = find_order(session, number, lock=True)
        if is_done(session, order, PROVISIONED):
            return
        session.delete(session.get_one(SealedAccounts, order.id))
        mark_done(session, order, PROVISIONED, result=f"{len(hashes)} accounts in {domain}", now=now)
