"""The agreements as pure, frozen values and rules.

Invariants: no I/O but reading the package's own data, no clock, no Prefect, no database. Imports only pydantic, the
standard library, `holidays` and `blocks.errors`. Importing this package registers every rule.
"""

from blocks.terms import (
    certificate_plan,
    copies,
    ks,
    ks_complex,
    ks_liability,
    ks_tickets,
    log_access,
    ocp_revenue,
    ocp_tickets,
    ot_tickets,
    outages,
    qs,
    qs_ending,
    qs_idle,
    retention,
    ssl,
    ssl_acts,
    ssl_money,
    targets,
    works,
    works_ocp,
    works_plan,
)

__all__ = [
    "certificate_plan",
    "copies",
    "ks",
    "ks_complex",
    "ks_liability",
    "ks_tickets",
    "log_access",
    "ocp_revenue",
    "ocp_tickets",
    "ot_tickets",
    "outages",
    "qs",
    "qs_ending",
    "qs_idle",
    "retention",
    "ssl",
    "ssl_acts",
    "ssl_money",
    "targets",
    "works",
    "works_ocp",
    "works_plan",
]
