"""Alerts: the state of each trigger, one notice per change of it, and what is to reach which channel."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alert_states",
        sa.Column("trigger", sa.String(length=300), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("transition", sa.Integer(), nullable=False),
        sa.Column("doubt", sa.String(length=20), nullable=True),
        sa.Column("evidence", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trigger", name=op.f("pk_alert_states")),
    )
    op.create_table(
        "alert_notices",
        sa.Column("id", _ID, nullable=False),
        sa.Column("trigger", sa.String(length=300), nullable=False),
        sa.Column("transition", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before", sa.String(length=20), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_notices")),
        sa.UniqueConstraint("trigger", "transition", name=op.f("uq_alert_notices_trigger")),
    )
    op.create_table(
        "alert_deliveries",
        sa.Column("notice_id", _ID, nullable=False),
        sa.Column("channel", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["alert_notices.id"], name=op.f("fk_alert_deliveries_notice_id")
        ),
        sa.PrimaryKeyConstraint("notice_id", "channel", name=op.f("pk_alert_deliveries")),
    )
    op.create_index("ix_alert_deliveries_state", "alert_deliveries", ["state", "channel"])


def downgrade() -> None:
    op.drop_table("alert_deliveries")
    op.drop_table("alert_notices")
    op.drop_table("alert_states")
