"""The error tree: one base, few classes, each carrying data.

DogovorError
 +- Transient       the other side may answer later: the only kind that is retried
 |   +- OutcomeUnknown   the effect may have happened: look before repeating
 |   +- Waiting          others are at it: looked at again, however often
 +- Refused         a request or an outside system said no, and will say so again
 +- TermsViolated   an agreement forbids what was asked
 +- NotFound        the thing named does not exist
"""

from __future__ import annotations

from datetime import timedelta


class DogovorError(Exception):
    """Base of every error this project raises on purpose. Its text never holds a secret."""


class Transient(DogovorError):  # noqa: N818 - the tree names outcomes
    """Raised when the same call may succeed later: a time-out, a 5xx, a locked row, a server that is down.

    `retry_after` is how long the other side asked us to wait, or None where it did not say.
    """

    def __init__(self, detail: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class OutcomeUnknown(Transient):
    """Raised when a call may or may not have had its effect: look before it is repeated."""


class Waiting(Transient):
    """Raised when what is waited for is under way elsewhere and takes its time: coming again is no failed attempt."""


class Refused(DogovorError):  # noqa: N818
    """Raised when an input is malformed or forged, or an outside system rejected a request for good.

    `reason` is a short stable word for counters and hold reasons; the text is for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class TermsViolated(DogovorError):  # noqa: N818
    """Raised when doing what was asked would break the clause `clause`."""

    def __init__(self, clause: str, detail: str) -> None:
        super().__init__(f"{clause}: {detail}")
        self.clause = clause


class NotFound(DogovorError):  # noqa: N818
    """Raised when `kind` `key` is not in the ledger, the archive or an outside system."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"no {kind} {key}")
        self.kind = kind
        self.key = key
