"""The monthly revenue split and monthly acts; what is made out can no longer change, and the database sees to it."""

import sqlalchemy as sa
from alembic import op

import blocks.ledger.types
from blocks.ledger.migrations.triggers import forbid_changes, refuse

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = (
    "invoice_lines",
    "act_rows",
    "act_totals",
    "line_files",
    "difference_settlements",
    "act_events",
    "payouts",
    "monthly_acts",
    "monthly_act_lines",
)
OF_AN_ACT = ("act_rows", "act_totals", "line_files", "difference_settlements")
MADE_OUT = "EXISTS (SELECT 1 FROM acts WHERE id = NEW.act_id AND state IN ('made', 'signed', 'closed'))"
MONTH_MADE_OUT = (
    "NEW.agreement = 'OCP' "
    "AND EXISTS (SELECT 1 FROM acts WHERE month = NEW.month AND state IN ('made', 'signed', 'closed')) "
    "AND NOT EXISTS (SELECT 1 FROM acts WHERE month = NEW.month AND state IN ('open', 'reported'))"
)
FROZEN = (
    "month",
    "edition",
    "reason",
    "opened_at",
    "reported_at",
    "year",
    "number",
    "made_at",
    "income_minor",
    "fee_minor",
    "reward_minor",
    "vat_minor",
    "reconciliation_key",
)
SIGNATURES = ("signed_by_us_at", "signed_by_operator_at")


def upgrade() -> None:
    op.create_table(
        "acts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "reported", "made", "signed", "closed", name="actstate", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("opened_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("reported_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("made_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("income_minor", sa.BigInteger(), nullable=True),
        sa.Column("fee_minor", sa.BigInteger(), nullable=True),
        sa.Column("reward_minor", sa.BigInteger(), nullable=True),
        sa.Column("vat_minor", sa.BigInteger(), nullable=True),
        sa.Column("reconciliation_key", sa.String(length=64), nullable=True),
        sa.Column("signed_by_us_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("signed_by_operator_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("closed_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acts")),
        sa.UniqueConstraint("month", "edition", name=op.f("uq_acts_month")),
        sa.UniqueConstraint("year", "number", name=op.f("uq_acts_year")),
    )
    op.create_table(
        "invoice_lines",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("agreement", sa.String(length=8), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("line", sa.String(length=64), nullable=False),
        sa.Column("stated_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("invoice", sa.String(length=64), nullable=False),
        sa.Column("customer", sa.String(length=254), nullable=False),
        sa.Column("cart", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("tariff", sa.String(length=64), nullable=False),
        sa.Column("begins_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("quantity_milli", sa.BigInteger(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_bp", sa.Integer(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("corrects", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_lines")),
        sa.UniqueConstraint("agreement", "line", "stated_at", name=op.f("uq_invoice_lines_agreement")),
    )
    with op.batch_alter_table("invoice_lines", schema=None) as batch_op:
        batch_op.create_index("ix_invoice_lines_month", ["agreement", "month"], unique=False)

    op.create_table(
        "act_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("act_id", sa.Integer(), nullable=False),
        sa.Column("at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("clause", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["act_id"], ["acts.id"], name=op.f("fk_act_events_act_id_acts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_act_events")),
    )
    with op.batch_alter_table("act_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_act_events_act_id"), ["act_id"], unique=False)

    op.create_table(
        "act_rows",
        sa.Column("act_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("month_of", sa.String(length=7), nullable=False),
        sa.Column("tariff", sa.String(length=64), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("fee_bp", sa.Integer(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("income_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("reward_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("rounding_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["act_id"], ["acts.id"], name=op.f("fk_act_rows_act_id_acts")),
        sa.PrimaryKeyConstraint("act_id", "position", name=op.f("pk_act_rows")),
    )
    with op.batch_alter_table("act_rows", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_act_rows_month_of"), ["month_of"], unique=False)

    op.create_table(
        "act_totals",
        sa.Column("act_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("month_of", sa.String(length=7), nullable=False),
        sa.Column("tariff", sa.String(length=64), nullable=False),
        sa.Column("begins_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("income_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["act_id"], ["acts.id"], name=op.f("fk_act_totals_act_id_acts")),
        sa.PrimaryKeyConstraint("act_id", "position", name=op.f("pk_act_totals")),
    )
    with op.batch_alter_table("act_totals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_act_totals_month_of"), ["month_of"], unique=False)

    op.create_table(
        "difference_settlements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("act_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("line", sa.String(length=64), nullable=True),
        sa.Column("delta_minor", sa.BigInteger(), nullable=True),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["act_id"], ["acts.id"], name=op.f("fk_difference_settlements_act_id_acts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_difference_settlements")),
    )
    with op.batch_alter_table("difference_settlements", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_difference_settlements_act_id"), ["act_id"], unique=False)

    op.create_table(
        "line_files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("act_id", sa.Integer(), nullable=False),
        sa.Column("side", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("parquet_sha256", sa.String(length=64), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("loaded_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["act_id"], ["acts.id"], name=op.f("fk_line_files_act_id_acts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_files")),
    )
    with op.batch_alter_table("line_files", schema=None) as batch_op:
        batch_op.create_index("ix_line_files_act_side", ["act_id", "side"], unique=False)

    op.create_table(
        "monthly_acts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("agreement", sa.String(length=8), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("dated", sa.Date(), nullable=False),
        sa.Column("made_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_monthly_acts_customer_id_customers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_monthly_acts")),
        sa.UniqueConstraint(
            "agreement", "month", "customer_id", "currency", "edition", name=op.f("uq_monthly_acts_agreement")
        ),
        sa.UniqueConstraint("agreement", "year", "number", name="uq_monthly_acts_number"),
    )
    op.create_table(
        "payouts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("act_id", sa.Integer(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("recorded_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["act_id"], ["acts.id"], name=op.f("fk_payouts_act_id_acts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
        sa.UniqueConstraint("reference", name=op.f("uq_payouts_reference")),
    )
    with op.batch_alter_table("payouts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_payouts_act_id"), ["act_id"], unique=False)

    op.create_table(
        "monthly_act_lines",
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("act_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["act_id"], ["monthly_acts.id"], name=op.f("fk_monthly_act_lines_act_id_monthly_acts")),
        sa.ForeignKeyConstraint(
            ["line_id"], ["invoice_lines.id"], name=op.f("fk_monthly_act_lines_line_id_invoice_lines")
        ),
        sa.PrimaryKeyConstraint("line_id", name=op.f("pk_monthly_act_lines")),
    )
    with op.batch_alter_table("monthly_act_lines", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_monthly_act_lines_act_id"), ["act_id"], unique=False)

    _several_documents()

    for table in APPEND_ONLY:
        forbid_changes(table)
    for table in OF_AN_ACT:
        refuse(table, f"{table}_of_open_acts", "INSERT", MADE_OUT, "the act is made out")
    refuse("invoice_lines", "invoice_lines_of_open_months", "INSERT", MONTH_MADE_OUT, "the month is made out")
    distinct = "IS DISTINCT FROM" if op.get_context().dialect.name == "postgresql" else "IS NOT"
    changed = " OR ".join(f"NEW.{column} {distinct} OLD.{column}" for column in FROZEN)
    signed = " OR ".join(
        f"(OLD.{column} IS NOT NULL AND NEW.{column} {distinct} OLD.{column})" for column in SIGNATURES
    )
    back = "NEW.state IN ('open', 'reported') OR (OLD.state = 'signed' AND NEW.state = 'made') OR OLD.state = 'closed'"
    stands = f"OLD.number IS NOT NULL AND ({changed} OR {signed} OR {back})"
    refuse("acts", "acts_stand", "UPDATE", stands, "the act is made out")
    refuse("acts", "acts_stay", "DELETE", "OLD.id IS NOT NULL", "an act is not deleted")


def _several_documents() -> None:
    """A letter may carry several documents: the one of before becomes a list."""
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.add_column(sa.Column("documents", sa.JSON(), nullable=False, server_default="[]"))
    if op.get_context().dialect.name == "postgresql":
        op.execute("UPDATE notices SET documents = json_build_array(document_key) WHERE document_key IS NOT NULL")
    else:
        op.execute("UPDATE notices SET documents = json_array(document_key) WHERE document_key IS NOT NULL")
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("fk_notices_document_key_documents"), type_="foreignkey")
        batch_op.drop_column("document_key")
        batch_op.alter_column("documents", server_default=None)


def downgrade() -> None:
    raise RuntimeError("a journal is not taken back")
