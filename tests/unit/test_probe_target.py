"""What may be a target of a probe."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from blocks.clients.probes import ProbeKind, ProbeTarget


def test_a_target_takes_the_usual_transport_of_its_kind() -> None:
    usual = {kind: ProbeTarget(kind=kind, host="a.test", port=1, name="b.test").transport for kind in ProbeKind}
    assert usual == {
        "dns": "udp",
        "tcp": "tcp",
        "tls": "tls",
        "xmpp": "tcp",
        "imap": "tcp",
        "submission": "tcp",
        "sip": "tls",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "ftp"},
        {"kind": "imap", "transport": "udp"},
        {"kind": "dns", "name": ""},
        {"kind": "dns", "expect": "NONSENSE"},
        {"kind": "sip", "expect": "A"},
        {"port": 0},
        {"port": 65_536},
        {"host": ""},
        {"host": "a b"},
        {"host": "a..b"},
        {"name": "a'b"},
        {"name": "a\r\nb"},
        {"name": "x" * 64 + ".test"},
        {"password": "x"},
    ],
)
def test_a_target_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    right = {"kind": "xmpp", "host": "a.test", "port": 5222, "name": "b.test"}
    assert ProbeTarget.model_validate(right)
    with pytest.raises(ValidationError):
        ProbeTarget.model_validate({**right, **wrong})
