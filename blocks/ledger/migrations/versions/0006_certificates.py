"""Certificates: sites, orders at CAs, what was issued, its journal, accounts, findings."""

import sqlalchemy as sa
from alembic import op

import blocks.ledger.types
from blocks.ledger.migrations.triggers import forbid_changes, refuse

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ISSUED = ("site_id", "chain", "fingerprint", "key_hash", "serial", "not_before", "not_after", "issued_at")


def upgrade() -> None:
    op.create_table(
        "ca_accounts",
        sa.Column("authority", sa.String(length=32), nullable=False),
        sa.Column("directory", sa.String(length=500), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("authority", name=op.f("pk_ca_accounts")),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("open_key", sa.String(length=320), nullable=True),
        sa.Column("clause", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=270), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("first_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("closed_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
        sa.UniqueConstraint("open_key", name=op.f("uq_findings_open_key")),
    )
    with op.batch_alter_table("findings", schema=None) as batch_op:
        batch_op.create_index("ix_findings_subject", ["subject"], unique=False)

    op.create_table(
        "sites",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("agreement", sa.String(length=8), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("authority", sa.String(length=32), nullable=False),
        sa.Column("key_kind", sa.String(length=16), nullable=False),
        sa.Column("consumers", sa.JSON(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=True),
        sa.Column("order_id", sa.Integer(), nullable=True),
        sa.Column("created_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("retired_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_sites_customer_id_customers")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_sites_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sites")),
        sa.UniqueConstraint("order_id", name=op.f("uq_sites_order_id")),
        sa.UniqueConstraint("slug", name=op.f("uq_sites_slug")),
    )
    op.create_table(
        "ca_orders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("open_key", sa.Integer(), nullable=True),
        sa.Column("intent", sa.String(length=40), nullable=False),
        sa.Column("authority", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("product", sa.String(length=80), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("csr", sa.Text(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("replaces", sa.String(length=64), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "intended",
                "placed",
                "issued",
                "held",
                "refused",
                "cancelled",
                name="caorderstate",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("url", sa.String(length=500), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("try_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("give_up_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("created_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_ca_orders_site_id_sites")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ca_orders")),
        sa.UniqueConstraint("intent", name=op.f("uq_ca_orders_intent")),
        sa.UniqueConstraint("open_key", name=op.f("uq_ca_orders_open_key")),
    )
    with op.batch_alter_table("ca_orders", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ca_orders_site_id"), ["site_id"], unique=False)
        batch_op.create_index("ix_ca_orders_state_try", ["state", "try_at"], unique=False)

    op.create_table(
        "certificates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("ca_order_id", sa.Integer(), nullable=True),
        sa.Column("replaces_id", sa.Integer(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "issued",
                "published",
                "announced",
                "in_service",
                "retired",
                "revoked",
                name="certificatestate",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("not_before", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("not_after", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("issued_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("published_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("announced_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("swap_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("swap_until", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("emergency", sa.String(length=200), nullable=True),
        sa.Column("in_service_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("retired_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("window_start", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("window_end", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("window_ask_at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["ca_order_id"], ["ca_orders.id"], name=op.f("fk_certificates_ca_order_id_ca_orders")),
        sa.ForeignKeyConstraint(
            ["replaces_id"], ["certificates.id"], name=op.f("fk_certificates_replaces_id_certificates")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_certificates_site_id_sites")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("ca_order_id", name=op.f("uq_certificates_ca_order_id")),
        sa.UniqueConstraint("site_id", "fingerprint", name=op.f("uq_certificates_site_id")),
    )
    with op.batch_alter_table("certificates", schema=None) as batch_op:
        batch_op.create_index("ix_certificates_state", ["state"], unique=False)

    op.create_table(
        "certificate_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("certificate_id", sa.Integer(), nullable=True),
        sa.Column("ca_order_id", sa.Integer(), nullable=True),
        sa.Column("at", blocks.ledger.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("clause", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["ca_order_id"], ["ca_orders.id"], name=op.f("fk_certificate_events_ca_order_id_ca_orders")
        ),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name=op.f("fk_certificate_events_certificate_id_certificates")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_certificate_events_site_id_sites")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_events")),
    )
    with op.batch_alter_table("certificate_events", schema=None) as batch_op:
        batch_op.create_index("ix_certificate_events_site", ["site_id"], unique=False)

    forbid_changes("certificate_events")
    distinct = "IS DISTINCT FROM" if op.get_context().dialect.name == "postgresql" else "IS NOT"
    changed = " OR ".join(f"NEW.{column} {distinct} OLD.{column}" for column in ISSUED)
    refuse("certificates", "certificates_stand", "UPDATE", changed, "what was issued stands")
    refuse("certificates", "certificates_stay", "DELETE", "OLD.id IS NOT NULL", "a certificate is not deleted")
    moved = f"OLD.url IS NOT NULL AND NEW.url {distinct} OLD.url"
    refuse("ca_orders", "ca_orders_stand", "UPDATE", moved, "an order stays where it was placed")


def downgrade() -> None:
    raise RuntimeError("a journal is not taken back")
