"""What stands in the place of a deleted customer's address, and how it is known again."""

from __future__ import annotations

ERASED = "@deleted.invalid"
"""How such an address ends; nobody's does: the domain is reserved (RFC 2606)."""


def erased_email(customer: int) -> str:
    """What stands for the address of a deleted customer."""
    return f"deleted-{customer}{ERASED}"


def is_erased(address: str) -> bool:
    """Whether an address stands for that of a deleted customer."""
    return address.endswith(ERASED)
