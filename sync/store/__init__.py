"""The store: the control database (SQLAlchemy, SQLite or PostgreSQL) and the lake (Iceberg over Parquet).

Start at `Store.open`. SQLAlchemy is used nowhere else but here and in the SQL source.
"""

from __future__ import annotations

from sync.store.errors import (
    LeaseLost,
    NewerStore,
    NoSpaceLeft,
    PlanNotOpen,
    RunInProgress,
    StoreError,
)
from sync.store.events import PersonEvent
from sync.store.inbox import Checkpoint, StoredPage
from sync.store.ledger import AudienceRow, BatchOutcome, KeptRefusal, Refusal
from sync.store.plans import Brake, Plan, PlannedBatch, PlanState, StoredBatch
from sync.store.runs import Run, RunState
from sync.store.segments import Membership, SegmentVersion
from sync.store.store import Store

__all__ = [
    "AudienceRow",
    "BatchOutcome",
    "Brake",
    "Checkpoint",
    "KeptRefusal",
    "LeaseLost",
    "Membership",
    "NewerStore",
    "NoSpaceLeft",
    "PersonEvent",
    "Plan",
    "PlanNotOpen",
    "PlanState",
    "PlannedBatch",
    "Refusal",
    "Run",
    "RunInProgress",
    "RunState",
    "SegmentVersion",
    "Store",
    "StoreError",
    "StoredBatch",
    "StoredPage",
]
