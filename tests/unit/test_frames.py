"""Sealed files: opened as they were sealed, and not at all when anything about them is not."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable

import pytest

from blocks.clients.frames import FRAME, MAGIC, TAG, FrameReader, FrameWriter
from blocks.errors import Refused

KEY = bytes(range(32))
HEAD = len(MAGIC) + 7
WHOLE = FRAME + TAG


def sealed(content: bytes, *, label: str = "a", pieces: int = 70_001) -> bytes:
    target = io.BytesIO()
    writer = FrameWriter(target, KEY, label)
    for start in range(0, len(content), pieces):
        writer.write(content[start : start + pieces])
    writer.finish()
    written = target.getvalue()
    assert (writer.size, writer.sha256) == (len(written), hashlib.sha256(written).hexdigest())
    return written


def opened(content: bytes, *, key: bytes = KEY, label: str = "a") -> bytes:
    with io.BufferedReader(FrameReader(io.BytesIO(content), key, label)) as reader:
        return reader.read()


@pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 3 * FRAME + 5])
def test_a_file_of_any_size_opens_as_it_was_sealed(size: int) -> None:
    content = os.urandom(size)
    assert opened(sealed(content)) == content


def test_the_same_bytes_sealed_twice_look_different() -> None:
    assert sealed(bytes(100)) != sealed(bytes(100))


def frames(file: bytes) -> list[bytes]:
    return [file[start : start + WHOLE] for start in range(HEAD, len(file), WHOLE)]


def rebuilt(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    return lambda file: file[:HEAD] + b"".join(change(frames(file)))


TAMPERED: dict[str, Callable[[bytes], bytes]] = {
    "cut off at a frame": rebuilt(lambda parts: parts[:-1]),
    "cut off within a frame": lambda file: file[:-1],
    "cut off after its head": lambda file: file[:HEAD],
    "the first frame left out": rebuilt(lambda parts: parts[1:]),
    "a frame left out": rebuilt(lambda parts: [parts[0], *parts[2:]]),
    "two frames exchanged": rebuilt(lambda parts: [parts[1], parts[0], *parts[2:]]),
    "a frame twice": rebuilt(lambda parts: [parts[0], *parts]),
    "more after the end": lambda file: file + bytes(TAG),
    "a bit of the head": lambda file: file[: HEAD - 1] + bytes([file[HEAD - 1] ^ 1]) + file[HEAD:],
    "a bit of a frame": lambda file: file[: HEAD + 99] + bytes([file[HEAD + 99] ^ 1]) + file[HEAD + 100 :],
    "a bit of the last tag": lambda file: file[:-1] + bytes([file[-1] ^ 1]),
    "no sealed file": lambda file: b"PGDMP" + file,
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_file_that_was_tampered_with_does_not_open(how: str) -> None:
    with pytest.raises(Refused) as refused:
        opened(TAMPERED[how](sealed(bytes(3 * FRAME + 5))))
    assert refused.value.reason == "sealed_file"


def test_a_frame_of_another_file_of_the_same_key_is_refused() -> None:
    one, other = sealed(bytes(2 * FRAME)), sealed(bytes(2 * FRAME))
    with pytest.raises(Refused, match="does not open"):
        opened(one[: HEAD + WHOLE] + other[HEAD + WHOLE :])


def test_another_key_and_another_label_do_not_open_it() -> None:
    file = sealed(b"content")
    with pytest.raises(Refused, match="does not open"):
        opened(file, key=bytes(32))
    with pytest.raises(Refused, match="does not open"):
        opened(file, label="b")
