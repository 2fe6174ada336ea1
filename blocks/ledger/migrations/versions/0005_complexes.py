"""What proved the accounts of a complex to work, and what its servers were last brought to."""

import sqlalchemy as sa
from alembic import op

import blocks.ledger.types
from blocks.ledger.migrations.triggers import forbid_changes

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_proofs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("contact", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_account_proofs_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_proofs")),
    )
    with op.batch_alter_table("account_proofs", schema=None) as batch_op:
        batch_op.create_index("ix_account_proofs_order", ["order_id"], unique=False)
    forbid_changes("account_proofs")
    with op.batch_alter_table("services", schema=None) as batch_op:
        batch_op.add_column(sa.Column("served_state", sa.String(length=16), nullable=True))
    # Whoever was served by the release before was let in, suspended or not: no server was told.
    op.execute("UPDATE services SET served_state = 'active' WHERE agreement = 'KS' AND active_from IS NOT NULL")
    op.execute(
        "UPDATE services SET served_state = 'changing' WHERE agreement = 'KS' AND active_from IS NULL"
        " AND order_id IN (SELECT order_id FROM steps WHERE key = 'provision_accounts')"
    )


def downgrade() -> None:
    raise RuntimeError("proofs are not taken back")
