"""Reads Mailchimp's streams so that nothing is lost while they change under us.

A window of members is sorted by `last_changed` and ends in the past, so a member that changes while we
read can only leave it (and is found by the next read). Leaving moves all later ones up by one, which is
why pages overlap, and why a page that shares nobody with the one before starts the window anew from the
last time that was certainly complete.

Who was erased is in no answer and leaves no trace. So everybody is read again every so many days, and once
more what changed meanwhile: whoever no page of such a listing names is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.base import Page, Stream
from connectors.errors import CursorExpired, Unavailable
from connectors.mailchimp import mapping
from connectors.mailchimp.client import Client, Json
from connectors.pacing import Clock
from connectors.positions import refuse_future

PAGE = 1000
OVERLAP = 50
UNSETTLED = timedelta(seconds=5)
"""How far a window stays clear of the present: no second is read while it is still filling."""
RESOLUTION = timedelta(seconds=1)
MOST_RESTARTS = 20
SHOWN_TAGS = 50
PHASES = ("current", "archived")
"""Archived members are in no answer unless asked for by status: a second pass, or they look deleted."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a read stands. After a complete read `until` is not set, and `since` is the end of its window."""

    since: str | None = None
    until: str | None = None
    phase: str = PHASES[0]
    reached: str | None = None  # everything that changed before this second has been read
    campaign: tuple[str, str] | None = None  # send time and id of the last campaign read completely
    listing: str | None = None  # a listing of everybody is under way and began then
    listed: str | None = None  # when the last complete listing began

    def dump(self) -> str:
        """The cursor as stored by the run."""
        given = {
            "since": self.since,
            "until": self.until,
            "phase": self.phase if self.until else None,
            "reached": self.reached,
            "campaign": list(self.campaign) if self.campaign else None,
            "listing": self.listing,
            "listed": self.listed,
        }
        return json.dumps({k: v for k, v in given.items() if v is not None}, separators=(",", ":"))

    @classmethod
    def load(cls, cursor: str | None, *, now: datetime) -> Position:
        """Raises CursorExpired for a cursor that is not one of ours, or that lies in the future."""
        if cursor is None:
            return cls()
        try:
            given = json.loads(cursor)
            campaign = given.get("campaign")
            position = cls(
                since=given.get("since"),
                until=given.get("until"),
                phase=given.get("phase", PHASES[0]),
                reached=given.get("reached"),
                campaign=(campaign[0], campaign[1]) if campaign else None,
                listing=given.get("listing"),
                listed=given.get("listed"),
            )
            times_told = (position.since, position.until, position.reached, position.listing, position.listed)
            texts = filter(None, times_told)
            times = [datetime.fromisoformat(text) for text in texts]
        except (ValueError, AttributeError, IndexError, TypeError) as error:
            raise CursorExpired("the stored position of this stream cannot be read; reading anew") from error
        refuse_future(times, now=now)
        return position


def _iso(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat()


def _earlier(text: str, gap: timedelta) -> str:
    return _iso(datetime.fromisoformat(text) - gap)


class Reader:
    """Reads one audience."""

    def __init__(
        self,
        client: Client,
        list_id: str,
        *,
        clock: Clock,
        lookback_s: int = 60,
        campaign_days: int = 180,
        full_days: int = 7,
        page: int | None = None,
        overlap: int = OVERLAP,
    ) -> None:
        page = PAGE if page is None else page
        if not 0 < overlap < page <= PAGE:
            raise ValueError("pages overlap by at least one and hold at most 1,000")
        self._client = client
        self._list_id = list_id
        self._clock = clock
        self._page = page
        self._overlap = overlap
        self._lookback = RESOLUTION + timedelta(seconds=lookback_s)
        self._campaign_days = timedelta(days=campaign_days)
        self._full_days = full_days

    def members(self, stream: Stream, after: str | None) -> Iterator[Page]:
        """Everybody, or who changed after the position; the last page is empty and has the final position."""
        start = Position.load(after, now=self._clock.utc_now())
        now = _iso(self._clock.utc_now() - UNSETTLED)
        if start.listing is None and self._listing_is_due(start):
            start = Position(listing=now)
        listing = start.listing
        name = None if listing is None else f"members {listing}"
        # The archived pass of an interrupted read ends where its first pass ended, not later.
        until = start.until if start.until is not None and start.phase != PHASES[0] else now
        for phase in PHASES[PHASES.index(start.phase) :]:
            reached = start.reached if phase == start.phase else None
            since = _earlier(start.since, self._lookback) if start.since else None
            since = _earlier(reached, RESOLUTION) if reached else since
            for rows, reached in self._window(since, until, status=None if phase == PHASES[0] else phase):
                table, rejected = mapping.member_rows(stream, [self._with_all_tags(m) for m in rows])
                position = Position(start.since, until, phase, reached, listing=listing, listed=start.listed)
                yield Page(table, position.dump(), rejected, name)
        if listing is not None:
            # The window left out who changed while it was read; they are there all the same.
            position = Position(until=until, phase=PHASES[-1], reached=until, listing=listing)
            for phase in PHASES:
                status = None if phase == PHASES[0] else phase
                for rows, _ in self._window(_earlier(until, RESOLUTION), None, status=status):
                    table, rejected = mapping.member_rows(stream, [self._with_all_tags(m) for m in rows])
                    yield Page(table, position.dump(), rejected, name)
        empty, _ = mapping.member_rows(stream, [])
        position = Position(since=until, listed=listing or start.listed)
        yield Page(empty, position.dump(), (), name, listing_ends=name is not None)

    def _listing_is_due(self, start: Position) -> bool:
        if start.since is None and start.until is None:
            return True
        if start.until is not None or self._full_days == 0:
            return False
        gap = timedelta(days=self._full_days)
        return start.listed is None or start.listed < _iso(self._clock.utc_now() - gap)

    def _with_all_tags(self, member: Json) -> Json:
        """Only 50 tags are shown with a member; the others have an address of their own."""
        if int(member.get("tags_count") or 0) <= len(member.get("tags") or []):
            return member
        tags: list[Json] = []
        while True:
            answer = self._client.read(
                self._client.lists.get_list_member_tags,
                self._list_id,
                member["id"],
                count=PAGE,
                offset=len(tags),
                expect="tags",
            )
            tags.extend(answer["tags"])
            if not answer["tags"] or len(tags) >= answer["total_items"]:
                return {**member, "tags": tags}

    def _window(
        self, since: str | None, until: str | None, *, status: str | None
    ) -> Iterator[tuple[list[Json], str]]:
        """Members changed in the window, oldest first, with the second up to which all are known.

        Without an end it holds those, too, that change while it is read: they come again at its end.
        """
        fields = [f"members.{key}" for key in mapping.MEMBER_KEYS]
        offset = seen = restarts = 0
        before: set[str] = set()
        reached = since
        while True:
            bounds = {"since_last_changed": since, "before_last_changed": until, "status": status}
            answer = self._client.read(
                self._client.lists.get_list_members_info,
                self._list_id,
                sort_field="last_changed",
                sort_dir="ASC",
                count=self._page,
                offset=offset,
                fields=[*fields, "total_items"],
                expect="members",
                **{name: value for name, value in bounds.items() if value is not None},
            )
            rows, total = answer["members"], int(answer["total_items"])
            ids = {str(m["id"]) for m in rows}
            torn = offset > 0 and not ids & before
            fresh = [] if torn else [m for m in rows if str(m["id"]) not in before]
            seen += len(fresh)
            if fresh:
                reached = str(fresh[-1]["last_changed"])
                yield fresh, reached
            ended = not torn and offset + len(rows) >= total
            if ended and seen >= total:
                return
            if torn or ended:
                restarts += 1
                if restarts > MOST_RESTARTS:
                    raise Unavailable("the audience changes faster than it can be read; trying again later")
                since = _earlier(reached, RESOLUTION) if reached else None
                offset, seen, before = 0, 0, set()
                continue
            before = ids
            offset += max(1, len(rows) - self._overlap)

    def campaign_activity(self, after: str | None) -> Iterator[Page]:
        """Opens, clicks and bounces: campaign by campaign, oldest first."""
        start = Position.load(after, now=self._clock.utc_now())
        until = start.until or _iso(self._clock.utc_now() - UNSETTLED)
        since = _earlier(start.since, self._lookback) if start.since else None
        done = start.campaign
        for campaign in self._campaigns(since):
            key = (str(campaign["send_time"]), str(campaign["id"]))
            if start.campaign is not None and key <= start.campaign:
                continue
            for rows in self._recipients(str(campaign["id"]), since):
                table, rejected = mapping.activity_rows(campaign, rows)
                if not table.num_rows and not rejected:
                    continue  # most recipients of most campaigns did nothing
                # Inside a campaign the position stays at the one before: it is read again as a whole.
                position = Position(since=start.since, until=until, campaign=done)
                yield Page(table, position.dump(), rejected)
            done = key
        empty, _ = mapping.activity_rows({"id": ""}, [])
        yield Page(empty, Position(since=until).dump())

    def _campaigns(self, since: str | None) -> list[Json]:
        """Campaigns of this audience that may still get opens, by send time."""
        bounds = {"since_send_time": _earlier(since, self._campaign_days)} if since else {}
        keys = ("id", "send_time", "settings.title", "recipients.list_id")
        found: list[Json] = []
        while True:
            answer = self._client.read(
                self._client.campaigns.list,
                status="sent",
                list_id=self._list_id,
                count=PAGE,
                offset=len(found),
                fields=[*(f"campaigns.{key}" for key in keys), "total_items"],
                expect="campaigns",
                **bounds,
            )
            found.extend(answer["campaigns"])
            if not answer["campaigns"] or len(found) >= int(answer["total_items"]):
                break
        return sorted(found, key=lambda c: (str(c["send_time"]), str(c["id"])))

    def _recipients(self, campaign_id: str, since: str | None) -> Iterator[list[Json]]:
        bounds = {"since": since} if since else {}
        keys = ("campaign_id", "email_id", "email_address", "activity")
        return self._overlapping(
            "emails",
            "email_id",
            self._client.reports.get_email_activity_for_campaign,
            campaign_id,
            fields=[*(f"emails.{key}" for key in keys), "total_items"],
            **bounds,
        )

    def orders(self) -> Iterator[Page]:
        """All orders of the stores connected to this audience; there is no filter by date."""
        stores = self._overlapping(
            "stores",
            "id",
            self._client.ecommerce.stores,
            fields=["stores.id", "stores.list_id", "total_items"],
        )
        ours = [str(s["id"]) for page in stores for s in page if s.get("list_id") == self._list_id]
        for store_id in ours:
            pages = self._overlapping("orders", "id", self._client.ecommerce.get_store_orders, store_id)
            for rows in pages:
                table, rejected = mapping.order_rows({**row, "store_id": store_id} for row in rows)
                yield Page(table, None, rejected)

    def tagged(self, segment_id: str, keys: Sequence[str]) -> Iterator[list[Json]]:
        """Everybody with a tag, whatever the consent; raises Refused if there is no such tag."""
        return self._overlapping(
            "members",
            "id",
            self._client.lists.get_segment_members_list,
            self._list_id,
            segment_id,
            include_unsubscribed=True,
            include_cleaned=True,
            include_transactional=True,
            fields=[*(f"members.{key}" for key in keys), "total_items"],
        )

    def all_members(self, keys: Sequence[str]) -> Iterator[list[Json]]:
        """Everybody who is not archived."""
        return self._overlapping(
            "members",
            "id",
            self._client.lists.get_list_members_info,
            self._list_id,
            sort_field="timestamp_opt",
            sort_dir="ASC",
            fields=[*(f"members.{key}" for key in keys), "total_items"],
        )

    def _overlapping(
        self, key: str, id_key: str, method: object, *args: object, **kwargs: object
    ) -> Iterator[list[Json]]:
        """Pages of a collection without a time to go by: on a gap it starts again from the beginning.

        Yields each item at least once, an item twice only after such a restart.
        """
        offset = restarts = 0
        before: set[str] = set()
        while True:
            answer = self._client.read(
                method,  # type: ignore[arg-type]
                *args,
                count=self._page,
                offset=offset,
                expect=key,
                **kwargs,
            )
            rows = answer[key]
            ids = {str(row[id_key]) for row in rows}
            if offset > 0 and not ids & before:
                restarts += 1
                if restarts > MOST_RESTARTS:
                    raise Unavailable(f"{key} change faster than they can be read; trying again later")
                offset, before = 0, set()
                continue
            fresh = [row for row in rows if str(row[id_key]) not in before]
            if fresh:
                yield fresh
            if offset + len(rows) >= int(answer["total_items"]):
                return
            before = ids
            offset += max(1, len(rows) - self._overlap)
