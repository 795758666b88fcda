"""The tables of the control database. Their shape changes only together with a new migration.

Sets of people are roaring bitmaps of person numbers; instants are UTC; leases are milliseconds of the
database's clock. Iceberg's own catalog tables live beside these and belong to `sync.store.catalog`.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from sync.store.types import BitmapType, Id, UtcDateTime

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# ── pull ─────────────────────────────────────────────────────────────────────────────────────────────

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("connection", String(200), primary_key=True),
    Column("stream", String(200), primary_key=True),
    Column("cursor", Text),
    Column("rows_last", BigInteger, nullable=False, server_default="0"),  # rows of the read going on
    Column("rows_good", BigInteger),  # rows of the last complete read; the shrink brake compares with it
    Column("last_good_at", UtcDateTime),
    Column("under_way", Boolean, nullable=False, server_default=false()),  # the read has not ended yet
)

pages = Table(
    "pages",
    metadata,
    Column("id", Id, primary_key=True),  # also the order in which pages arrived, over all streams
    Column("connection", String(200), nullable=False),
    Column("stream", String(200), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("file", String(300), nullable=False),  # relative to the lake's inbox
    Column("rows", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),  # committed, absorbed
    Column("cursor", Text),
    Column("run_id", BigInteger),  # the run that read it
    UniqueConstraint("connection", "stream", "sequence"),
    Index("ix_pages_state", "state"),
)

rejected_rows = Table(
    "rejected_rows",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", String(200), nullable=False),
    Column("stream", String(200), nullable=False),
    Column("where_", String(500), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("raw", Text),
    Column("first_seen_run", BigInteger),
    Column("last_seen_run", BigInteger),
    UniqueConstraint("connection", "stream", "where_", "reason"),
)

# ── runs and segments ────────────────────────────────────────────────────────────────────────────────

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("trigger", String(50), nullable=False),
    Column("as_of", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("state", String(20), nullable=False),
    Column("owner", JSON, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("stats", JSON, nullable=False),
    Column("rules_hash", String(64)),
    Column("scope", JSON, nullable=False, server_default="{}"),
    Column(
        "queued", Boolean, nullable=False, server_default=false()
    ),  # for any worker; resumed after a crash
    Column("schedule", String(200)),
    Column("slot", UtcDateTime),
    Column("step", String(20)),  # the step that was begun last
    Column("fence", BigInteger, nullable=False, server_default="0"),  # grows with every claim
    Index(
        "ux_runs_one_running",
        "state",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
    Index("ux_runs_slot", "schedule", "slot", unique=True),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("step", String(20), nullable=False),  # pull, push
    Column("connection", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("owner", JSON, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("work", JSON, nullable=False),
    Column("results", JSON, nullable=False),
    UniqueConstraint("run_id", "step", "connection"),
    Index(
        "ux_tasks_one_running",
        "connection",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)

schedules = Table(  # instants in milliseconds since 1970
    "schedules",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("definition", String(64), nullable=False),  # hash of its times; "": no config names it any more
    Column("next_slot", BigInteger),
    Column("next_at", BigInteger),  # next_slot and its jitter, or the end of blackout hours
    Column("last_slot", BigInteger),
    Column("seen", BigInteger, nullable=False),  # the run that had ended last; later ones start what follows
    Column("paused", Boolean, nullable=False),
    Column("missed", BigInteger, nullable=False),  # slots that had no run of their own
)

budget_counts = Table(  # what the metrics show, over all processes; counted up when a lease ends
    "budget_counts",
    metadata,
    Column("connection", String(200), primary_key=True),
    Column("sent", BigInteger, nullable=False),
    Column("limited", BigInteger, nullable=False),  # answers that told us to slow down
)

segment_versions = Table(
    "segment_versions",
    metadata,
    Column("segment", String(200), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("source", Text, nullable=False),
    Column("name", String(300), nullable=False),
    Column("first_run", ForeignKey("runs.id"), nullable=False),
    Column("last_run", ForeignKey("runs.id"), nullable=False),
    Column("author", JSON(none_as_null=True)),  # of store.segments.Author; NULL: not known
)

memberships = Table(
    "memberships",
    metadata,
    Column("segment", String(200), primary_key=True),
    Column("run_id", ForeignKey("runs.id"), primary_key=True),  # the run that saw these members first
    Column("last_run", ForeignKey("runs.id"), nullable=False),  # … and last
    Column("version", String(64), nullable=False),
    Column("members", BitmapType, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("as_of", UtcDateTime, nullable=False),
)

# ── plan and push ────────────────────────────────────────────────────────────────────────────────────

audiences = Table(
    "audiences",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", String(200), nullable=False),
    Column("segment", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("name", String(300), nullable=False),
    Column("remote_id", String(300)),
    Column("owned", BitmapType, nullable=False),
    Column("actual", BitmapType, nullable=False),
    Column("readded", BitmapType, nullable=False),
    Column("remote_mark", String(200)),
    Column("state", String(20), nullable=False),
    Column("include_suppressed", Boolean, nullable=False),
    Column("written", Boolean, nullable=False, server_default=false()),  # we changed it at least once
    UniqueConstraint("connection", "segment", "kind"),
)

plans = Table(
    "plans",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("as_of", UtcDateTime, nullable=False),
    Column("state", String(20), nullable=False),
    Column("plan_hash", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("approved_at", UtcDateTime),
    Column("summary", JSON, nullable=False),
    Column(
        "scope", String(64), nullable=False, server_default=""
    ),  # `Scope.key`: which audiences it is about
    Index("ix_plans_state", "state"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("plan_id", ForeignKey("plans.id"), nullable=False),
    Column("audience_id", ForeignKey("audiences.id"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("state", String(20), nullable=False),
    Column("adds", BitmapType, nullable=False),
    Column("removes", BitmapType, nullable=False),
    Column("done_adds", BitmapType, nullable=False),
    Column("done_removes", BitmapType, nullable=False),
    Column("calls", Integer, nullable=False),
    UniqueConstraint("plan_id", "sequence"),
)

brakes = Table(
    "brakes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("plan_id", ForeignKey("plans.id"), nullable=False),
    Column("audience_id", ForeignKey("audiences.id")),
    Column("kind", String(50), nullable=False),
    Column("message", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_brakes_plan_id", "plan_id"),
)

refusals = Table(
    "refusals",
    metadata,
    Column("audience_id", ForeignKey("audiences.id"), primary_key=True),
    Column("person", BigInteger, primary_key=True),
    Column("action", String(20), primary_key=True),
    Column("code", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("mark", String(64)),  # hash of person and rule at the last try; NULL: to be tried once more
)

opt_outs = Table(
    "opt_outs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("plan_id", ForeignKey("plans.id"), nullable=False),
    Column("connection", String(200), nullable=False),  # where it is written
    Column("contact", BigInteger, nullable=False),
    Column("person", BigInteger, nullable=False),
    Column("source", String(200), nullable=False),  # the connection that says so
    Column("source_contact", BigInteger, nullable=False),
    Column("source_changed_at", UtcDateTime),
    Column("held", Boolean, nullable=False),
    Column("state", String(20), nullable=False),  # planned, sent, done, refused, past
    Column("code", String(100)),
    Column("reason", Text),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_opt_outs_plan_id", "plan_id"),
    Index("ix_opt_outs_connection", "connection", "state"),
)

# ── decisions of people ──────────────────────────────────────────────────────────────────────────────

decisions = Table(  # the audit: only ever added to
    "decisions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("plan_id", BigInteger),
    Column("run_id", BigInteger),
    Column("plan_hash", String(64)),
    Column("reason", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_decisions_plan_id", "plan_id"),
)

freezes = Table(  # whose writes are stopped now; "": everybody's
    "freezes",
    metadata,
    Column("connection", String(200), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(200), nullable=False),
    Column("reason", Text, nullable=False),
)

pauses = Table(  # audiences that an undo has put back: rules wait
    "pauses",
    metadata,
    Column("audience_id", ForeignKey("audiences.id"), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("run_id", BigInteger, nullable=False),
    Column("undone_run", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(200), nullable=False),
)

# ── budgets of accounts ──────────────────────────────────────────────────────────────────────────────

budgets = Table(  # one row per limit; its columns are those of connectors.standing.Standing
    "budgets",
    metadata,
    Column("platform", String(50), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("due_s", Double, nullable=False),
    Column("not_before_s", Double, nullable=False),
    Column("level", Double, nullable=False),
    Column("ceiling", Double, nullable=False),
    Column("refused", Double, nullable=False),
    Column("since_s", Double, nullable=False),
    Column("cut_s", Double, nullable=False),
    Column("clean", Integer, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("most", BigInteger, nullable=False),
    Column("used_s", Double, nullable=False),
    Column("seen_s", Double, nullable=False),
)

budget_places = Table(  # calls under way and whoever waits for one, in the order of their numbers
    "budget_places",
    metadata,
    Column("id", Id, primary_key=True),
    Column("platform", String(50), nullable=False),
    Column("account", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("owner", JSON, nullable=False),
    Column("until_s", Double, nullable=False),
    Index("ix_budget_places_account", "platform", "account", "name"),
    sqlite_autoincrement=True,  # a number is never given to somebody else
)

# ── people, numbers, notes ───────────────────────────────────────────────────────────────────────────

person_events = Table(
    "person_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(20), nullable=False),  # merge, split, blocked
    Column("person", BigInteger, nullable=False),
    Column("other_person", BigInteger),
    Column("reason", Text, nullable=False),
    Column("run_id", BigInteger),
    Index("ix_person_events_person", "person"),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(50), primary_key=True),
    Column("next", BigInteger, nullable=False),
)

notes = Table(
    "notes",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("value", JSON, nullable=False),
)

# ── models ───────────────────────────────────────────────────────────────────────────────────────────

model_versions = Table(
    "model_versions",
    metadata,
    Column("model", String(50), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("fitted_at", UtcDateTime, nullable=False),  # the instant whose people it was made of
    Column("state", String(20), nullable=False),  # fitted, no_better, refused
    Column("settings", String(64), nullable=False),  # hash of what decides what a fit finds
    Column("document", JSON, nullable=False),
)
