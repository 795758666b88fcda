"""First tables: pull, runs, segments, plan and push, people, notes, and Iceberg's catalog."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BITMAPS = {
    "audiences": ("owned", "actual"),
    "memberships": ("members",),
    "batches": ("adds", "removes", "done_adds", "done_removes"),
}


def upgrade() -> None:
    op.create_table(
        "audiences",
        sa.Column("id", _ID, nullable=False),
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("segment", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("remote_id", sa.String(length=300), nullable=True),
        sa.Column("owned", sa.LargeBinary(), nullable=False),
        sa.Column("actual", sa.LargeBinary(), nullable=False),
        sa.Column("readded", sa.LargeBinary(), nullable=False),
        sa.Column("remote_mark", sa.String(length=200), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("include_suppressed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audiences")),
        sa.UniqueConstraint("connection", "segment", "kind", name=op.f("uq_audiences_connection")),
    )
    op.create_table(
        "checkpoints",
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("stream", sa.String(length=200), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("rows_last", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows_good", sa.BigInteger(), nullable=True),
        sa.Column("last_good_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("connection", "stream", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )
    op.create_table(
        "notes",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_notes")),
    )
    op.create_table(
        "pages",
        sa.Column("id", _ID, nullable=False),
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("stream", sa.String(length=200), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("file", sa.String(length=300), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pages")),
        sa.UniqueConstraint("connection", "stream", "sequence", name=op.f("uq_pages_connection")),
    )
    op.create_index("ix_pages_state", "pages", ["state"], unique=False)
    op.create_table(
        "person_events",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("person", sa.BigInteger(), nullable=False),
        sa.Column("other_person", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_events")),
    )
    op.create_index("ix_person_events_person", "person_events", ["person"], unique=False)
    op.create_table(
        "rejected_rows",
        sa.Column("id", _ID, nullable=False),
        sa.Column("connection", sa.String(length=200), nullable=False),
        sa.Column("stream", sa.String(length=200), nullable=False),
        sa.Column("where_", sa.String(length=500), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("raw", sa.Text(), nullable=True),
        sa.Column("first_seen_run", sa.BigInteger(), nullable=True),
        sa.Column("last_seen_run", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejected_rows")),
        sa.UniqueConstraint(
            "connection", "stream", "where_", "reason", name=op.f("uq_rejected_rows_connection")
        ),
    )
    op.create_table(
        "runs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("trigger", sa.String(length=50), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.JSON(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("stats", sa.JSON(), nullable=False),
        sa.Column("rules_hash", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(
        "ux_runs_one_running",
        "runs",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "memberships",
        sa.Column("segment", sa.String(length=200), nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("last_run", _ID, nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("members", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["last_run"], ["runs.id"], name=op.f("fk_memberships_last_run")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_memberships_run_id")),
        sa.PrimaryKeyConstraint("segment", "run_id", name=op.f("pk_memberships")),
    )
    op.create_table(
        "plans",
        sa.Column("id", _ID, nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_plans_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
    )
    op.create_index("ix_plans_state", "plans", ["state"], unique=False)
    op.create_table(
        "refusals",
        sa.Column("audience_id", _ID, nullable=False),
        sa.Column("person", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["audience_id"], ["audiences.id"], name=op.f("fk_refusals_audience_id")),
        sa.PrimaryKeyConstraint("audience_id", "person", "action", name=op.f("pk_refusals")),
    )
    op.create_table(
        "segment_versions",
        sa.Column("segment", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("first_run", _ID, nullable=False),
        sa.Column("last_run", _ID, nullable=False),
        sa.ForeignKeyConstraint(["first_run"], ["runs.id"], name=op.f("fk_segment_versions_first_run")),
        sa.ForeignKeyConstraint(["last_run"], ["runs.id"], name=op.f("fk_segment_versions_last_run")),
        sa.PrimaryKeyConstraint("segment", "version", name=op.f("pk_segment_versions")),
    )
    op.create_table(
        "batches",
        sa.Column("id", _ID, nullable=False),
        sa.Column("plan_id", _ID, nullable=False),
        sa.Column("audience_id", _ID, nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("adds", sa.LargeBinary(), nullable=False),
        sa.Column("removes", sa.LargeBinary(), nullable=False),
        sa.Column("done_adds", sa.LargeBinary(), nullable=False),
        sa.Column("done_removes", sa.LargeBinary(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["audience_id"], ["audiences.id"], name=op.f("fk_batches_audience_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_batches_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("plan_id", "sequence", name=op.f("uq_batches_plan_id")),
    )
    op.create_table(
        "brakes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("plan_id", _ID, nullable=False),
        sa.Column("audience_id", _ID, nullable=True),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["audience_id"], ["audiences.id"], name=op.f("fk_brakes_audience_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_brakes_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brakes")),
    )
    op.create_index("ix_brakes_plan_id", "brakes", ["plan_id"], unique=False)
    _catalog()
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in _BITMAPS.items():  # bitmaps do not compress; trying costs more than writing
            for column in columns:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")


def _catalog() -> None:
    """As PyIceberg's SQL catalog (schema v1) wants them; made here so that two processes cannot race."""
    op.create_table(
        "iceberg_tables",
        sa.Column("catalog_name", sa.String(255), primary_key=True),
        sa.Column("table_namespace", sa.String(255), primary_key=True),
        sa.Column("table_name", sa.String(255), primary_key=True),
        sa.Column("metadata_location", sa.String(1000)),
        sa.Column("previous_metadata_location", sa.String(1000)),
        sa.Column("iceberg_type", sa.String(5)),
    )
    op.create_table(
        "iceberg_namespace_properties",
        sa.Column("catalog_name", sa.String(255), primary_key=True),
        sa.Column("namespace", sa.String(255), primary_key=True),
        sa.Column("property_key", sa.String(255), primary_key=True),
        sa.Column("property_value", sa.String(1000), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("iceberg_namespace_properties")
    op.drop_table("iceberg_tables")
    op.drop_index("ix_brakes_plan_id", table_name="brakes")
    op.drop_table("brakes")
    op.drop_table("batches")
    op.drop_table("segment_versions")
    op.drop_table("refusals")
    op.drop_index("ix_plans_state", table_name="plans")
    op.drop_table("plans")
    op.drop_table("memberships")
    op.drop_index(
        "ux_runs_one_running",
        table_name="runs",
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.drop_table("runs")
    op.drop_table("rejected_rows")
    op.drop_index("ix_person_events_person", table_name="person_events")
    op.drop_table("person_events")
    op.drop_index("ix_pages_state", table_name="pages")
    op.drop_table("pages")
    op.drop_table("notes")
    op.drop_table("counters")
    op.drop_table("checkpoints")
    op.drop_table("audiences")
