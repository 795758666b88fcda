"""Runs as a queue with fences and scopes; tasks by connection; plans of a scope.

No table is made anew: SQLite would have to drop one that others refer to, so uniqueness comes as an index.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_RUNNING = sa.text("state = 'running'")


def upgrade() -> None:
    op.add_column("runs", sa.Column("scope", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("runs", sa.Column("queued", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("runs", sa.Column("schedule", sa.String(length=200), nullable=True))
    op.add_column("runs", sa.Column("slot", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runs", sa.Column("step", sa.String(length=20), nullable=True))
    op.add_column("runs", sa.Column("fence", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("ux_runs_slot", "runs", ["schedule", "slot"], unique=True)
    op.add_column("pages", sa.Column("run_id", sa.BigInteger(), nullable=True))
    op.add_column("plans", sa.Column("scope", sa.String(length=64), nullable=False, server_default=""))
    op.create_table(
        "tasks",
        sa.Column("id", _ID, nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("step", sa.String(length=20), nullable=False),
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.JSON(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("work", sa.JSON(), nullable=False),
        sa.Column("results", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_tasks_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("run_id", "step", "connection", name=op.f("uq_tasks_run_id")),
    )
    op.create_index(
        "ux_tasks_one_running",
        "tasks",
        ["connection"],
        unique=True,
        sqlite_where=_RUNNING,
        postgresql_where=_RUNNING,
    )


def downgrade() -> None:
    op.drop_index("ux_tasks_one_running", table_name="tasks")
    op.drop_table("tasks")
    op.drop_column("plans", "scope")
    op.drop_column("pages", "run_id")
    op.drop_index("ux_runs_slot", table_name="runs")
    for column in ("fence", "step", "slot", "schedule", "queued", "scope"):
        op.drop_column("runs", column)
