"""The demo's installation: a stack on free ports with a payment sandbox, and secrets made for this run alone."""

from __future__ import annotations

import json
import secrets
import socket
from base64 import b64encode
from pathlib import Path

from flows.stack import Say, Stack, environment

SERVICES = """
interval_seconds = 10
timeout_seconds = 5

[[vantage]]
name = "uplink-a"
source = "127.0.0.1"

[[vantage]]
name = "uplink-b"
source = "127.0.0.2"

[[service]]
name = "orders"
title = "Приём заказов"
agreements = ["QS"]
[[service.probe]]
kind = "tcp"
host = "127.0.0.1"
port = {port}

[[service]]
name = "messages"
title = "Обмен сообщениями, почта и телефония"
agreements = ["KS"]

[[service]]
name = "shared"
title = "Общие серверы комплекса и ОЦП"
agreements = ["KS", "OCP"]

[[runbook]]
name = "upgrade-messages"
title = "Обновление сервера сообщений"
services = ["messages"]
minutes = 20
undo_minutes = 10
apply = ["/bin/sh", "-c", "sleep 3; echo 2 > {home}/messages.version"]
check = ["/bin/grep", "-qx", "2", "{home}/messages.version"]
undo = ["/bin/rm", "-f", "{home}/messages.version"]

[[runbook]]
name = "replace-storage"
title = "Замена хранилища общих серверов"
services = ["shared"]
minutes = 30
undo_minutes = 15
apply = ["/bin/sh", "-c", "sleep 2; echo 'новое хранилище не отвечает'; exit 1"]
check = ["/bin/false"]
undo = ["/bin/sh", "-c", "echo 'прежнее хранилище на месте'"]
"""
"""What is watched and worked on in the demo; one of its works fails on purpose, and is taken back."""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class DemoStack(Stack):
    """A stack that also runs the payment sandbox."""

    sandbox_port: int

    def start(self) -> None:
        """The sandbox first: the gateway's orders ask it for payments."""
        notify = f"{self.gateway_url}/webhooks/yookassa"
        arguments = ("-m", "flows.cli", "sandbox", "--port", str(self.sandbox_port), "--notify-url", notify)
        sandbox = self.run("sandbox", *arguments)
        self.wait_for(sandbox, f"http://127.0.0.1:{self.sandbox_port}/openapi.json")
        super().start()


def demo_stack(home: Path, say: Say) -> tuple[DemoStack, str]:
    """The stack, not started, and the secret that signs its order webhooks."""
    gateway_port, prefect_port, sandbox_port = free_port(), free_port(), free_port()
    home.mkdir(parents=True, exist_ok=True)
    services = home / "services.toml"
    services.write_text(SERVICES.format(home=home, port=gateway_port), "utf-8")
    order_secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    env = environment(home, prefect_port) | {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
        "DOGOVOR_ENVIRONMENT": "embedded",
        "DOGOVOR_GATEWAY_PORT": str(gateway_port),
        "DOGOVOR_PUBLIC_URL": f"http://127.0.0.1:{gateway_port}",
        "DOGOVOR_ORDER_SOURCES": json.dumps({"shop": [order_secret]}),
        "DOGOVOR_YOOKASSA_URL": f"http://127.0.0.1:{sandbox_port}/v3",
        "DOGOVOR_YOOKASSA_SHOP": "demo-shop",
        "DOGOVOR_YOOKASSA_SECRET": secrets.token_urlsafe(24),
        "DOGOVOR_YOOKASSA_NETWORKS": '["127.0.0.0/8"]',
        "DOGOVOR_SERVICES_FILE": str(services),
        "DOGOVOR_END_USERS": json.dumps({"OCP": ["platform-users@example.net"]}),
        "DOGOVOR_ARCHIVE_COUNTRY": "RU",
        "DOGOVOR_PROVIDER_NAME": "ООО «Пример»",
        "DOGOVOR_PROVIDER_REQUISITES": "Банк «Пример», счёт 40702810000000000000, БИК 000000000",
    }
    stack = DemoStack(home, env, gateway_port, say)
    stack.sandbox_port = sandbox_port
    return stack, order_secret
