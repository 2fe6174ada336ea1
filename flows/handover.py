"""Asking a person to confirm an envelope: a suspended run of its own, once an order."""

from __future__ import annotations

from flows.starting import start_once


async def ask_handover(order: str, refusals: int) -> None:
    """Start the run that waits for the confirmation; the same run is found again until a person says "not yet"."""
    await start_once("confirm-envelope", {"order": order}, key=f"envelope:{order}:{refusals}")
