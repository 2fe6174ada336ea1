"""Figures of our own where the agreements are silent. Each is dated; none of them overrides a clause."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from blocks.terms.base import Frozen
from blocks.terms.tariffs import Timeline

Days = Annotated[int, Field(ge=1, le=365)]
Minutes = Annotated[int, Field(ge=1, le=1440)]


class OrderPolicy(Frozen):
    """How long things may take in an order. Calendar days and minutes."""

    payment_window_days: Days = 10
    """An unpaid order is cancelled when these days have ended: the price of the day is not held for ever."""

    activation_minutes: int = 60
    """The time needed that KS-1.3 makes us state; counted from the payment."""

    at_once_minutes: int = 5
    """What "at the moment the payment is recorded" (QS-3.2.2) allows the machine."""

    receipt_minutes: int = 15
    """By when the confirmation of receipt (KS-1.3) must have been given."""

    reveal_reminder_days: Days = 3
    """The customer is reminded of an unopened one-time page after these days, once."""

    reveal_hold_days: Days = 14
    """An order whose page is still unopened is held for a person after these days."""

    unmatched_payment_days: Days = 1
    """Money that fits no order is shown to a person after these days."""

    dedicated_days: Days = 5
    """A dedicated server, a second-level domain and its DNS (KS-4.3) are provided by a person within these days."""

    statement_days: Days = 3
    """A customer who asks for the software that serves it (KS-2.9) is told within these days."""

    proof_attempts: int = Field(default=3, ge=1, le=20)
    """An account that cannot be proven to work after these attempts holds its order for a person."""

    surplus_days: Days = 10
    """A surplus (over- or double payment) is decided on by a person within these days."""


ORDER_POLICY: Timeline[OrderPolicy] = Timeline("order policy", [(date(2019, 5, 30), OrderPolicy())])


class MaintenancePolicy(Frozen):
    """What "beforehand" and "at once" mean for works, where an agreement names no figure."""

    ks_notice_hours: int = Field(default=72, ge=1, le=8760)
    """KS-3.12 wants notice ahead of technically significant events."""

    qs_notice_hours: int = Field(default=24, ge=1, le=8760)
    """QS-5.2.2 wants notice of planned works beforehand."""

    emergency_minutes: int = Field(default=20, ge=1, le=1440)
    """Customers and end users hear of an emergency this long after its discovery (OCP-3.2.7: at once)."""

    urgent_minutes: int = Field(default=120, ge=1, le=1440)
    """Notice of urgent works within the standard hours of OCP-P3.2.5, which names the agreement and no time."""


MAINTENANCE_POLICY: Timeline[MaintenancePolicy] = Timeline(
    "maintenance policy", [(date(2019, 5, 30), MaintenancePolicy())]
)


class OutagePolicy(Frozen):
    """How outages are watched and reported where an agreement names no time."""

    logs_hours: Annotated[int, Field(ge=1, le=240)] = 24
    """The log files of an unavailability go to the Operator (OCP-P3.2.9) within these hours of its end."""

    probe_silence_minutes: Annotated[int, Field(ge=1, le=60)] = 5
    """Monitoring round the clock (OCP-P3.5) means that no more minutes than these pass without a probe."""


OUTAGE_POLICY: Timeline[OutagePolicy] = Timeline("outage policy", [(date(2018, 1, 1), OutagePolicy())])


class SupportPolicy(Frozen):
    """How soon support does what the agreements ask for without a figure. Minutes."""

    registration_minutes: Minutes = 30
    """Working time in which a request is registered and its number told (OCP-P3.7.1)."""

    escalation_minutes: Minutes = 20
    """By the clock, at any hour: an escalated ticket (OT-7) is looked at."""

    global_failure_minutes: Minutes = 20
    """By the clock, at any hour: work on a global failure (OT-12) has begun."""


SUPPORT_POLICY: Timeline[SupportPolicy] = Timeline("support policy", [(date(2019, 5, 30), SupportPolicy())])


class CompensationPolicy(Frozen):
    """How soon a person decides on money that an agreement may owe; the agreements name no time."""

    decide_days: Days = 10
    """A second person has decided on a proposed compensation when these days have ended."""


COMPENSATION_POLICY: Timeline[CompensationPolicy] = Timeline(
    "compensation policy", [(date(2019, 5, 30), CompensationPolicy())]
)


class RevenuePolicy(Frozen):
    """How long the Operator may take where Appendix 5 of the ОЦП names no time."""

    signature_days: Days = 3
    """The act and its invoice are signed within these working days (Kazakhstan) of the day on which they were sent."""


REVENUE_POLICY: Timeline[RevenuePolicy] = Timeline("revenue policy", [(date(2018, 1, 1), RevenuePolicy())])


class RetentionPolicy(Frozen):
    """How logs and copies are destroyed and opened, where the agreements name no figure."""

    destroy_hours: Annotated[int, Field(ge=1, le=72)] = 24
    """"Automatically" (QS-3.5.3): destroyed within these hours after the last lawful day has ended."""

    audit_months: Annotated[int, Field(ge=1, le=120)] = 36
    """Our own audit records are kept as long as the metadata that they may speak of."""

    purge_pause_days: Days = 3
    """After a longer pause of purges (or a clock that jumped) a person says that the purge may go on."""

    grant_hours: Annotated[int, Field(ge=1, le=720)] = 72
    """Access to logs (QS-3.5.4) is granted for these hours at most."""

    copy_days: Annotated[int, Field(ge=1, le=6)] = 6
    """A copy of the ledger lives these days: less than the 7 in which registration data must be gone (QS-8.3)."""


RETENTION_POLICY: Timeline[RetentionPolicy] = Timeline("retention policy", [(date(2018, 1, 1), RetentionPolicy())])
