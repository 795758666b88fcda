"""The store: the control database (SQLAlchemy, SQLite or PostgreSQL) and the lake (Iceberg over Parquet).

Start at `Store.open`. SQLAlchemy is used nowhere else but here and in the SQL source.
"""

from __future__ import annotations

from sync.store.decisions import Decided, Decision, Freeze, Pause
from sync.store.errors import (
    LeaseLost,
    NewerStore,
    NoSpaceLeft,
    NotShared,
    PlanNotOpen,
    RunInProgress,
    Stopped,
    StoreError,
)
from sync.store.events import PersonEvent
from sync.store.inbox import Checkpoint, StoredPage
from sync.store.leases import Guard, Lease, Terms
from sync.store.ledger import AudienceRow, BatchOutcome, KeptRefusal, Refusal
from sync.store.plans import Brake, Plan, PlannedBatch, PlanState, StoredBatch
from sync.store.runs import Run, RunState, Step
from sync.store.scope import Scope
from sync.store.segments import Author, Membership, SegmentVersion
from sync.store.store import Store
from sync.store.tasks import Task, TaskState

__all__ = [
    "AudienceRow",
    "Author",
    "BatchOutcome",
    "Brake",
    "Checkpoint",
    "Decided",
    "Decision",
    "Freeze",
    "Guard",
    "KeptRefusal",
    "Lease",
    "LeaseLost",
    "Membership",
    "NewerStore",
    "NoSpaceLeft",
    "NotShared",
    "Pause",
    "PersonEvent",
    "Plan",
    "PlanNotOpen",
    "PlanState",
    "PlannedBatch",
    "Refusal",
    "Run",
    "RunInProgress",
    "RunState",
    "Scope",
    "SegmentVersion",
    "Step",
    "Stopped",
    "Store",
    "StoreError",
    "StoredBatch",
    "StoredPage",
    "Task",
    "TaskState",
    "Terms",
]
