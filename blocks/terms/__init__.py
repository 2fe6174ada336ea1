"""The agreements as pure, frozen values and rules.

Invariants: no I/O but reading the package's own data, no clock, no Prefect, no database. Imports only pydantic, the
standard library, `holidays` and `blocks.errors`. Importing this package registers every rule.
"""

from blocks.terms import ks, ks_liability, qs, qs_ending

__all__ = ["ks", "ks_liability", "qs", "qs_ending"]
