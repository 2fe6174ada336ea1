"""Logs and their destruction: sealed segments, purges, holds, grants, the journal, copies of the ledger."""

import sqlalchemy as sa
from alembic import op

import blocks.ledger.types
from blocks.ledger.migrations.triggers import allow_blanking, forbid_changes, keep_rows, refuse

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SEALED = (
    "name",
    "period_id",
    "project",
    "records",
    "raw_bytes",
    "size",
    "sha256",
    "version",
    "first_at",
    "last_at",
    "russian",
    "pack",
    "sealed_at",
    "chain",
)
TOLD = ("id", "order_id", "at", "kind", "from_state", "to_state", "clause")
HAPPENED = ("id", "ticket_id", "key", "at", "what")


def upgrade() -> None:
    op.create_table(
        "ledger_copies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("made_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.String(length=16), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("verified_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("expires_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("gone_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_copies")),
        sa.UniqueConstraint("name", name=op.f("uq_ledger_copies_name")),
    )
    op.create_table(
        "log_batches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("dropped", sa.Integer(), nullable=False),
        sa.Column("raw_bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("spooled", "packing", "sealed", "refused", name="logbatchstate", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("spool", sa.String(length=120), nullable=True),
        sa.Column("pack", sa.String(length=40), nullable=True),
        sa.Column("received_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("sealed_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_batches")),
        sa.UniqueConstraint("source", "event_id", name=op.f("uq_log_batches_source")),
    )
    with op.batch_alter_table("log_batches", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_log_batches_pack"), ["pack"], unique=False)
        batch_op.create_index("ix_log_batches_state", ["state", "id"], unique=False)

    op.create_table(
        "log_grants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column(
            "state",
            sa.Enum("asked", "granted", "declined", "revoked", name="loggrantstate", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("login", sa.String(length=64), nullable=False),
        sa.Column("need", sa.Text(), nullable=False),
        sa.Column("classes", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=128), nullable=False),
        sa.Column("day_from", sa.Date(), nullable=False),
        sa.Column("day_to", sa.Date(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("asked_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("decided_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("valid_until", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("decided_by IS NULL OR decided_by <> person", name="ck_log_grants_second_person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_grants")),
        sa.UniqueConstraint("number", name=op.f("uq_log_grants_number")),
    )
    op.create_table(
        "log_holds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("classes", sa.String(length=64), nullable=True),
        sa.Column("project", sa.String(length=128), nullable=True),
        sa.Column("day_from", sa.Date(), nullable=False),
        sa.Column("day_to", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("placed_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("released_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.String(length=200), nullable=True),
        sa.Column("release_why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_holds")),
        sa.UniqueConstraint("number", name=op.f("uq_log_holds_number")),
    )
    op.create_table(
        "log_journal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("about", sa.String(length=160), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_journal")),
        sa.UniqueConstraint("chain", name=op.f("uq_log_journal_chain")),
    )
    with op.batch_alter_table("log_journal", schema=None) as batch_op:
        batch_op.create_index("ix_log_journal_about", ["about"], unique=False)

    op.create_table(
        "log_periods",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("classes", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("made_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("destroyed_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_periods")),
        sa.UniqueConstraint("classes", "day", name=op.f("uq_log_periods_classes")),
    )
    with op.batch_alter_table("log_periods", schema=None) as batch_op:
        batch_op.create_index("ix_log_periods_destroyed_at", ["destroyed_at", "day"], unique=False)

    op.create_table(
        "log_purges",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column(
            "state",
            sa.Enum("planned", "keys_destroyed", "deleted", "proven", name="purgestate", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("executor", sa.String(length=200), nullable=False),
        sa.Column("planned_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("keys", sa.JSON(), nullable=False),
        sa.Column("keys_destroyed_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("proven_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("incident", sa.Text(), nullable=True),
        sa.Column("act_key", sa.String(length=120), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_purges")),
        sa.UniqueConstraint("number", name=op.f("uq_log_purges_number")),
    )
    op.create_table(
        "account_endings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("clause", sa.String(length=16), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("opened_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("noticed_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("blocked_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("resumed_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("act_key", sa.String(length=120), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_account_endings_customer_id_customers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_endings")),
    )
    with op.batch_alter_table("account_endings", schema=None) as batch_op:
        batch_op.create_index("ix_account_endings_customer", ["customer_id"], unique=False)

    op.create_table(
        "log_segments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("period_id", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(length=128), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("raw_bytes", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("first_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("russian", sa.Boolean(), nullable=False),
        sa.Column("pack", sa.String(length=40), nullable=False),
        sa.Column("sealed_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.Column("purge_id", sa.Integer(), nullable=True),
        sa.Column("gone_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["period_id"], ["log_periods.id"], name=op.f("fk_log_segments_period_id_log_periods")),
        sa.ForeignKeyConstraint(["purge_id"], ["log_purges.id"], name=op.f("fk_log_segments_purge_id_log_purges")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_segments")),
        sa.UniqueConstraint("chain", name=op.f("uq_log_segments_chain")),
        sa.UniqueConstraint("name", name=op.f("uq_log_segments_name")),
    )
    with op.batch_alter_table("log_segments", schema=None) as batch_op:
        batch_op.create_index("ix_log_segments_locked", ["locked"], unique=False)
        batch_op.create_index("ix_log_segments_period_project", ["period_id", "project"], unique=False)
        batch_op.create_index("ix_log_segments_project_last", ["project", "last_at"], unique=False)
        batch_op.create_index("ix_log_segments_purge", ["purge_id"], unique=False)

    allow_blanking("order_events", ("who", "why"), TOLD)
    allow_blanking("ticket_events", ("who", "text"), HAPPENED)
    forbid_changes("log_journal")
    distinct = "IS DISTINCT FROM" if op.get_context().dialect.name == "postgresql" else "IS NOT"
    changed = " OR ".join(f"NEW.{column} {distinct} OLD.{column}" for column in SEALED)
    refuse("log_segments", "log_segments_stand", "UPDATE", f"{changed} OR OLD.gone_at IS NOT NULL", "a segment stands")
    keep_rows("log_segments", "a segment is not deleted")
    revived = f"OLD.destroyed_at IS NOT NULL AND NEW.destroyed_at {distinct} OLD.destroyed_at"
    refuse("log_periods", "log_periods_stand", "UPDATE", revived, "a destroyed period stays so")
    proven = "OLD.state = 'proven'"
    refuse("log_purges", "log_purges_stand", "UPDATE", proven, "a proven destruction stands")
    keep_rows("log_purges", "a destruction is not deleted")
    keep_rows("log_periods", "a period is not deleted")


def downgrade() -> None:
    raise RuntimeError("a journal is not taken back")
