"""What a refused person and rule were like when they were tried; NULL: to be tried once more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refusals", sa.Column("mark", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("refusals", "mark")
