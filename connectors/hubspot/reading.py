"""Reads HubSpot's streams so that nothing is lost: everybody by the list, then changes by search.

A listing reads the live store and names everybody, so who is missing from it is gone (erased contacts leave
no trace elsewhere). Search lags and skips, so its windows begin before the last position (lookback), and the
listing is repeated every few days.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from connectors.base import Page
from connectors.hubspot import deals, mapping
from connectors.hubspot.answers import Json
from connectors.hubspot.client import Client
from connectors.hubspot.consent import unsubscribed_path
from connectors.hubspot.moments import milliseconds, moment
from connectors.hubspot.objects import Objects, portions
from connectors.hubspot.position import Position
from connectors.hubspot.refusals import expected
from connectors.hubspot.settings import Reading
from connectors.hubspot.windows import Windows
from connectors.pacing import Clock

ROWS = 1_000
"""Rows of one of our pages: ten of HubSpot's, so that a million contacts are not ten thousand checkpoints."""
MOST_KEPT = 50_000
COMPANY_PROPERTIES = tuple(mapping.COMPANY_FIELDS)
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
CLEAR_MS = 10_000
"""So long before a listing began the search after it begins: two clocks that count as the same may be two
seconds apart."""


class Reader:
    """One read; keeps the companies it has seen."""

    def __init__(self, client: Client, *, clock: Clock, reading: Reading, connections: int) -> None:
        self._client = client
        self._clock = clock
        self._reading = reading
        self._objects = Objects(client, connections=connections)
        self._companies: dict[str, Json] = {}

    # ---- contacts --------------------------------------------------------------------------------

    def contacts(self, shape: mapping.ContactShape, after: str | None) -> Iterator[Page]:
        """Everybody, or who changed after the position; the last page carries the final position."""
        now = self._now()
        start = Position.load(after, now=now)
        if self._listing_is_due(start, now):
            yield from self._listing(shape, start, now)
            return
        until = now if start.until is None else start.until
        overflowed = yield from self._changed_contacts(shape, start, until)
        if overflowed:
            yield from self._listing(shape, Position(since=start.since), now)
            return
        archived = start.archived
        if archived is None or now - archived >= self._reading.archived_hours * HOUR_MS:
            yield from self._archived(shape, start, until)
            archived = until
        final = Position(since=until, listed=start.listed, archived=archived)
        yield self._contacts_page(shape, [], final)

    def _listing_is_due(self, start: Position, now: int) -> bool:
        if start.began is not None or start.since is None:
            return True
        days = self._reading.full_days
        return days > 0 and (start.listed is None or now - start.listed >= days * DAY_MS)

    def _listing(self, shape: mapping.ContactShape, start: Position, now: int) -> Iterator[Page]:
        began = now if start.began is None else start.began
        name = f"contacts {began}"
        final = Position(since=began, listed=began, archived=began)
        waiting: list[Json] = []
        for rows, after in self._objects.pages("contacts", shape.asked, after=start.after):
            waiting += rows
            if after is None:
                page = self._contacts_page(shape, waiting, final, listing=name)
                yield replace(page, listing_ends=True)
            elif len(waiting) >= ROWS:
                yield self._contacts_page(shape, waiting, Position(began=began, after=after), listing=name)
                waiting = []

    def _changed_contacts(
        self, shape: mapping.ContactShape, start: Position, until: int
    ) -> Generator[Page, None, bool]:
        """Contacts changed, then contacts of companies that changed. Its value: search cannot tell all."""
        low = self._low(start)
        place = Position(
            since=start.since,
            until=until,
            reached=start.reached,
            listed=start.listed,
            archived=start.archived,
        )
        windows = self._windows("contacts", "lastmodifieddate", shape.asked)
        waiting: list[Json] = []
        for rows, reached in windows.changed(low, until):
            waiting += rows
            if reached is not None:
                place = _reached(place, reached)
            if waiting and (len(waiting) >= ROWS or reached == until):
                yield self._contacts_page(shape, waiting, place, tombstones=True)
                waiting = []
        if windows.overflowed or not self._reading.companies:
            return windows.overflowed
        companies = self._windows("companies", "hs_lastmodifieddate", COMPANY_PROPERTIES)
        for rows, _ in companies.changed(self._low(Position(since=start.since, listed=start.listed)), until):
            ids = [str(company["id"]) for company in rows]
            self._keep(rows)
            found = self._objects.associated("companies", "contacts", ids)
            people = [str(t["toObjectId"]) for one in found.values() for t in one["to"]]
            for some in portions(list(dict.fromkeys(people)), ROWS):
                contacts = self._objects.by_id("contacts", some, shape.asked)
                yield self._contacts_page(shape, contacts, place)
        return companies.overflowed

    def _archived(self, shape: mapping.ContactShape, start: Position, until: int) -> Iterator[Page]:
        """Contacts that went to the archive since it was last looked through."""
        since = (start.archived or 0) - self._reading.lookback_s * 1000
        place = Position(
            since=start.since, until=until, reached=until, listed=start.listed, archived=start.archived
        )
        for rows, _ in self._objects.pages("contacts", shape.asked, archived=True):
            gone = [one for one in rows if _time(one.get("archivedAt")) >= since]
            if gone:
                yield self._contacts_page(shape, [{**one, "archived": True} for one in gone], place)

    def _contacts_page(
        self,
        shape: mapping.ContactShape,
        contacts: Sequence[Json],
        place: Position,
        *,
        listing: str | None = None,
        tombstones: bool = False,
    ) -> Page:
        """The rows with what belongs to them elsewhere: company, unsubscriptions."""
        unique = list({str(one.get("id") or number): one for number, one in enumerate(contacts)}.values())
        living = [str(one["id"]) for one in unique if one.get("id") and not one.get("archived")]
        table, rejected = mapping.contact_rows(
            shape,
            unique,
            company_of=self._company_of(living) if self._reading.companies and living else None,
            unsubscribed=self._unsubscribed(unique) if self._reading.ask_unsubscribed else frozenset(),
            tombstones=tombstones,
        )
        return Page(table, place.dump(), rejected, listing=listing)

    def _company_of(self, contacts: Sequence[str]) -> dict[str, Json]:
        found = self._objects.associated("contacts", "companies", contacts)
        chosen = {id_: company for id_, one in found.items() if (company := mapping.primary(one))}
        missing = [company for company in dict.fromkeys(chosen.values()) if company not in self._companies]
        self._keep(self._objects.by_id("companies", missing, COMPANY_PROPERTIES))
        return {
            id_: self._companies[company] for id_, company in chosen.items() if company in self._companies
        }

    def _keep(self, companies: Sequence[Json]) -> None:
        if len(self._companies) > MOST_KEPT:
            self._companies.clear()
        self._companies.update({str(company["id"]): company for company in companies})

    def _unsubscribed(self, contacts: Sequence[Json]) -> frozenset[str]:
        """Addresses, in lower case, that the preferences API calls unsubscribed from everything."""
        addresses = [str(a) for one in contacts if (a := (one.get("properties") or {}).get("email"))]
        path = unsubscribed_path(self._client.api_version)
        found: set[str] = set()
        for some in portions(addresses):
            answer = expected(
                lambda some=some: self._client.ask(  # type: ignore[misc]
                    "POST", path, body={"inputs": list(some)}, expect="results", channel="EMAIL"
                )
            )
            for result in answer["results"]:
                statuses = result.get("wideStatuses") or []
                if any(s.get("status") in ("UNSUBSCRIBED", "NOT_SUBSCRIBED") for s in statuses):
                    found.add(str(result.get("subscriberIdString") or "").lower())
        return frozenset(found)

    # ---- deals -----------------------------------------------------------------------------------

    def deals(self, after: str | None) -> Iterator[Page]:
        """All deals, or those changed after the position."""
        now = self._now()
        start = Position.load(after, now=now)
        if self._listing_is_due(start, now):
            yield from self._all_deals(start, now)
            return
        until = now if start.until is None else start.until
        place = Position(since=start.since, until=until, reached=start.reached, listed=start.listed)
        windows = self._windows("deals", "hs_lastmodifieddate", deals.DEAL_PROPERTIES)
        for rows, reached in windows.changed(self._low(start), until):
            if reached is not None:
                place = _reached(place, reached)
            if rows:
                yield self._deals_page(rows, place)
        if windows.overflowed:
            yield from self._all_deals(Position(), now)
            return
        yield self._deals_page([], Position(since=until, listed=start.listed))

    def _all_deals(self, start: Position, now: int) -> Iterator[Page]:
        began = now if start.began is None else start.began
        for rows, after in self._objects.pages("deals", deals.DEAL_PROPERTIES, after=start.after):
            done = Position(since=began, listed=began)
            yield self._deals_page(rows, done if after is None else Position(began=began, after=after))

    def _deals_page(self, rows: Sequence[Json], place: Position) -> Page:
        found = self._objects.associated("deals", "contacts", [str(deal["id"]) for deal in rows])
        contacts = {id_: [str(t["toObjectId"]) for t in one["to"]] for id_, one in found.items()}
        table, rejected = deals.deal_rows(rows, contacts_of=contacts)
        return Page(table, place.dump(), rejected)

    # ---- members of the own field ----------------------------------------------------------------

    def everybody(self, properties: Sequence[str]) -> Iterator[list[Json]]:
        """All contacts with these properties, from the live store: search lacks what was just written."""
        for rows, _ in self._objects.pages("contacts", properties):
            yield rows

    # ---- shared ----------------------------------------------------------------------------------

    def _windows(self, type_: str, modified: str, properties: Sequence[str]) -> Windows:
        return Windows(
            lambda body: expected(lambda: self._client.search(type_, body)),
            modified=modified,
            properties=properties,
        )

    def _low(self, start: Position) -> int:
        """Where a search begins: before the position, for the index lags; but a listing was complete, as of
        when it began by a clock that may be a little ahead of HubSpot's."""
        if start.reached is not None:
            return start.reached
        return max((start.since or 0) - self._reading.lookback_s * 1000, (start.listed or 0) - CLEAR_MS)

    def _now(self) -> int:
        return milliseconds(self._clock.utc_now())


def _reached(place: Position, reached: int) -> Position:
    return Position(
        since=place.since, until=place.until, reached=reached, listed=place.listed, archived=place.archived
    )


def _time(value: object) -> int:
    found = moment(value)
    return 0 if found is None else milliseconds(found)
