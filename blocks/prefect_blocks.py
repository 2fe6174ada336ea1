"""Prefect blocks: this installation's outside systems as the UI shows them, secrets masked.

Thin faces over the clients: `check_connections` loads each and tries it. Registered by the entry point
`prefect.collections`. Work itself runs from the settings, so that it goes on while Prefect is down.
"""

from __future__ import annotations

from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from blocks.clients.mail import MailTransport, Security, open_transport
from blocks.clients.yookassa import YooKassa
from blocks.settings import Settings

BLOCK_NAME = "dogovor"


class MailServer(Block):
    """Where notices go: an SMTP server, or a directory of .eml files when no host is given."""

    _block_type_name = "Dogovor mail"
    _block_type_slug = "dogovor-mail"

    host: str = Field(default="", description="Submission server; empty: .eml files")
    port: int = 587
    security: Security = "starttls"
    user: str = ""
    password: SecretStr = SecretStr("")
    bounce_address: str = Field(description="Envelope sender; delivery reports return to it")
    outbox: Path = Field(description="Directory of .eml files when there is no server")

    @classmethod
    def of(cls, settings: Settings) -> MailServer:
        """The block that the settings describe."""
        return cls(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            user=settings.smtp_user,
            password=settings.smtp_password or SecretStr(""),
            bounce_address=settings.bounce_address,
            outbox=settings.outbox,
        )

    def client(self) -> MailTransport:
        """The transport it describes."""
        return open_transport(
            self.host,
            self.port,
            security=self.security,
            bounce_address=self.bounce_address,
            user=self.user,
            password=self.password.get_secret_value(),
            outbox=self.outbox,
        )


class PaymentShop(Block):
    """The YooKassa shop that takes people's payments."""

    _block_type_name = "Dogovor payments"
    _block_type_slug = "dogovor-payments"

    url: str
    shop: str
    secret: SecretStr = SecretStr("")

    @classmethod
    def of(cls, settings: Settings) -> PaymentShop:
        """The block that the settings describe."""
        return cls(
            url=settings.yookassa_url,
            shop=settings.yookassa_shop,
            secret=settings.yookassa_secret or SecretStr(""),
        )

    def client(self) -> YooKassa:
        """The client it describes."""
        return YooKassa(self.url, self.shop, self.secret.get_secret_value())
