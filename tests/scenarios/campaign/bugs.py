"""Bugs to seed, so that it is seen that the campaign's checks are not blind."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

BUG = "SEGSYNC_CAMPAIGN_BUG"
"""The bug that lives of segsync have, by its name in `BUGS`."""


def doubled() -> None:
    """What a source tells twice, as it does after every crash, is stored twice."""
    import sync.store.activity

    def nothing_is_known(database: Any, *_: object) -> None:
        database.execute(
            "CREATE OR REPLACE TEMP TABLE known"
            " (event_id VARCHAR, kind VARCHAR, content_hash BIGINT, filename VARCHAR)"
        )

    sync.store.activity.drop_unchanged = nothing_is_known


def lost() -> None:
    """An event is taken for one that is known already."""
    import sync.store.activity

    whole = sync.store.activity.drop_unchanged

    def one_too_many(database: Any, *others: Any) -> None:
        whole(database, *others)
        database.execute("DELETE FROM staged WHERE event_id LIKE '%-order-7'")

    sync.store.activity.drop_unchanged = one_too_many


def greedy() -> None:
    """Members whom others have put there are taken for ours."""
    import sync.plan

    careful = sync.plan.changes

    def changes(**given: Any) -> Any:
        return careful(**{**given, "owned": given["owned"] | given["actual"]})

    sync.plan.changes = changes


BUGS: Mapping[str, tuple[Callable[[], None], str]] = {
    "doubled": (doubled, "orders are doubled"),
    "lost": (lost, "orders are known of"),
    "greedy": (greedy, "whom others had put there"),
}
"""Name → how it is put in, and words of the violation that must come of it."""


def put_in() -> None:
    """The bug that the environment names, if any."""
    if name := os.environ.get(BUG):
        BUGS[name][0]()
