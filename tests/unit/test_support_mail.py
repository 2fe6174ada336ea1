"""Mail to support, sound and hostile: it becomes text, or it is unreadable, and it never takes long."""

from __future__ import annotations

import random
import time
from email.message import EmailMessage
from pathlib import Path

import pytest

from blocks.clients.support_mail import MAX_RAW, MAX_TEXT, SupportMaildir, authenticated_domain, html_text, parse_mail
from tests.tickets import deliver, mail, maildir
from tests.work import MINUTE, NOW

HEAD = b"From: a@example.test\r\nMessage-ID: <x@y>\r\n"
SECONDS = 15
"""The worst takes half a second of an idle processor; what went wrong once took minutes."""


def test_a_plain_message_is_read_as_it_was_written() -> None:
    message = mail("Строка 1\n\nСтрока 2\n", subject="Re: Обращение T-2026-000017: вопрос", In_Reply_To="<5-abc@h>")
    found = parse_mail(message.as_bytes())
    assert found is not None
    assert (found.sender, found.text) == ("user@example.test", "Строка 1\n\nСтрока 2")
    assert (found.numbers, found.answers) == (("T-2026-000017",), ("5-abc",))
    assert found.recipients == ("support@example.test",)
    assert not found.automatic
    assert found.message_id == str(message["Message-ID"]).strip("<>")


def test_html_without_plain_text_becomes_text() -> None:
    message = EmailMessage()
    message["From"] = "Анна <ANNA@Example.test>"
    message.set_content(
        "<html><head><title>нет</title><style>p{}</style></head><body><p>Не <b>работает</b> &lt;звонок&gt;<br>с утра"
        "</p><!-- <p>нет</p> --><script>if (a<b) alert('нет')</script><div>Спасибо</div>",
        subtype="html",
    )
    found = parse_mail(message.as_bytes())
    assert found is not None
    assert found.sender == "anna@example.test"
    assert found.text == "Не работает <звонок>\nс утра\n\nСпасибо"
    assert found.message_id.startswith("sha256:")


def test_plain_text_is_preferred_and_attachments_are_named_alone() -> None:
    message = mail("Смотрите файл")
    message.add_alternative("<p>html</p>", subtype="html")
    message.add_attachment(b"\x00" * 1000, maintype="image", subtype="png", filename="снимок\n.png")
    message.add_attachment("log", filename="a.log")
    found = parse_mail(message.as_bytes())
    assert found is not None
    assert (found.text, found.attachments) == ("Смотрите файл", ("снимок .png", "a.log"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated; owner-email=a"},
        {"Precedence": "Bulk"},
        {"Precedence": "junk"},
        {"Return_Path": "<>"},
        {"X_Autoreply": "yes"},
        {"List_Id": "<l.example.test>"},
        {"sender": "MAILER-DAEMON@example.test"},
    ],
)
def test_a_robots_mail_is_known_as_such(headers: dict[str, str]) -> None:
    found = parse_mail(mail("x", **headers).as_bytes())
    assert found is not None
    assert found.automatic


@pytest.mark.parametrize("headers", [{"Auto_Submitted": "no"}, {"Return_Path": "<user@example.test>"}])
def test_a_persons_mail_is_no_robots(headers: dict[str, str]) -> None:
    found = parse_mail(mail("x", **headers).as_bytes())
    assert found is not None
    assert not found.automatic


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "no sender": b"Subject: x\r\n\r\ny",
    "sender is a bracket": b"From: <\r\n\r\ny",
    "sender of quotes": b"From: " + b'"' * 100_000 + b" a@b.c\r\n\r\nx",
    "sender of parentheses": b"From: " + b"(" * 100_000 + b" a@b.c\r\n\r\nx",
    "endless recipients": HEAD + b"To: " + b"a," * 200_000 + b"\r\n\r\nx",
    "header injection": HEAD + b"Subject: =?utf-8?q?a=0D=0ABcc:_b@c.d?=\r\n\r\nx",
    "encoded words": HEAD + b"Subject: " + b"=?utf-8?q?=41?= " * 20_000 + b"\r\n\r\nx",
    "unknown encoded word": HEAD + b"Subject: =?zip?b?////?= =?utf-8?b?=?=\r\n\r\nx",
    "raw bytes in headers": HEAD + b"Subject: \xff\xfe\x00\xd0\r\n\r\nx",
    "nul and halves": HEAD + b"\r\na\x00b\xed\xa0\x80\x1b[2Jc",
    "charset unknown": HEAD + b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xd1\x82",
    "charset is a codec": HEAD + b"Content-Type: text/plain; charset=zip\r\n\r\nx",
    "charset punycode": HEAD + b"Content-Type: text/plain; charset=punycode\r\n\r\na-" + b"b9c" * 80_000,
    "charset with nul": HEAD + b'Content-Type: text/plain; charset="a\x00b"\r\n\r\nx',
    "parameters": HEAD + b"Content-Type: text/plain" + b"; a*0=b" * 50_000 + b"\r\n\r\nx",
    "broken base64": HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n=====!!!A",
    "uuencode": HEAD + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\n\xff\xff",
    "no boundary": HEAD + b"Content-Type: multipart/mixed\r\n\r\n--\r\n",
    "nested": HEAD
    + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5000)),
    "nested messages": HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 5000,
    "many parts": HEAD + b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\n" * 100_000,
    "many lines": HEAD + b"\r\n" + b"a\n" * 1_000_000,
    "many headers": HEAD + b"To: a@b.c\r\n" * 100_000 + b"\r\nx",
    "many headers of quotes": HEAD + (b"To: " + b'"' * 1900 + b"\r\n") * 1000 + b"\r\nx",
    "folded for ever": HEAD + b"X: " + b"a\r\n " * 100_000 + b"\r\n\r\nx",
    "too large": HEAD + b"\r\n" + b"a" * MAX_RAW,
    "number for ever": HEAD + b"Subject: T-2026-" + b"0" * 100_000 + b"\r\n\r\nx",
    **{
        f"html {tag.decode()}": HEAD + b"Content-Type: text/html\r\n\r\n" + tag * (MAX_TEXT // len(tag))
        for tag in (b"<", b"<!", b"<!--", b"<a ", b"<a b='", b"<script>", b"&#", b"&#x41;", b"\n ", b"   ")
    },
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_message_is_text_or_unreadable_and_soon_over(raw: bytes) -> None:
    began = time.process_time()
    found = parse_mail(raw)
    assert time.process_time() - began < SECONDS
    if found is None:
        return
    assert "\x00" not in found.text + found.subject
    assert found.subject.isprintable()
    found.text.encode()
    assert len(found.text.encode()) <= MAX_TEXT
    assert len(found.message_id) <= 190
    assert "@" in found.sender


JUNK = {
    "bare": b";a",
    "sound": b";a=b",
    "continued": b";a*0=b",
    "open quotes": b';a="b',
    "comments": b";(c)a(c)=(c)b",
    "encoded": b";a*=utf-8''%41",
    "brackets": b"(",
}


@pytest.mark.parametrize("times", [1, 20, 900])
@pytest.mark.parametrize("parts", [1, 60, 198, 5000])
@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK.keys())
def test_parts_times_parameters_take_no_minutes(junk: bytes, parts: int, times: int) -> None:
    label = b"--x\r\nContent-Type: text/p%d%s\r\nContent-Disposition: attachment; a=%d%s\r\n\r\nhello\r\n"
    bodies = b"".join(label % (number, junk * times, number, junk * times) for number in range(parts))
    raw = HEAD + b"Content-Type: multipart/mixed; boundary=x" + junk * times + b"\r\n\r\n" + bodies
    began = time.process_time()
    parse_mail(raw[:MAX_RAW])
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize(
    "within", [b"multipart/mixed; boundary (c) =b%d", b"message/rfc822; a=%d", b"multipart/mixed; boundary=b%d"]
)
def test_what_is_nested_takes_no_minutes(within: bytes) -> None:
    for levels in (19, 400):
        raw = HEAD + b"".join(
            b"Content-Type: %s%s\r\n\r\n--b%d\r\n" % (within % level, b';a="b' * 40, level) for level in range(levels)
        )
        began = time.process_time()
        found = parse_mail(raw + b"x\r\n" * 100_000)
        assert time.process_time() - began < SECONDS
        assert (found is None) == (levels == 400)


def test_a_text_with_many_dashes_is_a_text() -> None:
    found = parse_mail(mail("-- строка\n" * 1000).as_bytes())
    assert found is not None
    assert found.text.count("строка") == 1000


OURS = "mx.example.test"


@pytest.mark.parametrize(
    ("headers", "domain"),
    [
        (["mx.example.test; spf=pass; dmarc=pass (p=none) header.from=example.test"], "example.test"),
        (["MX.example.test 1; DMARC=Pass header.from=Example.TEST"], "example.test"),
        (["mx.example.test; dmarc=fail header.from=example.test"], None),
        (["mx.example.test; spf=pass smtp.mailfrom=example.test"], None),
        (["mx.example.test; dmarc=pass"], None),
        (["mx.evil.test; dmarc=pass header.from=example.test"], None),
        (["mx.example.test.evil.test; dmarc=pass header.from=example.test"], None),
        (["mx.evil.test; dmarc=fail", "mx.example.test; dmarc=pass header.from=example.test"], "example.test"),
        (["mx.example.test; dmarc=fail", "mx.example.test; dmarc=pass header.from=example.test"], None),
        (["mx.example.test; dmarc=fail; dmarc=pass header.from=example.test"], None),
        (["mx.example.test; spf=fail (;dmarc=pass header.from=example.test)"], None),
        (['mx.example.test; spf=fail smtp.mailfrom=";dmarc=pass header.from=example.test"'], None),
        (["mx.example.test; none"], None),
        ([""], None),
        ([], None),
    ],
)
def test_only_our_own_servers_topmost_word_proves_a_domain(headers: list[str], domain: str | None) -> None:
    assert authenticated_domain(headers, OURS) == domain
    assert authenticated_domain(headers, "") is None


def test_authentication_results_come_in_order_and_of_one_sender_alone() -> None:
    results = b"Authentication-Results: a;\r\n dmarc=pass\r\nX: y\r\nAuthentication-Results: b; none\r\n"
    for head, found in (
        (HEAD, ("a; dmarc=pass", "b; none")),
        (HEAD + b"From: b@example.test\r\n", ()),
        (HEAD.replace(b"From: ", b"From: b@example.test, "), ()),
    ):
        parsed = parse_mail(head + results + b"\r\nx")
        assert parsed is not None
        assert parsed.results == found


def test_what_cannot_be_a_message_is_unreadable() -> None:
    for name in ("empty", "no sender", "too large", "nested", "many parts", "many lines"):
        assert parse_mail(HOSTILE[name]) is None, name
    for name in ("charset unknown", "broken base64", "header injection", "nul and halves"):
        assert parse_mail(HOSTILE[name]) is not None, name


def test_no_noise_breaks_the_parser() -> None:
    chance = random.Random(11)  # noqa: S311 - noise
    sound = mail("Текст", subject="Тема").as_bytes()
    for _ in range(300):
        noisy = bytearray(sound)
        for _ in range(chance.randrange(1, 40)):
            noisy[chance.randrange(len(noisy))] = chance.randrange(256)
        found = parse_mail(bytes(noisy))
        assert found is None or "\x00" not in found.text


def test_text_that_is_no_html_is_kept() -> None:
    assert html_text("a > b и c") == "a > b и c"
    assert html_text("") == ""


def test_messages_come_in_the_order_of_their_arrival_and_once(tmp_path: Path) -> None:
    path = maildir(tmp_path)
    late = deliver(path, mail("второе"), NOW + MINUTE)
    early = deliver(path, mail("первое"), NOW)
    deliver(path, b"broken", NOW + 2 * MINUTE)
    (path / "new" / "folder").mkdir()
    box = SupportMaildir(path)
    found = list(box.unread())
    assert [one.at for one in found] == [NOW, NOW + MINUTE, NOW + 2 * MINUTE]
    assert [one.mail and one.mail.text for one in found] == ["первое", "второе", None]
    box.read(found[0].key)
    box.read(found[0].key)
    box.read(found[2].key, aside=True)
    assert [one.key for one in box.unread()] == [late.name]
    assert sorted(file.name for file in (path / "cur").iterdir()) == [
        f"{early.name}:2,S",
        f"{found[2].key}:2,FS",
    ]
