"""The tables of alerts: states, notices, and what is to reach which channel. Change only with a migration."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from sync.store.tables import metadata
from sync.store.types import Id, UtcDateTime

alert_states = Table(  # one row per trigger that was ever in trouble, or in doubt
    "alert_states",
    metadata,
    Column("trigger", String(300), primary_key=True),  # kind:subject
    Column("level", String(20), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("transition", Integer, nullable=False),  # how often the level has changed
    Column("doubt", String(20)),  # another level that was seen once
    Column("evidence", BigInteger, nullable=False),  # grows; what was judged already is not judged again
    Column("what", Text, nullable=False),
    Column("advice", Text, nullable=False),
)

alert_notices = Table(
    "alert_notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("trigger", String(300), nullable=False),
    Column("transition", Integer, nullable=False),
    Column("key", String(64), nullable=False),  # its name to the outside, the same at every try
    Column("at", UtcDateTime, nullable=False),
    Column("since", UtcDateTime, nullable=False),  # of the level before
    Column("before", String(20), nullable=False),
    Column("level", String(20), nullable=False),
    Column("what", Text, nullable=False),
    Column("advice", Text, nullable=False),
    UniqueConstraint("trigger", "transition"),
)

alert_deliveries = Table(  # the outbox
    "alert_deliveries",
    metadata,
    Column("notice_id", ForeignKey("alert_notices.id"), primary_key=True),
    Column("channel", String(200), primary_key=True),
    Column("state", String(20), nullable=False),  # waiting, muted, sent, dropped
    Column("tries", Integer, nullable=False),
    Column("next_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("failure", Text),  # of the last try, in our words
    Index("ix_alert_deliveries_state", "state", "channel"),
)
