"""Maintenance windows, works, probes, outages, tickets, compensations; what the database itself enforces of them."""

import sqlalchemy as sa
from alembic import op

import blocks.ledger.types
from blocks.ledger.migrations.triggers import forbid_changes

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("window_events", "approvals", "outage_decisions", "ticket_events")
UNAGREED = (
    "NEW.state = 'open' AND NEW.needs_agreement "
    "AND NOT EXISTS (SELECT 1 FROM approvals WHERE window_id = NEW.id AND agreed)"
)


def upgrade() -> None:
    op.create_table(
        "outages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("agreements", sa.JSON(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("began_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("discovered_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("told_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outages")),
        sa.UniqueConstraint("key", name=op.f("uq_outages_key")),
        sa.UniqueConstraint("number", name=op.f("uq_outages_number")),
    )
    with op.batch_alter_table("outages", schema=None) as batch_op:
        batch_op.create_index("ix_outages_ended", ["ended_at"], unique=False)
        batch_op.create_index("ix_outages_service_began", ["service", "began_at"], unique=False)

    op.create_table(
        "probe_spans",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("vantage", sa.String(length=32), nullable=False),
        sa.Column("state", sa.Enum("up", "down", name="probestate", native_enum=False, length=16), nullable=False),
        sa.Column("began_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probe_spans")),
        sa.UniqueConstraint("service", "vantage", "began_at", name=op.f("uq_probe_spans_service")),
    )
    with op.batch_alter_table("probe_spans", schema=None) as batch_op:
        batch_op.create_index("ix_probe_spans_until", ["service", "vantage", "until_at"], unique=False)

    op.create_table(
        "windows",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("starts_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ends_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("services", sa.JSON(), nullable=False),
        sa.Column("agreements", sa.JSON(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("planned", "open", "closed", "cancelled", name="windowstate", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("needs_agreement", sa.Boolean(), nullable=False),
        sa.Column("planned_by", sa.String(length=200), nullable=False),
        sa.Column("planned_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("discovered_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("opened_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("closed_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("finish", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_windows")),
        sa.UniqueConstraint("key", name=op.f("uq_windows_key")),
        sa.UniqueConstraint("number", name=op.f("uq_windows_number")),
    )
    with op.batch_alter_table("windows", schema=None) as batch_op:
        batch_op.create_index("ix_windows_state_starts", ["state", "starts_at"], unique=False)

    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("window_id", sa.Integer(), nullable=False),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.String(length=200), nullable=False),
        sa.Column("answered_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["window_id"], ["windows.id"], name=op.f("fk_approvals_window_id_windows")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint("window_id", name=op.f("uq_approvals_window_id")),
    )
    op.create_table(
        "outage_decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("outage_id", sa.Integer(), nullable=False),
        sa.Column("at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("clause", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["outage_id"], ["outages.id"], name=op.f("fk_outage_decisions_outage_id_outages")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outage_decisions")),
    )
    with op.batch_alter_table("outage_decisions", schema=None) as batch_op:
        batch_op.create_index("ix_outage_decisions_outage", ["outage_id"], unique=False)

    op.create_table(
        "tickets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("agreement", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("customer_id", sa.Integer(), nullable=True),
        sa.Column("sender", sa.String(length=254), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=True),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("received_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "waiting", "resolved", "duplicate", name="ticketstate", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("duplicate_of_id", sa.Integer(), nullable=True),
        sa.Column("outage_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_tickets_customer_id_customers")),
        sa.ForeignKeyConstraint(["duplicate_of_id"], ["tickets.id"], name=op.f("fk_tickets_duplicate_of_id_tickets")),
        sa.ForeignKeyConstraint(["outage_id"], ["outages.id"], name=op.f("fk_tickets_outage_id_outages")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
        sa.UniqueConstraint("number", name=op.f("uq_tickets_number")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_tickets_source")),
    )
    with op.batch_alter_table("tickets", schema=None) as batch_op:
        batch_op.create_index("ix_tickets_duplicate_of", ["duplicate_of_id"], unique=False)
        batch_op.create_index("ix_tickets_outage", ["outage_id"], unique=False)
        batch_op.create_index("ix_tickets_sender", ["sender", "agreement"], unique=False)
        batch_op.create_index("ix_tickets_service_received", ["service", "received_at"], unique=False)
        batch_op.create_index("ix_tickets_state", ["state", "agreement"], unique=False)

    op.create_table(
        "window_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("window_id", sa.Integer(), nullable=False),
        sa.Column("at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("clause", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["window_id"], ["windows.id"], name=op.f("fk_window_events_window_id_windows")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_window_events")),
    )
    with op.batch_alter_table("window_events", schema=None) as batch_op:
        batch_op.create_index("ix_window_events_window", ["window_id"], unique=False)

    op.create_table(
        "works",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("runbook", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("requested_by", sa.String(length=200), nullable=False),
        sa.Column("requested_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "planned",
                "running",
                "done",
                "undone",
                "handed",
                "cancelled",
                name="workstate",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("window_id", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("began_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["window_id"], ["windows.id"], name=op.f("fk_works_window_id_windows")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_works")),
        sa.UniqueConstraint("key", name=op.f("uq_works_key")),
        sa.UniqueConstraint("number", name=op.f("uq_works_number")),
    )
    with op.batch_alter_table("works", schema=None) as batch_op:
        batch_op.create_index("ix_works_state", ["state"], unique=False)
        batch_op.create_index("ix_works_window", ["window_id"], unique=False)

    op.create_table(
        "compensations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("clause", sa.String(length=16), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("outages", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "state",
            sa.Enum("proposed", "approved", "declined", name="compensationstate", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("proposed_by", sa.String(length=200), nullable=False),
        sa.Column("proposed_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("decided_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state <> 'approved' OR (coalesce(amount_minor, 0) > 0 AND coalesce(decided_by, '') <> '')",
            name="ck_compensations_whole",
        ),
        sa.CheckConstraint("decided_by IS NULL OR decided_by <> proposed_by", name="ck_compensations_second_person"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_compensations_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compensations")),
        sa.UniqueConstraint("key", name=op.f("uq_compensations_key")),
        sa.UniqueConstraint("number", name=op.f("uq_compensations_number")),
    )
    op.create_table(
        "ticket_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("who", sa.String(length=254), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_events_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_events")),
        sa.UniqueConstraint("ticket_id", "key", name=op.f("uq_ticket_events_ticket_id")),
    )
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.add_column(sa.Column("about", sa.String(length=24), nullable=True))
        batch_op.create_index(batch_op.f("ix_notices_about"), ["about"], unique=False)
        batch_op.create_index("ix_notices_recipient_next", ["recipient", "next_try_at"], unique=False)

    for table in APPEND_ONLY:
        forbid_changes(table)
    _enforce_agreement()


def _enforce_agreement() -> None:
    """A window that needs the Operator's agreement cannot be written as open without it (OCP-P3.2.5, OCP-P3.2.6)."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION windows_agreed() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN IF {UNAGREED} THEN RAISE EXCEPTION 'the Operator has not agreed'; END IF; RETURN NEW; END $$"
        )
        op.execute(
            "CREATE TRIGGER windows_agreed BEFORE INSERT OR UPDATE ON windows "
            "FOR EACH ROW EXECUTE FUNCTION windows_agreed()"
        )
        return
    for change in ("INSERT", "UPDATE"):
        op.execute(
            f"CREATE TRIGGER windows_agreed_{change.lower()} BEFORE {change} ON windows WHEN {UNAGREED} "
            "BEGIN SELECT RAISE(ABORT, 'the Operator has not agreed'); END"
        )


def downgrade() -> None:
    raise RuntimeError("a journal is not taken back")
