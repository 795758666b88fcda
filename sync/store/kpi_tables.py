"""The table of what was measured of segments over time. Change only with a migration."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, String, Table

from sync.store.tables import metadata

segment_kpis = Table(
    "segment_kpis",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("segment", String(200), primary_key=True),
    Column("name", String(50), primary_key=True),
    Column("value", Double),  # none: not measured
    Column("low", Double),  # the 95 % interval, where there is one
    Column("high", Double),
    Column("people", BigInteger),  # how many it is of
    Column("why", String(50)),  # why it is not measured, as a code
    Index("ix_segment_kpis_segment", "segment", "run_id"),
)
