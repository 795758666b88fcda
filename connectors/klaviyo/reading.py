"""Reads Klaviyo's streams so that nothing is lost while they change under us.

Profiles come in ascending order of `updated`, so one that changes during the read turns up again at the
end. Whether a change of consent or of a list moves `updated` is not known, so both are asked for by their
own times. Deleted and merged profiles, and people who left a list, show only in a full read, which is
repeated every so many days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import pyarrow as pa

from connectors.base import Page, RejectedRow, Stream
from connectors.errors import BadSource
from connectors.klaviyo import activity, mapping
from connectors.klaviyo.answers import Json, Refused
from connectors.klaviyo.client import Query
from connectors.klaviyo.collections import PAGE, Collections, Group
from connectors.klaviyo.position import EventPosition, Position, earlier, iso
from connectors.klaviyo.settings import Settings
from connectors.pacing import Clock

EVENT_PAGE = 1000
RESOLUTION = timedelta(seconds=1)
"""Filters are strict and times have whole seconds: what shares the last second is read again."""
CLOCK_SKEW = timedelta(minutes=5)
"""How far our clock may be from Klaviyo's where a position comes from ours."""
MOST_RESTARTS = 5
SUPPRESSED_AT = "subscriptions.email.marketing.suppression.timestamp"


class Reader:
    """Reads one account."""

    def __init__(self, account: Collections, settings: Settings, *, clock: Clock) -> None:
        self._account = account
        self._settings = settings
        self._clock = clock
        self._lookback = RESOLUTION + timedelta(seconds=settings.lookback_s)

    # ---- profiles --------------------------------------------------------------------------------

    def profiles(self, stream: Stream, after: str | None) -> Iterator[Page]:
        """Everybody, or who changed since the position; the last page is empty and has the final position."""
        start = Position.load(after, now=self._clock.utc_now())
        if start.listing is not None or self._full_read_is_due(start):
            return self._everybody(stream, start)
        return self._changed(stream, start)

    def _full_read_is_due(self, start: Position) -> bool:
        if start.full is None:
            return True
        oldest = iso(self._clock.utc_now() - timedelta(days=self._settings.full_read_days))
        return self._settings.full_read_days > 0 and start.full < oldest

    def _everybody(self, stream: Stream, start: Position) -> Iterator[Page]:
        began = start.listing or iso(self._clock.utc_now())
        name = f"full read of {began}"
        reached = start.reached if start.listing is not None else None
        since = earlier(reached, RESOLUTION) if reached else None
        lists = self._memberships()
        for rows, until in self._by_time("updated", "greater-than", since):
            reached = self._latest(reached, until)
            table, rejected = self._table(stream, rows, lists)
            position = Position(reached, start.checked, start.full, listing=began)
            yield Page(table, position.dump(), rejected, listing=name)
        empty, _ = self._table(stream, [], lists)
        reached = _at_least(reached, began)
        position = Position(reached, checked=began, full=began)
        yield Page(empty, position.dump(), listing=name, listing_ends=True)

    def _changed(self, stream: Stream, start: Position) -> Iterator[Page]:
        now = iso(self._clock.utc_now())
        reached = start.reached
        since = earlier(reached, self._lookback) if reached else None
        lists: Mapping[str, list[str]] | None = None
        seen: set[str] = set()
        for rows, until in self._by_time("updated", "greater-than", since):
            reached = self._latest(reached, until)
            if rows and lists is None:
                lists = self._memberships()
            seen.update(str(row.get("id")) for row in rows)
            table, rejected = self._table(stream, rows, lists)
            yield Page(table, Position(reached, start.checked, start.full).dump(), rejected)
        since = earlier(start.checked, self._lookback + CLOCK_SKEW) if start.checked else None
        for rows in self._moved_otherwise(since):
            fresh = [row for row in rows if str(row.get("id")) not in seen]
            if not fresh:
                continue
            lists = self._memberships() if lists is None else lists
            seen.update(str(row.get("id")) for row in fresh)
            table, rejected = self._table(stream, fresh, lists)
            yield Page(table, Position(reached, start.checked, start.full).dump(), rejected)
        empty, _ = self._table(stream, [], lists)
        yield Page(empty, Position(_at_least(reached, now), now, start.full).dump())

    def _moved_otherwise(self, since: str | None) -> Iterator[list[Json]]:
        """Who was suppressed, or came into a list that is read, whether or not `updated` moved."""
        if since is None:
            return
        for rows, _ in self._by_time(SUPPRESSED_AT, "greater-or-equal", since):
            yield rows
        for group in self._groups():
            query = {"filter": f"greater-than(joined_group_at,{since})", "sort": "joined_group_at"}
            yield from self._account.rows(
                f"get_profiles_for_{group.kind}",
                group.id,
                query={**query, **self._asked(), "page[size]": PAGE},
            )

    def _by_time(
        self, field: str, operator: str, since: str | None
    ) -> Iterator[tuple[list[Json], str | None]]:
        """Profiles in ascending order of a time, with the last `updated` among them.

        A page cursor that Klaviyo does not know any more starts the window anew from where we were.
        """
        restarts = 0
        reached = None
        while True:
            query: dict[str, str | int] = {"sort": field, "page[size]": PAGE, **self._asked()}
            if since is not None:
                query["filter"] = f"{operator}({field},{since})"
            try:
                for rows in self._account.rows("get_profiles", query=query):
                    times = [str(at) for row in rows if (at := (row.get("attributes") or {}).get("updated"))]
                    reached = times[-1] if times else reached
                    yield rows, reached
                return
            except Refused as refused:
                restarts += 1
                cursor = any(fault.parameter == "page[cursor]" for fault in refused.faults)
                if not cursor or restarts > MOST_RESTARTS:
                    raise
                if reached is not None and field == "updated":
                    since = earlier(reached, RESOLUTION)

    def _asked(self) -> dict[str, str]:
        additional = ["subscriptions", *(["predictive_analytics"] if self._settings.predictive else [])]
        return {
            "additional-fields[profile]": ",".join(additional),
            "fields[profile]": mapping.asked_fields(self._settings),
        }

    def _table(
        self, stream: Stream, rows: list[Json], lists: Mapping[str, list[str]] | None
    ) -> tuple[pa.Table, tuple[RejectedRow, ...]]:
        known = lists if self._settings.lists else None
        return mapping.profile_rows(stream, rows, settings=self._settings, lists=known)

    def _latest(self, reached: str | None, seen: str | None) -> str | None:
        """The later of two times, never one that lies in the future."""
        if seen is None:
            return reached
        now = iso(self._clock.utc_now())
        found = min(earlier(seen, timedelta(0)), now)
        return found if reached is None else max(found, reached)

    # ---- lists and segments ----------------------------------------------------------------------

    def _memberships(self) -> Mapping[str, list[str]]:
        """Profile id → names of the lists and segments it is on, of those that are read."""
        found: dict[str, list[str]] = {}
        for group in self._groups():
            query: Query = {"page[size]": PAGE}
            for rows in self._account.rows(f"get_profile_ids_for_{group.kind}", group.id, query=query):
                for row in rows:
                    names = found.setdefault(str(row["id"]), [])
                    if group.name not in names:
                        names.append(group.name)
        return found

    def _groups(self) -> list[Group]:
        """The lists and segments that the settings name, by name or id."""
        if not self._settings.lists:
            return []
        every = [*self._account.lists(), *self._account.segments()]
        wanted = dict.fromkeys(self._settings.lists)
        for name in wanted:
            if not any(name in (group.id, group.name) for group in every):
                raise BadSource(f'klaviyo: there is no list or segment "{name}"; see lists in the config')
        return [group for group in every if group.id in wanted or group.name in wanted]

    # ---- events ----------------------------------------------------------------------------------

    def events(self, stream: Stream, after: str | None) -> Iterator[Page]:
        """Events since the position, metric by metric, each in ascending order of time."""
        position = EventPosition.load(after, now=self._clock.utc_now())
        kinds = {name.casefold(): kind for name, kind in activity.kinds(self._settings).items()}
        lookback = RESOLUTION + timedelta(seconds=self._settings.event_lookback_s)
        for id_, name in sorted(self._account.metrics()):
            kind = kinds.get(name.casefold())
            if kind is None:
                continue
            since = position.reached.get(id_)
            terms = [f'equals(metric_id,"{id_}")']
            if since is not None:
                terms.append(f"greater-than(datetime,{earlier(since, lookback)})")
            query: Query = {
                "filter": ",".join(terms),
                "sort": "datetime",
                "include": "profile",
                "fields[profile]": "email",
                "page[size]": EVENT_PAGE,
            }
            for answer in self._account.answers("get_events", query=query):
                table, rejected = activity.event_rows(
                    stream,
                    answer["data"],
                    metric=name,
                    kind=kind,
                    addresses=_addresses(answer),
                    settings=self._settings,
                )
                times = [
                    str(at) for row in answer["data"] if (at := (row.get("attributes") or {}).get("datetime"))
                ]
                reached = self._latest(position.reached.get(id_), times[-1] if times else None)
                position = position if reached is None else position.at(id_, reached)
                if table.num_rows or rejected:
                    yield Page(table, position.dump(), rejected)


def _at_least(reached: str | None, began: str) -> str:
    """Where the next read goes on behind one that ended: it has seen all that had changed when it `began`.

    From the last change alone, many that changed at one time (by an import) would be read again by every
    read until somebody else changes.
    """
    sure = earlier(began, CLOCK_SKEW)
    return sure if reached is None else max(sure, reached)


def _addresses(answer: Json) -> dict[str, str | None]:
    """Profile id → e-mail, of the profiles that came with the events."""
    included = answer.get("included") or []
    found = [row for row in included if row.get("type") == "profile"]
    return {str(row.get("id")): (row.get("attributes") or {}).get("email") or None for row in found}
