"""YooKassa API v3 over HTTPS (yookassa.ru/developers/api): payments.

HTTP Basic shopId:secret. A POST carries an Idempotence-Key that YooKassa remembers for 24 hours. HTTP 500 means that
the outcome is unknown: repeat with the same key. Notifications carry no signature: the payment is fetched again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from blocks.errors import NotFound, Refused, Transient
from blocks.terms.money import Money

KEY_LIFETIME = timedelta(hours=24)


class PaymentStatus(StrEnum):
    """YooKassa's payment states."""

    PENDING = "pending"
    WAITING_FOR_CAPTURE = "waiting_for_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class _Amount(BaseModel):
    value: str
    currency: str


class _Confirmation(BaseModel):
    confirmation_url: str | None = None


class _Payment(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    status: PaymentStatus
    amount: _Amount
    metadata: dict[str, str] = {}
    confirmation: _Confirmation | None = None
    refunded_amount: _Amount | None = None


class OnlinePayment(BaseModel):
    """A payment as YooKassa tells it. `metadata` is what we (or a shop) attached when it was made."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: PaymentStatus
    amount: Money
    metadata: Mapping[str, str]
    confirmation_url: str | None
    refunded: Money | None = None


class YooKassa:
    """The client. `transport` is httpx's, for another wire; time-outs are in seconds."""

    def __init__(
        self,
        base_url: str,
        shop: str,
        secret: str,
        *,
        timeout_s: float = 15,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=base_url.rstrip("/") + "/", auth=(shop, secret), timeout=timeout_s, transport=transport
        )

    def create_payment(
        self, *, key: str, amount: Money, description: str, return_url: str, metadata: Mapping[str, str]
    ) -> OnlinePayment:
        """Make a payment that is captured at once; the same `key` returns the same payment.

        Raises Transient when the outcome is unknown (repeat with the same key within 24 h), Refused when rejected.
        """
        body = {
            "amount": {"value": f"{amount.amount:.2f}", "currency": amount.currency},
            "capture": True,
            "confirmation": {"type": "redirect", "return_url": return_url},
            "description": description[:128],
            "metadata": dict(metadata),
        }
        return self._payment(self._call("POST", "payments", json=body, headers={"Idempotence-Key": key}))

    def payment(self, payment_id: str) -> OnlinePayment:
        """Fetch a payment. Raises NotFound, Transient, Refused."""
        return self._payment(self._call("GET", f"payments/{payment_id}"))

    def check(self) -> str:
        """Whether the shop's credentials are accepted, for the doctor."""
        shop = self._call("GET", "me")
        return f"shop {shop.get('account_id', '?')}{' (test)' if shop.get('test') else ''}"

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise Transient(f"YooKassa did not answer: {type(error).__name__}") from None
        if answer.status_code == 429 or answer.status_code >= 500:
            wait = answer.headers.get("Retry-After", "")
            raise Transient(
                f"YooKassa answered {answer.status_code}",
                retry_after=timedelta(seconds=int(wait)) if wait.isdigit() else None,
            )
        if answer.status_code == 404:
            raise NotFound("YooKassa object", path)
        if answer.is_error:
            raise Refused("yookassa", f"YooKassa refused {method} {path}: {answer.status_code} {self._reason(answer)}")
        try:
            content = answer.json()
        except ValueError:
            raise Transient("YooKassa answered with something that is not JSON") from None
        if not isinstance(content, dict):
            raise Transient("YooKassa answered with something that is not an object")
        return content

    @staticmethod
    def _reason(answer: httpx.Response) -> str:
        try:
            body = answer.json()
        except ValueError:
            return ""
        return f"{body.get('code', '')} {body.get('description', '')}"[:300] if isinstance(body, dict) else ""

    @staticmethod
    def _payment(body: dict[str, Any]) -> OnlinePayment:
        try:
            told = _Payment.model_validate(body)
            amount = _money(told.amount)
            refunded = _money(told.refunded_amount) if told.refunded_amount else None
        except ValidationError as error:
            raise Refused("yookassa", f"YooKassa's payment does not read: {error.error_count()} fields") from None
        return OnlinePayment(
            id=told.id,
            status=told.status,
            amount=amount,
            metadata=told.metadata,
            confirmation_url=told.confirmation.confirmation_url if told.confirmation else None,
            refunded=refunded,
        )


def _money(told: _Amount) -> Money:
    return Money.model_validate({"amount": told.value, "currency": told.currency})
