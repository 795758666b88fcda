"""Who wrote each version of a rule; what was stored before has no author."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("segment_versions", sa.Column("author", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("segment_versions", "author")
