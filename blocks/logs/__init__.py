"""Log records: what one is, and the sealed segments in which they lie.

Invariants: no ledger, no clock, no outside system. A record's content is bytes that only pass through; it never stands
in an error or a log line.
"""
