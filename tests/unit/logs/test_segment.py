"""Sealed segments: they open with their own key and label alone, and hold nothing readable."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import Refused
from blocks.logs.segment import MAGIC, Label, classes_of, classes_text, partition_key, period_name, seal, unseal
from blocks.terms.retention import LogClass

LABEL = Label("logs/qs-payload/2026-05-22/P1-0001.seg", "qs-payload", date(2026, 5, 22), "chat-1")
PERIOD = bytes(range(32))


@given(st.binary(max_size=5000))
def test_what_was_sealed_comes_back_byte_for_byte(content: bytes) -> None:
    key = partition_key(PERIOD, LABEL)
    assert unseal(seal(content, LABEL, key), LABEL, key) == content


def test_a_segment_shows_nothing_of_its_content_and_is_never_the_same_twice() -> None:
    key, content = partition_key(PERIOD, LABEL), b'{"text":"marker-of-content"}\n' * 100
    one, other = seal(content, LABEL, key), seal(content, LABEL, key)
    assert b"marker" not in one
    assert one != other


@pytest.mark.parametrize(
    "changes", [{"name": "logs/other.seg"}, {"classes": "ocp"}, {"day": date(2026, 5, 23)}, {"project": "chat-2"}]
)
def test_another_label_has_another_key_or_does_not_open(changes: dict[str, object]) -> None:
    other = replace(LABEL, **changes)  # type: ignore[arg-type]
    sealed = seal(b"x", LABEL, partition_key(PERIOD, LABEL))
    with pytest.raises(Refused, match="does not open"):
        unseal(sealed, other, partition_key(PERIOD, LABEL))
    assert (partition_key(PERIOD, other) == partition_key(PERIOD, LABEL)) is ("name" in changes)


def test_every_altered_byte_and_every_cut_is_noticed() -> None:
    key = partition_key(PERIOD, LABEL)
    sealed = seal(b"some content", LABEL, key)
    for at in range(len(sealed)):
        broken = bytearray(sealed)
        broken[at] ^= 1
        with pytest.raises(Refused):
            unseal(bytes(broken), LABEL, key)
        with pytest.raises(Refused):
            unseal(sealed[:at], LABEL, key)
    assert sealed.startswith(MAGIC)


def test_another_period_key_opens_nothing() -> None:
    sealed = seal(b"x", LABEL, partition_key(PERIOD, LABEL))
    with pytest.raises(Refused):
        unseal(sealed, LABEL, partition_key(secrets.token_bytes(32), LABEL))


def test_classes_are_written_and_read() -> None:
    assert classes_text((LogClass.METADATA, LogClass.PLATFORM)) == "qs-metadata+ocp"
    assert classes_of("qs-metadata+ocp") == (LogClass.METADATA, LogClass.PLATFORM)
    assert period_name("ocp", date(2026, 5, 22)) == "ocp/2026-05-22"
    with pytest.raises(ValueError, match="nothing"):
        classes_of("nothing")
