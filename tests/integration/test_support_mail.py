"""Mail to support, from the Maildir to tickets and their letters; the gateway's way in; what is killed in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from blocks.clients.support_mail import parse_mail
from blocks.ledger import InboxEvent, Notice, Refusal, Ticket, TicketState, reading
from blocks.office import Office, open_office
from blocks.settings import Settings
from tasks.order_forms import EventKind
from tasks.support_mail import Taken, _about, take_mail
from tests.conftest import close_office, eventually
from tests.gateway_server import gateway, signed
from tests.tickets import (
    PROVEN,
    USER,
    act,
    deliver,
    happened,
    letters,
    mail,
    maildir,
    owed,
    put_ticket,
    ticket_form,
    ticket_of,
)
from tests.work import MINUTE, NOW, drain, put

LATER = NOW + 30 * MINUTE


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(
    request: pytest.FixtureRequest, settings_for: Callable[..., Settings], tmp_path: Path
) -> Iterator[tuple[Office, Path]]:
    """An office with a support mailbox, once on each database."""
    path = maildir(tmp_path / "support")
    changes: dict[str, Any] = {
        "support_maildir": path,
        "support_addresses": {"Help@oki.example.test": "OT"},
        "mail_authserv_id": "mx.example.test",
    }
    if request.param == "postgresql":
        changes["ledger_url"] = request.getfixturevalue("ledger_url")
    office = open_office(settings_for(**changes))
    yield office, path
    close_office(office)


def numbers(office: Office) -> list[str]:
    with reading(office.sessions) as session:
        return list(session.scalars(select(Ticket.number).order_by(Ticket.id)))


def kinds_to_operator(office: Office) -> list[str]:
    with reading(office.sessions) as session:
        query = select(Notice.kind).where(Notice.recipient == office.settings.operator_email).order_by(Notice.id)
        return list(session.scalars(query))


@pytest.mark.clause("KS-1.3", "KS-3.11")
def test_ks_3_11_an_e_mail_becomes_a_ticket_dated_by_its_arrival(desk: tuple[Office, Path]) -> None:
    office, path = desk
    deliver(path, mail("Нет связи\nВремя: 10:20\nДействия: включили телефон\n"), NOW)
    assert take_mail(office, now=LATER) == Taken(stored=1)
    drain(office, LATER)
    [number] = numbers(office)
    ticket = ticket_of(office, number)
    assert (ticket.agreement, ticket.sender, ticket.subject, ticket.received_at) == ("KS", USER, "Нет связи", NOW)
    assert owed(office, number) == {"KS-3.4 answer support": NOW + 5 * MINUTE}
    assert letters(office, number) == ["ticket_received"]
    assert list((path / "new").iterdir()) == []


def test_the_agreement_is_that_of_the_address_and_the_language_that_of_the_text(desk: tuple[Office, Path]) -> None:
    office, path = desk
    deliver(path, mail("Не працює зв'язок із клієнтом", To="help@oki.example.test"))
    deliver(path, mail("It does not work", Delivered_To="HELP@oki.example.test", subject="Down"))
    deliver(path, mail("Не работает", subject="Сбой"))
    take_mail(office, now=LATER)
    drain(office, LATER)
    found = [ticket_of(office, number) for number in numbers(office)]
    assert [(row.agreement, row.language) for row in found] == [("OT", "uk"), ("OT", "en"), ("KS", "ru")]


def test_killed_between_storing_and_marking_read_a_message_counts_once(
    desk: tuple[Office, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, path = desk
    deliver(path, mail())
    assert office.support_mail is not None
    with monkeypatch.context() as killed:
        killed.setattr(office.support_mail, "read", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            take_mail(office, now=LATER)
    assert len(list((path / "new").iterdir())) == 1
    drain(office, LATER)
    assert take_mail(office, now=LATER) == Taken(known=1)
    drain(office, LATER)
    [number] = numbers(office)
    assert happened(office, number) == ["received"]
    assert letters(office, number).count("ticket_received") == 1
    assert list((path / "new").iterdir()) == []


def test_killed_after_an_answer_was_stored_it_counts_once_even_if_the_ticket_has_ended(
    desk: tuple[Office, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, path = desk
    number = put_ticket(office)
    deliver(path, mail("Вот подробности", subject=f"Re: {number}", **PROVEN), NOW + MINUTE)
    assert office.support_mail is not None
    with monkeypatch.context() as killed:
        killed.setattr(office.support_mail, "read", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            take_mail(office, now=LATER)
    drain(office, LATER)
    act(office, number, "resolved", LATER)
    assert take_mail(office, now=LATER) == Taken(known=1)
    drain(office, LATER)
    assert numbers(office) == [number]
    assert happened(office, number) == ["received", "answered", "resolved"]


def test_the_same_message_delivered_twice_changes_nothing(desk: tuple[Office, Path]) -> None:
    office, path = desk
    message = mail()
    deliver(path, message)
    deliver(path, message)
    assert take_mail(office, now=LATER) == Taken(stored=1, known=1)


@pytest.mark.clause("OT-4")
@pytest.mark.parametrize("way", ["number", "letter"])
def test_ot_4_a_reply_of_its_sender_is_the_answer_and_starts_the_clock_at_its_arrival(
    desk: tuple[Office, Path], way: str
) -> None:
    office, path = desk
    number = put_ticket(office)
    act(office, number, "asked", NOW + MINUTE, text="Какой номер?")
    [question] = [
        letter
        for file in office.settings.outbox.glob("*.eml")
        if "Какой номер?" in (letter := message_from_bytes(file.read_bytes(), policy=default_policy)).get_content()
    ]
    replies = {
        "number": {"subject": f"RE: {question['Subject']}", **PROVEN},
        "letter": {"In_Reply_To": question["Message-ID"]},
    }
    deliver(path, mail("101", sender="User@Example.test", **replies[way]), NOW + 10 * MINUTE)
    assert take_mail(office, now=NOW + 15 * MINUTE) == Taken(stored=1)
    drain(office, NOW + 15 * MINUTE)
    assert happened(office, number) == ["received", "asked", "answered"]
    assert owed(office, number) == {"OT-4 react to the user's answer (round 2)": NOW + 30 * MINUTE}
    assert numbers(office) == [number]


def test_a_reply_of_somebody_else_is_never_an_answer_and_waits_for_a_person(desk: tuple[Office, Path]) -> None:
    office, path = desk
    number = put_ticket(office)
    act(office, number, "asked", NOW + MINUTE)
    deliver(path, mail("Решайте сами", sender="stranger@example.test", subject=f"Re: {number}", **PROVEN))
    assert take_mail(office, now=LATER) == Taken(aside=1)
    drain(office, LATER)
    assert ticket_of(office, number).state is TicketState.WAITING
    assert kinds_to_operator(office)[-1] == "support_mail_aside"
    assert [file.name.partition(":")[2] for file in (path / "cur").iterdir()] == ["2,FS"]
    assert take_mail(office, now=LATER) == Taken()


def test_a_senders_domain_may_be_written_in_either_of_its_forms(desk: tuple[Office, Path]) -> None:
    office, path = desk
    number = put_ticket(office, sender="user@пример.test")
    results = "mx.example.test; dmarc=pass header.from=xn--e1afmkfd.test"
    deliver(path, mail("да", sender="user@xn--e1afmkfd.test", subject=f"Re: {number}", Authentication_Results=results))
    assert take_mail(office, now=LATER) == Taken(stored=1)
    drain(office, LATER)
    assert happened(office, number) == ["received", "answered"]


FORGED: dict[str, dict[str, str]] = {
    "nothing": {},
    "failed": {"Authentication_Results": "mx.example.test; dmarc=fail header.from=example.test"},
    "another server": {"Authentication_Results": "mx.evil.test; dmarc=pass header.from=example.test"},
    "another domain": {"Authentication_Results": "mx.example.test; dmarc=pass header.from=evil.test"},
    "a guessed letter": {"In_Reply_To": "<1-AAAAAAAAAAAAAAAAAAAAAA@example.net>"},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED.keys())
def test_a_forged_sender_touches_no_ticket_and_waits_for_a_person(
    desk: tuple[Office, Path], headers: dict[str, str]
) -> None:
    office, path = desk
    number = put_ticket(office, agreement="KS")
    act(office, number, "asked", NOW + MINUTE)
    deliver(path, mail("всё работает, закрывайте", subject=f"Re: {number}", **headers))
    deliver(path, mail("всё работает, закрывайте", subject="Re: Не идут звонки", **headers))
    assert take_mail(office, now=LATER) == Taken(aside=2)
    drain(office, LATER)
    assert numbers(office) == [number]
    assert happened(office, number) == ["received", "asked"]
    assert ticket_of(office, number).state is TicketState.WAITING
    assert kinds_to_operator(office)[-2:] == ["support_mail_aside"] * 2


def test_a_letter_about_another_ticket_or_to_another_proves_nothing(desk: tuple[Office, Path]) -> None:
    office, path = desk
    number = put_ticket(office)
    other = put_ticket(office, ticket="H-2", subject="Другое")
    for about, recipient in ((other, USER), (number, office.settings.operator_email)):
        with reading(office.sessions) as session:
            query = select(Notice.id).where(Notice.about == about, Notice.recipient == recipient)
            letter_id = session.scalars(query).first()
        token = office.sealer.page_token(f"envelope:{letter_id}")[:22]
        deliver(path, mail("да", subject=f"Re: {number}", In_Reply_To=f"<{letter_id}-{token}@example.net>"))
    assert take_mail(office, now=LATER) == Taken(aside=2)


def test_a_mail_that_is_not_proven_is_a_ticket_of_its_own_beside_an_open_one(desk: tuple[Office, Path]) -> None:
    office, path = desk
    deliver(path, mail("раз"), NOW)
    deliver(path, mail("два"), NOW + MINUTE)
    deliver(path, mail("три", **PROVEN), NOW + 2 * MINUTE)
    assert take_mail(office, now=LATER) == Taken(stored=3)
    drain(office, LATER)
    assert [ticket_of(office, number).state.value for number in numbers(office)] == ["open", "open", "duplicate"]
    assert happened(office, numbers(office)[0]) == ["received", "joined"]


def test_without_the_name_of_our_mail_server_only_our_letters_are_proof(sqlite_office: Office) -> None:
    number = put_ticket(sqlite_office)
    found = parse_mail(mail("да", subject=f"Re: {number}", **PROVEN).as_bytes())
    assert found is not None
    with reading(sqlite_office.sessions) as session:
        assert not _about(sqlite_office, session, found).proven


@pytest.mark.clause("OT-8")
def test_a_reply_to_a_joined_ticket_whose_first_is_resolved_is_a_new_one(desk: tuple[Office, Path]) -> None:
    office, path = desk
    first = put_ticket(office)
    joined = put_ticket(office, ticket="H-2")
    deliver(path, mail("и у меня", subject=f"Re: {joined}", **PROVEN), NOW + MINUTE)
    take_mail(office, now=NOW + MINUTE)
    drain(office, NOW + MINUTE)
    act(office, first, "resolved", NOW + 2 * MINUTE)
    deliver(path, mail("снова", subject=f"Re: {joined}", **PROVEN), NOW + 3 * MINUTE)
    take_mail(office, now=LATER)
    drain(office, LATER)
    assert happened(office, first) == ["received", "joined", "joined", "resolved"]
    assert happened(office, numbers(office)[2]) == ["received"]
    assert ticket_of(office, numbers(office)[2]).agreement == "OT"


def test_a_forged_reference_to_a_letter_of_ours_is_a_new_ticket(desk: tuple[Office, Path]) -> None:
    office, path = desk
    first = put_ticket(office, agreement="KS")
    for forged in ("<1-AAAAAAAAAAAAAAAAAAAAAA@example.net>", "<99999999999999999999-x@h>", "<²-x@h>", "<-@>"):
        deliver(path, mail("x", subject=f"Тема {forged[1:3]}", In_Reply_To=forged))
    assert take_mail(office, now=LATER) == Taken(stored=4)
    drain(office, LATER)
    assert happened(office, first) == ["received"]
    assert len(numbers(office)) == 5


def test_a_reply_to_a_resolved_ticket_is_a_new_one_under_the_same_agreement(desk: tuple[Office, Path]) -> None:
    office, path = desk
    number = put_ticket(office)
    act(office, number, "resolved", NOW + MINUTE)
    deliver(path, mail("Снова стоит", subject=f"Re: Обращение {number} решено"), NOW + 2 * MINUTE)
    deliver(path, mail("И ещё раз", subject=f"Re: Обращение {number} решено", **PROVEN), NOW + 3 * MINUTE)
    take_mail(office, now=LATER)
    drain(office, LATER)
    second = numbers(office)[1]
    assert (ticket_of(office, second).agreement, happened(office, second)) == ("OT", ["received", "joined"])
    assert happened(office, number) == ["received", "resolved"]


def test_robots_are_not_answered_so_that_two_of_them_never_loop(desk: tuple[Office, Path]) -> None:
    office, path = desk
    deliver(path, mail("Я в отпуске", Auto_Submitted="auto-replied"))
    deliver(path, mail("Рассылка", Precedence="bulk"))
    deliver(path, mail("Отчёт", Return_Path="<>"))
    deliver(path, mail("Наше", sender=office.settings.mail_from))
    number = put_ticket(office)
    for file in office.settings.outbox.glob("*.eml"):
        deliver(path, file.read_bytes())
    taken = take_mail(office, now=LATER)
    assert (taken.stored, taken.aside) == (0, 0)
    assert taken.ignored >= 6
    drain(office, LATER)
    assert numbers(office) == [number]


def test_an_unreadable_message_is_set_aside_and_told_and_the_next_one_is_read(desk: tuple[Office, Path]) -> None:
    office, path = desk
    deliver(path, b"\xff\x00 no message")
    deliver(path, mail("x", sender="not an address@@example..test"))
    deliver(path, mail("sound"))
    assert take_mail(office, now=LATER) == Taken(stored=1, aside=2)
    drain(office, LATER)
    assert kinds_to_operator(office).count("support_mail_aside") == 2
    assert len(numbers(office)) == 1


def test_every_database_takes_what_strangers_write(desk: tuple[Office, Path]) -> None:
    office, path = desk
    head = b"From: user@example.test\r\nMessage-ID: <z@z>\r\nSubject: \xff=?utf-8?q?=00=0D=0AX:y?=\r\n"
    deliver(path, head + b"\r\na\x00\xed\xa0\x80b\x07")
    assert take_mail(office, now=LATER) == Taken(stored=1)
    drain(office, LATER)
    [number] = numbers(office)
    assert letters(office, number)[0] == "ticket_received"


def test_without_a_mailbox_there_is_nothing_to_take(sqlite_office: Office) -> None:
    assert take_mail(sqlite_office, now=NOW) == Taken()


def body(**form: Any) -> str:
    return json.dumps(ticket_form(**form))


def test_a_signed_ticket_is_stored_once_and_a_forged_one_only_counted(office: Office) -> None:
    with gateway(office) as http:
        good = body()
        for duplicate in (False, True):
            answer = http.post("/webhooks/tickets", content=good, headers=signed(good))
            assert (answer.status_code, answer.json()) == (202, {"duplicate": duplicate})
        forged = http.post("/webhooks/tickets", content=good, headers=signed(good + " "))
        unread = body(agreement="KS", priority=1)
        assert forged.status_code == 401
        assert http.post("/webhooks/tickets", content=unread, headers=signed(unread, "evt-2")).status_code == 422
        assert http.post("/webhooks/tickets/acts", content=good, headers=signed(good + " ")).status_code == 401
        eventually(lambda: refusals(office) == {"signature": 2, "content": 1}, within_s=5)
        schema = http.get("/openapi.json").json()["paths"]["/webhooks/tickets"]["post"]["requestBody"]
        assert "sender" in schema["content"]["application/json"]["schema"]["required"]
    drain(office, NOW + timedelta(days=3650))
    assert len(numbers(office)) == 1


def refusals(office: Office) -> dict[str, int]:
    with reading(office.sessions) as session:
        found: dict[str, int] = {}
        for row in session.scalars(select(Refusal)):
            found[row.reason] = found.get(row.reason, 0) + row.count
        return found


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 202),
        ({"ticket": "H-1"}, 202),
        ({"act": "escalated", "text": "Стоят продажи"}, 202),
        ({"act": "resolved"}, 422),
        ({"ticket": "T-2026-999999"}, 404),
        ({"act": "join", "other": "T-2026-000001"}, 422),
    ],
)
def test_a_source_answers_and_escalates_its_own_tickets(
    sqlite_office: Office, changes: dict[str, str], status: int
) -> None:
    number = put_ticket(sqlite_office, source="shop")
    told = json.dumps({"ticket": number, "act": "answered", "who": USER, "text": "вот", **changes})
    with gateway(sqlite_office) as http:
        assert http.post("/webhooks/tickets/acts", content=told, headers=signed(told)).status_code == status
    assert stored_acts(sqlite_office) == (status == 202)


def test_an_act_is_taken_while_its_ticket_of_the_same_source_waits_to_be_worked_on(sqlite_office: Office) -> None:
    put(sqlite_office, EventKind.TICKET, ticket_form(ticket="H-77"), "t-1", "shop")
    put(sqlite_office, EventKind.TICKET, ticket_form(ticket="H-78", subject="Другое"), "t-1", "helpdesk")
    with gateway(sqlite_office) as http:
        for name, status in (("H-77", 202), ("H-78", 404), ("H-7", 404)):
            told = json.dumps({"ticket": name, "act": "answered", "who": USER, "text": "вот"})
            answer = http.post("/webhooks/tickets/acts", content=told, headers=signed(told, f"e-{name}"))
            assert (name, answer.status_code) == (name, status)
    drain(sqlite_office, NOW + timedelta(days=3650))
    assert happened(sqlite_office, numbers(sqlite_office)[0])[1:] == ["answered"]


def test_a_source_does_not_learn_of_anothers_ticket(sqlite_office: Office) -> None:
    number = put_ticket(sqlite_office, source="helpdesk")
    answers: list[httpx.Response] = []
    with gateway(sqlite_office) as http:
        for name in (number, "H-1", "T-2026-999999"):
            told = json.dumps({"ticket": name, "act": "answered", "who": USER, "text": "вот"})
            answers.append(http.post("/webhooks/tickets/acts", content=told, headers=signed(told, f"e-{name}")))
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert stored_acts(sqlite_office) == 0


def stored_acts(office: Office) -> int:
    with reading(office.sessions) as session:
        return len(session.scalars(select(InboxEvent).where(InboxEvent.kind == "ticket.act")).all())
