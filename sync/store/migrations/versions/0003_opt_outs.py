"""Opt-outs recorded on platforms: planned with a plan, sent, and kept as the consent log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "opt_outs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("plan_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("contact", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("source_contact", sa.BigInteger(), nullable=False),
        sa.Column("source_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=100), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opt_outs")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_opt_outs_plan_id")),
    )
    op.create_index("ix_opt_outs_plan_id", "opt_outs", ["plan_id"])
    op.create_index("ix_opt_outs_connection", "opt_outs", ["connection", "state"])


def downgrade() -> None:
    op.drop_table("opt_outs")
