"""What happens in the demo. It knows only what customers, shops and operators know: HTTP, e-mail, the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import select
from sqlalchemy.orm import sessionmaker
from standardwebhooks import Webhook

from blocks.ledger import Notice, Sessions, Work, open_engine, reading
from blocks.terms.ks_complex import wanted
from blocks.terms.views import OrderStory
from blocks.terms.zones import MOSCOW
from flows.cli.demo_certificate import BUYER, certificate_item, top_up
from flows.cli.demo_logs import logs_of_half_a_year
from flows.cli.demo_stack import DemoStack
from flows.stack import Say
from reports.certificate_story import story_row
from tasks.certificate_stories import all_sites, certificate_story
from tasks.stories import order_numbers, story_of

LIMIT_SECONDS = 120.0
PERSON = {"kind": "person", "name": "Анна Примерова", "email": "anna@example.net"}
COMPANY = {"kind": "company", "name": "ООО «Ромашка»", "email": "office@romashka.example.net", "inn": "7701234567"}
FREE = {"kind": "person", "name": "Пётр Примеров", "email": "petr@example.net"}
ORDERS: dict[str, dict[str, Any]] = {
    "shop-1": {"customer": PERSON, "item": {"agreement": "KS", "contacts": 6}},
    "shop-2": {"customer": COMPANY, "item": {"agreement": "KS", "contacts": 12}},
    "shop-3": {"customer": PERSON, "item": {"agreement": "QS", "tariff": "start", "months": 3}},
    "shop-4": {"customer": FREE, "item": {"agreement": "QS", "tariff": "free"}},
    "shop-5": {"customer": FREE, "item": {"agreement": "QS", "tariff": "free"}},
    "shop-6": {"customer": PERSON, "item": {"agreement": "KS", "contacts": 7}},
    "shop-7": {"customer": BUYER, "item": certificate_item()},
}
"""Two packages, a paid and a free project, a second free one (refused by QS-4.4.2), a package that does not exist, and
a certificate that is paid from its customer's account."""


class Demo:
    """The demo's hands and eyes."""

    def __init__(self, stack: DemoStack, order_secret: str, say: Say) -> None:
        self.stack, self.say = stack, say
        self._webhook = Webhook(order_secret)
        self._http = httpx.Client(timeout=15, trust_env=False, follow_redirects=True)
        self._engine = open_engine(f"sqlite:///{stack.home / 'ledger.sqlite3'}")
        self.sessions: Sessions = sessionmaker(self._engine, expire_on_commit=False)
        self.latency: dict[str, float] = {}

    def close(self) -> None:
        """Let go of what was opened."""
        self._http.close()
        self._engine.dispose()

    def post_order(self, order: str, *, event_id: str | None = None, forged: bool = False) -> int:
        """POST an order as a shop does, signed as Standard Webhooks; the status code."""
        body = json.dumps({"order": order, **ORDERS[order]}, ensure_ascii=False)
        return self._post("orders", event_id or f"evt-{order}", body, "application/json", forged=forged)

    def post_logs(self, event_id: str, records: Iterable[dict[str, Any]]) -> int:
        """POST log records as the servers of QSockets do; the status code."""
        body = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        return self._post("logs", event_id, body, "application/x-ndjson")

    def _post(self, where: str, event_id: str, body: str, kind: str, *, forged: bool = False) -> int:
        moment = datetime.now(UTC)
        headers = {
            "content-type": kind,
            "webhook-id": event_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": self._webhook.sign(event_id, moment, body + (" " if forged else "")),
        }
        url = f"{self.stack.gateway_url}/webhooks/{where}"
        return self._http.post(url, content=body.encode(), headers=headers).status_code

    def number(self, order: str) -> str:
        """Our number of a shop's order, as the first e-mail tells it."""
        return self.wait(f"the number of {order}", lambda: order_numbers(self.sessions).get(f"shop/{order}"))

    def letter(self, order: str, containing: str) -> str:
        """The text of the letter about an order that contains a word."""
        number = self.number(order)

        def find() -> str | None:
            for path in sorted((self.stack.home / "outbox").glob("*.eml"), key=lambda p: int(p.name.partition("-")[0])):
                message = message_from_bytes(path.read_bytes(), policy=default_policy)
                body = message.get_body()
                text = str(body.get_content()) if body is not None else ""
                if number in str(message["Subject"]) + text and containing in text:
                    return text
            return None

        return self.wait(f"a letter about {number} with {containing!r}", find)

    def wait(self, what: str, look: Callable[[], str | None]) -> str:
        """Look again and again until something is there."""
        until = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < until:
            if (found := look()) is not None:
                return found
            time.sleep(0.05)
        raise TimeoutError(f"{what} did not come within {LIMIT_SECONDS:.0f} s")

    def story(self, order: str) -> OrderStory:
        """What the ledger says of an order."""
        return story_of(self.sessions, self.number(order))

    def wait_state(self, order: str, *states: str) -> None:
        """Wait until an order is in one of the states."""
        self.wait(f"{order} to be {'/'.join(states)}", lambda: order if self.story(order).state in states else None)

    def wait_active(self, order: str) -> None:
        """Wait until an order's service is active."""
        self.wait(f"the service of {order}", lambda: order if self.story(order).service_state == "active" else None)

    def pay_online(self, order: str) -> None:
        """Follow the link in the letter and pay, as a person does; then wait for the service."""
        page = re.findall(r"http://\S+/sandbox/pay/\S+", self.letter(order, "/sandbox/pay/"))[0]
        began = time.monotonic()
        self._http.post(page).raise_for_status()
        self.wait_active(order)
        self.latency[order] = time.monotonic() - began

    def open_page(self, order: str) -> tuple[int, int]:
        """Open the one-time page and press twice: 200 with the secret, then 410."""
        page = re.findall(r"http://\S+/secrets/\S+", self.letter(order, "/secrets/"))[0]
        self._http.get(page).raise_for_status()
        return self._http.post(page).status_code, self._http.post(page).status_code

    def command(self, *arguments: str) -> str:
        """Run `dogovor ...` as an operator does."""
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", *arguments],
            env=self.stack.env,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=True,
        )
        return done.stdout.strip()


def play(stack: DemoStack, order_secret: str, say: Say) -> dict[str, Any]:
    """Play the demo; what happened, for a table or a machine."""
    demo = Demo(stack, order_secret, say)
    try:
        return _play(demo)
    finally:
        demo.close()


def _play(demo: Demo) -> dict[str, Any]:
    accepted = {order: demo.post_order(order) for order in ORDERS}
    repeated, forged = demo.post_order("shop-1"), demo.post_order("shop-1", event_id=str(uuid4()), forged=True)
    demo.say(f"{len(accepted)} signed orders posted; one repeated ({repeated}), one forged ({forged})")
    for order in ("shop-1", "shop-3"):
        demo.pay_online(order)
        demo.say(f"{demo.number(order)} paid online: active after {demo.latency[order]:.2f} s")
    price = demo.story("shop-2").price.amount
    demo.letter("shop-2", "счёт")
    half = price / 2
    demo.say("bank: " + demo.command("receipt", demo.number("shop-2"), str(half), "BANK-1"))
    demo.wait_state("shop-2", "held")
    demo.say("bank: " + demo.command("receipt", demo.number("shop-2"), str(price - half), "BANK-2"))
    demo.wait_active("shop-2")
    demo.wait_active("shop-4")
    demo.wait_state("shop-5", "rejected")
    demo.wait_state("shop-6", "held")
    demo.say("bank: " + top_up(demo))
    demo.wait_state("shop-7", "completed")
    pages = {order: demo.open_page(order) for order in ("shop-1", "shop-2", "shop-3", "shop-4")}
    demo.say("one-time pages pressed twice: " + ", ".join(f"{first}/{second}" for first, second in pages.values()))
    for order in pages:
        demo.wait_state(order, "completed")
    stories = {order: demo.story(order) for order in ORDERS}
    saturday = _saturday(demo)
    logs = logs_of_half_a_year(demo)
    well = (
        set(accepted.values()) == {202}
        and (repeated, forged) == (202, 401)
        and set(pages.values()) == {(200, 410)}
        and all(owed.state == "fulfilled" for order in (*pages, "shop-7") for owed in stories[order].owed)
        and all(stories[order].proofs == _proofs(contacts) for order, contacts in (("shop-1", 6), ("shop-2", 12)))
        and list(saturday["works"].values()) == ["done", "undone"]
        and set(saturday["notices"].values()) == {"delivered"}
        and logs["well"]
    )
    return {
        "all_done": well,
        "repeated_webhook": repeated,
        "forged_webhook": forged,
        "orders": [_row(demo, order, story) for order, story in stories.items()],
        "certificates": _certificates(demo),
        "window": saturday,
        "logs": logs,
        "letters": sorted(str(path) for path in (demo.stack.home / "outbox").glob("*.eml")),
        "home": str(demo.stack.home),
        "prefect": demo.stack.prefect_url.removesuffix("/api"),
    }


def _certificates(demo: Demo) -> dict[str, str]:
    """What each customer's domain shows, and until when."""
    stories = [certificate_story(demo.sessions, slug, now=datetime.now(UTC)) for slug in all_sites(demo.sessions)]
    rows = [story_row(story) for story in stories if story.consumers]
    return {row["site"]: f"{row['shows']} until {row['until']}, swap planned {row['swap']}" for row in rows}


def _proofs(contacts: int) -> int:
    """How many proofs an activation takes."""
    return len(wanted([f"c{n:03d}" for n in range(1, contacts + 1)]))


def _saturday(demo: Demo) -> dict[str, Any]:
    """A Saturday's works rehearsed under a forced clock: queued, planned, agreed, run; one fails and is taken back."""
    today = datetime.now(ZoneInfo(MOSCOW)).date()
    day = today + timedelta(days=(5 - today.weekday()) % 7 + 21)
    opens = datetime.combine(day, time_of_day(9), ZoneInfo(MOSCOW))
    asked = (opens - timedelta(days=8)).isoformat()
    person = ("--operator", "О. Петрова", "--as-of", asked)
    for runbook in ("upgrade-messages", "replace-storage"):
        demo.command("work", runbook, *person)
    number = re.findall(r"M-\d{4}-\d+", demo.command("plan", "--as-of", asked))[0]
    demo.command("agree", number, "--who", "Дежурный Оператора", "--proof", "письмо 17", *person)
    demo.command("window", number, "--as-of", opens.isoformat())
    with reading(demo.sessions) as session:
        works = session.execute(select(Work.title, Work.state).order_by(Work.id))
        letters = session.scalars(select(Notice).where(Notice.about == number)).all()
        found = {
            "number": number,
            "works": {title: state.value for title, state in works},
            "notices": {f"{row.kind} {row.agreement} {row.recipient}": row.state.value for row in letters},
        }
    demo.say(f"{number} on {day:%d.%m.%Y}, rehearsed: " + ", ".join(f"{w}: {s}" for w, s in found["works"].items()))
    return found


def _row(demo: Demo, order: str, story: OrderStory) -> dict[str, Any]:
    archive = demo.stack.home / "archive"
    return {
        "order": story.number,
        "shop_order": order,
        "item": story.item,
        "price": str(story.price),
        "received": str(story.received),
        "state": story.state,
        "why": story.hold_reason or (story.lines[-1].why if story.state == "rejected" else ""),
        "service": f"{story.service} {story.service_state}".strip(),
        "seconds_from_payment_to_active": round(demo.latency[order], 2) if order in demo.latency else None,
        "obligations": {f"{owed.clause} {owed.what}": owed.state for owed in story.owed},
        "notices": {f"{n}. {notice.kind}": notice.state for n, notice in enumerate(story.notices, 1)},
        "proofs": story.proofs,
        "documents": {name: str(archive / sha256[:2] / sha256) for _, name, sha256 in story.documents},
    }


def print_table(result: dict[str, Any]) -> None:
    """The table for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console() if sys.stdout.isatty() else Console(width=130)
    table = Table(
        "order", "item", "price", "received", "state", "service", "obligations", "proofs", title="What the demo did"
    )
    for row in result["orders"]:
        kept = sum(state == "fulfilled" for state in row["obligations"].values())
        state = f"{row['state']}{': ' + row['why'] if row['why'] else ''}"
        owed = f"{kept} of {len(row['obligations'])} kept"
        proofs = str(row["proofs"] or "")
        table.add_row(row["order"], row["item"], row["price"], row["received"], state, row["service"], owed, proofs)
    console.print(table)
    console.print(f"repeated webhook: {result['repeated_webhook']}, forged: {result['forged_webhook']}")
    for row in result["orders"]:
        for name, path in row["documents"].items():
            console.print(f"{name}: {path}", soft_wrap=True, highlight=False)
    for site, shown in result["certificates"].items():
        console.print(f"certificate of {site}: {shown}", soft_wrap=True, highlight=False)
    window = result["window"]
    console.print(
        f"Saturday's window {window['number']}, {len(window['notices'])} letters: {window['works']}", soft_wrap=True
    )
    logs = result["logs"]
    console.print(f"logs: {logs['sealed']}; half a year later: {logs['died']}", soft_wrap=True)
    for name, path in logs["documents"].items():
        console.print(f"{name}: {path}", soft_wrap=True, highlight=False)
    console.print(f"{len(result['letters'])} letters in {Path(result['home']) / 'outbox'}", soft_wrap=True)
    console.print("every check held" if result["all_done"] else "SOMETHING DID NOT HOLD", style="bold")
