"""Whether two names that people typed mean one person: what "another person decides" stands on."""

from __future__ import annotations

import unicodedata


def plain_name(name: str) -> str:
    """A name without case, spaces, punctuation and accents, ё as е; empty for a name without letters and digits."""
    return "".join(one for one in unicodedata.normalize("NFKD", name.casefold()) if one.isalnum())


def same_person(one: str, other: str) -> bool:
    """Whether two names are written alike: case, spaces, punctuation and accents make no other person of anyone."""
    return plain_name(one) == plain_name(other)
