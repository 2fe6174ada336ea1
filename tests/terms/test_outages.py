"""Outages: what counts as one, when it begins and ends, what is left out, and what is due for each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.terms.base import Decision, Verdict
from blocks.terms.intervals import Span
from blocks.terms.outages import (
    KS_PORTS,
    Downtime,
    ExclusionFacts,
    Group,
    GroupFacts,
    JournalFacts,
    MonitoringFacts,
    NameFacts,
    PortFacts,
    TicketFacts,
    UnavailabilityFacts,
    customer_down,
    downtime_from_ticket,
    excluded,
    group_available,
    journal,
    monitored,
    name_served,
    ot_counted,
    port_served,
    unavailability,
)

at = datetime.fromisoformat
INSTANT = timedelta(microseconds=1)
NOON = at("2025-06-01T12:00Z")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.clause("KS-3.2")
@pytest.mark.parametrize(
    ("resolved", "reachable", "outage"),
    [(True, True, False), (True, False, True), (False, True, True), (False, False, True)],
)
def test_ks_3_2_a_name_that_does_not_resolve_or_does_not_answer_is_an_outage(
    resolved: bool, reachable: bool, outage: bool
) -> None:
    decision = name_served(NameFacts(resolved=resolved, reachable=reachable))
    assert decision.values == {"outage": outage}
    assert decision.verdict is (Verdict.ACTION if outage else Verdict.ALLOWED)


@pytest.mark.clause("KS-3.2")
def test_ks_3_2_the_cause_is_told() -> None:
    assert "does not resolve" in name_served(NameFacts(resolved=False, reachable=False)).what
    assert "does not answer" in name_served(NameFacts(resolved=True, reachable=False)).what


def exclusion(cause: str = "closed ports", **facts: str) -> Decision:
    return excluded(ExclusionFacts.model_validate({"cause": cause, **facts}))


@pytest.mark.clause("KS-3.9")
@pytest.mark.parametrize("cause", ["own internet access", "closed ports", "applications"])
def test_ks_3_9_a_span_that_a_person_excluded_with_a_reason_does_not_count(cause: str) -> None:
    decision = exclusion(cause, decided_by="k.duty", reason="the customer's router drops 5222")
    assert decision.verdict is Verdict.ALLOWED
    assert decision.values == {"counted": False}
    assert cause in decision.what


@pytest.mark.clause("KS-3.9")
@pytest.mark.parametrize("reason", ["", " ", "\n\t"])
def test_ks_3_9_a_blank_reason_is_refused_and_the_span_counts(reason: str) -> None:
    decision = exclusion(decided_by="k.duty", reason=reason)
    assert decision.verdict is Verdict.REFUSED
    assert decision.values == {"counted": True}


@pytest.mark.clause("KS-3.9")
@pytest.mark.parametrize("nobody", ["", "  "])
def test_ks_3_9_the_span_counts_until_a_person_has_decided(nobody: str) -> None:
    decision = exclusion(decided_by=nobody, reason="the ports look closed")
    assert decision.verdict is Verdict.PERSON
    assert decision.values == {"counted": True}
    assert exclusion().verdict is Verdict.PERSON


@pytest.mark.clause("KS-3.9")
@pytest.mark.parametrize("cause", ["", "our servers", "force majeure"])
def test_ks_3_9_nothing_else_is_a_cause(cause: str) -> None:
    with pytest.raises(ValidationError):
        exclusion(cause, decided_by="k.duty", reason="so it is")


def served(protocol: str, port: int) -> bool:
    decision = port_served(PortFacts.model_validate({"protocol": protocol, "port": port}))
    assert decision.values == {"served": decision.allowed}
    return decision.allowed


@pytest.mark.clause("KS-3.13")
@pytest.mark.parametrize("port", [143, 587, 5061, 5222, 5223, 5298, 5444, 7777])
def test_ks_3_13_every_tcp_port_of_the_list_is_ours_to_serve_over_tcp_alone(port: int) -> None:
    assert served("tcp", port)
    assert not served("udp", port)


@pytest.mark.clause("KS-3.13")
@pytest.mark.parametrize(
    ("port", "ours"),
    [(52, False), (53, True), (54, False), (9999, False), (10000, True), (15000, True), (20000, True), (20001, False)],
)
def test_ks_3_13_the_udp_ports_are_53_and_10000_to_20000_both_ends_included(port: int, ours: bool) -> None:
    assert served("udp", port) is ours
    assert not served("tcp", port)


@pytest.mark.clause("KS-3.13")
def test_ks_3_13_the_list_has_eight_tcp_ports_and_10002_udp_ports_and_no_other() -> None:
    every = range(65536)
    assert [port for port in every if served("tcp", port)] == [143, 587, 5061, 5222, 5223, 5298, 5444, 7777]
    assert sum(r.last - r.first + 1 for r in KS_PORTS if r.protocol == "udp") == 10002


@pytest.mark.clause("KS-3.13")
@pytest.mark.parametrize("port", [-1, 65536])
def test_ks_3_13_a_port_has_sixteen_bits(port: int) -> None:
    with pytest.raises(ValidationError):
        served("udp", port)


A, B = Group.AUTODIAL, Group.INBOUND


@pytest.mark.clause("OT-2")
@pytest.mark.parametrize(
    ("main", "down", "verdict"),
    [
        (A, (), Verdict.ALLOWED),
        (A, (A,), Verdict.REFUSED),
        (A, (B,), Verdict.ALLOWED),
        (A, (A, B), Verdict.REFUSED),
        (B, (), Verdict.ALLOWED),
        (B, (A,), Verdict.ALLOWED),
        (B, (B,), Verdict.REFUSED),
        (B, (A, B), Verdict.REFUSED),
        (None, (), Verdict.ALLOWED),
        (None, (A,), Verdict.PERSON),
        (None, (B, B), Verdict.PERSON),
        (None, (B, A), Verdict.REFUSED),
    ],
)
def test_ot_2_the_service_is_down_for_a_customer_when_its_main_group_is(
    main: Group | None, down: tuple[Group, ...], verdict: Verdict
) -> None:
    decision = group_available(GroupFacts(main_group=main, down=down))
    assert decision.verdict is verdict
    assert decision.values == ({} if verdict is Verdict.PERSON else {"down": verdict is Verdict.REFUSED})


def span(start: int, end: int) -> Span:
    return Span(NOON + start * MINUTE, NOON + end * MINUTE)


@pytest.mark.clause("OT-2")
def test_ot_2_a_customers_downtime_is_that_of_its_main_group_or_of_both() -> None:
    down = {A: [span(0, 20), span(40, 50)], B: [span(10, 30)]}
    assert list(customer_down(A, down)) == [span(0, 20), span(40, 50)]
    assert list(customer_down(B, down)) == [span(10, 30)]
    assert list(customer_down(None, down)) == [span(10, 20)]
    assert list(customer_down(B, {A: [span(0, 20)]})) == []
    assert list(customer_down(None, {A: [span(0, 20)]})) == []


@pytest.mark.clause("OT-2")
def test_ot_2_there_are_two_groups() -> None:
    assert [str(group) for group in Group] == ["Автодозвон", "ОВВ"]


@pytest.mark.clause("OT-3")
@pytest.mark.parametrize(
    ("ticket", "counted"),
    [
        (-5 * MINUTE, Span(NOON - 5 * MINUTE, NOON + HOUR)),
        (timedelta(), Span(NOON, NOON + HOUR)),
        (INSTANT, Span(NOON + INSTANT, NOON + HOUR)),
        (HOUR - INSTANT, Span(NOON + HOUR - INSTANT, NOON + HOUR)),
        (HOUR, None),
        (HOUR + INSTANT, None),
    ],
)
def test_ot_3_downtime_counts_from_the_first_ticket_to_the_end(ticket: timedelta, counted: Span | None) -> None:
    outage = Span(NOON, NOON + HOUR)
    assert ot_counted(outage, NOON + ticket) == counted
    decision = downtime_from_ticket(
        TicketFacts(start=outage.start, end=outage.end, first_ticket_at=NOON + ticket, now=NOON + 9 * HOUR)
    )
    if counted is None:
        assert (decision.verdict, decision.values) == (Verdict.REFUSED, {"counted": False})
    else:
        assert decision.verdict is Verdict.ALLOWED
        assert (at(str(decision.values["from"])), at(str(decision.values["until"]))) == counted
        assert decision.values["counted"] is True


@pytest.mark.clause("OT-3")
@pytest.mark.clause("OT-9")
def test_ot_3_without_a_ticket_nothing_counts() -> None:
    assert ot_counted(Span(NOON, NOON + HOUR), None) is None
    facts = TicketFacts(start=NOON, end=NOON + HOUR, first_ticket_at=None, now=NOON + HOUR)
    assert downtime_from_ticket(facts).verdict is Verdict.REFUSED


@pytest.mark.clause("OT-3")
def test_ot_3_an_outage_that_lasts_counts_up_to_now() -> None:
    opened = TicketFacts(start=NOON, first_ticket_at=NOON + MINUTE, now=NOON + HOUR)
    assert downtime_from_ticket(opened).values["until"] == (NOON + HOUR).isoformat()


@pytest.mark.clause("OT-3")
def test_ot_3_when_monitoring_saw_it_moves_nothing() -> None:
    starts = [NOON - HOUR, NOON, NOON + 10 * MINUTE]
    facts = [TicketFacts(start=s, end=NOON + HOUR, first_ticket_at=NOON, now=NOON + HOUR) for s in starts]
    assert len({str(downtime_from_ticket(f).values) for f in facts}) == 1


def test_an_outage_does_not_run_backwards_and_is_cut_while_it_lasts() -> None:
    assert Downtime(start=NOON, end=NOON).cut(NOON + HOUR) == Span(NOON, NOON)
    assert Downtime(start=NOON).cut(NOON + HOUR) == Span(NOON, NOON + HOUR)
    with pytest.raises(ValidationError, match="does not end before"):
        Downtime(start=NOON, end=NOON - INSTANT)


def found(**facts: Any) -> Decision:
    return unavailability(UnavailabilityFacts(**facts))


def bounds(decision: Decision) -> tuple[datetime, datetime]:
    assert decision.verdict is Verdict.ALLOWED
    return at(str(decision.values["from"])), at(str(decision.values["until"]))


@pytest.mark.clause("OCP-P3.2.10")
def test_ocp_p3_2_10_it_lasts_from_the_logs_to_the_logs_of_recovery() -> None:
    assert bounds(found(logs_down_at=NOON, logs_up_at=NOON + HOUR)) == (NOON, NOON + HOUR)


@pytest.mark.clause("OCP-P3.2.10")
@pytest.mark.parametrize("confirmed", ["logs", "mass ticket"])
def test_ocp_p3_2_10_two_confirmed_reports_begin_it_at_the_first_of_them(confirmed: str) -> None:
    decision = found(reports=(NOON + MINUTE, NOON), confirmed=confirmed, reachable_at=NOON + HOUR)
    assert bounds(decision) == (NOON, NOON + HOUR)


@pytest.mark.clause("OCP-P3.2.10")
@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"reports": (NOON,), "confirmed": "logs"},
        {"reports": (NOON,), "confirmed": "mass ticket"},
        {"reports": (NOON, NOON + MINUTE)},
        {"reports": (NOON, NOON, NOON + MINUTE), "confirmed": None},
        {"confirmed": "mass ticket"},
    ],
)
def test_ocp_p3_2_10_one_report_or_reports_that_nothing_confirms_go_to_a_person(facts: dict[str, Any]) -> None:
    decision = found(**facts, reachable_at=NOON + HOUR)
    assert decision.verdict is Verdict.PERSON
    assert decision.values == {}


@pytest.mark.clause("OCP-P3.2.10")
def test_ocp_p3_2_10_the_earlier_beginning_shown_holds() -> None:
    pair = {"reports": (NOON, NOON + MINUTE), "confirmed": "logs", "reachable_at": NOON + HOUR}
    assert bounds(found(**pair, logs_down_at=NOON + MINUTE))[0] == NOON
    assert bounds(found(**pair, logs_down_at=NOON - MINUTE))[0] == NOON - MINUTE
    alone = {**pair, "reports": (NOON,)}
    assert bounds(found(**alone, logs_down_at=NOON + MINUTE))[0] == NOON + MINUTE


@pytest.mark.clause("OCP-P3.2.10")
def test_ocp_p3_2_10_the_earlier_end_shown_holds() -> None:
    early, late = NOON + HOUR, NOON + 2 * HOUR
    assert bounds(found(logs_down_at=NOON, logs_up_at=early, reachable_at=late))[1] == early
    assert bounds(found(logs_down_at=NOON, logs_up_at=late, reachable_at=early))[1] == early


@pytest.mark.clause("OCP-P3.2.10")
def test_ocp_p3_2_10_an_end_before_the_beginning_is_none() -> None:
    before = NOON - INSTANT
    assert bounds(found(logs_down_at=NOON, logs_up_at=before, reachable_at=NOON + HOUR))[1] == NOON + HOUR
    assert found(logs_down_at=NOON, logs_up_at=before).verdict is Verdict.PERSON
    assert bounds(found(logs_down_at=NOON, logs_up_at=NOON)) == (NOON, NOON)


@pytest.mark.clause("OCP-P3.2.10")
def test_ocp_p3_2_10_it_lasts_while_no_end_is_shown() -> None:
    decision = found(logs_down_at=NOON)
    assert decision.verdict is Verdict.ACTION
    assert decision.values == {"from": NOON.isoformat()}


def entry(**facts: Any) -> Decision:
    return journal(JournalFacts(**{"start": NOON, "end": NOON + HOUR, "in_journal": True, **facts}))


@pytest.mark.clause("OCP-P3.2.9")
@pytest.mark.parametrize(
    ("sent", "verdict"),
    [
        (25 * HOUR - INSTANT, Verdict.ALLOWED),
        (25 * HOUR, Verdict.ALLOWED),
        (25 * HOUR + INSTANT, Verdict.REFUSED),
        (None, Verdict.DUE),
    ],
)
def test_ocp_p3_2_9_the_log_files_go_out_within_24_hours_of_the_end(sent: timedelta | None, verdict: Verdict) -> None:
    decision = entry(logs_sent_at=None if sent is None else NOON + sent)
    assert decision.verdict is verdict
    assert decision.deadline is not None
    assert decision.deadline.due == NOON + 25 * HOUR
    assert decision.deadline.zone == "Asia/Almaty"


@pytest.mark.clause("OCP-P3.2.9")
@pytest.mark.parametrize("end", [None, NOON, NOON + HOUR])
def test_ocp_p3_2_9_each_unavailability_goes_into_the_journal_first(end: datetime | None) -> None:
    decision = entry(end=end, in_journal=False, logs_sent_at=NOON + HOUR)
    assert decision.verdict is Verdict.ACTION
    assert "journal" in decision.what
    assert (decision.deadline is None) is (end is None)
    assert journal(JournalFacts(start=NOON)).verdict is Verdict.ACTION


@pytest.mark.clause("OCP-P3.2.9")
def test_ocp_p3_2_9_the_log_files_follow_when_it_has_ended() -> None:
    decision = entry(end=None)
    assert decision.verdict is Verdict.ALLOWED
    assert decision.deadline is None


@pytest.mark.clause("OCP-P3.5")
@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (-INSTANT, Verdict.PERSON),
        (timedelta(), Verdict.ALLOWED),
        (5 * MINUTE - INSTANT, Verdict.ALLOWED),
        (5 * MINUTE, Verdict.ALLOWED),
        (5 * MINUTE + INSTANT, Verdict.REFUSED),
    ],
)
def test_ocp_p3_5_a_service_is_monitored_while_its_last_probe_is_five_minutes_old_at_most(
    age: timedelta, verdict: Verdict
) -> None:
    assert monitored(MonitoringFacts(last_probe_at=NOON - age, now=NOON)).verdict is verdict


@pytest.mark.clause("OCP-P3.5")
def test_ocp_p3_5_a_service_that_was_never_probed_is_not_monitored() -> None:
    decision = monitored(MonitoringFacts(last_probe_at=None, now=NOON))
    assert (decision.verdict, decision.what) == (Verdict.REFUSED, "never probed")


@pytest.mark.clause("OCP-P3.5")
@pytest.mark.parametrize("now", ["2025-06-01T03:00+05:00", "2025-12-31T23:59:59+05:00", "2025-06-07T13:00+05:00"])
def test_ocp_p3_5_monitoring_knows_no_night_and_no_day_off(now: str) -> None:
    facts = MonitoringFacts(last_probe_at=at(now) - 5 * MINUTE - INSTANT, now=at(now))
    assert monitored(facts).verdict is Verdict.REFUSED
