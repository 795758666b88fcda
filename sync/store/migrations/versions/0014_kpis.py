"""What was measured of segments, by run: numbers alone, of nobody in particular."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "segment_kpis",
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("segment", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("people", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.String(length=50), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_segment_kpis_run_id")),
        sa.PrimaryKeyConstraint("run_id", "segment", "name", name=op.f("pk_segment_kpis")),
    )
    op.create_index("ix_segment_kpis_segment", "segment_kpis", ["segment", "run_id"])


def downgrade() -> None:
    op.drop_index("ix_segment_kpis_segment", table_name="segment_kpis")
    op.drop_table("segment_kpis")
