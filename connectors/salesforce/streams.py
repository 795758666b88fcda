"""Which lanes each stream is read by, from what our user can see."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.base import Page, Stream
from connectors.errors import BadSource
from connectors.salesforce import activity, mapping
from connectors.salesforce.catalog import Catalog
from connectors.salesforce.client import Json
from connectors.salesforce.mapping import Layout
from connectors.salesforce.reading import Converted, Lane, Reader, quoted
from connectors.salesforce.settings import Settings

PEOPLE = ("Contact", "Lead")


class Streams:
    """Reads the streams of one org."""

    def __init__(self, reader: Reader, catalog: Catalog, settings: Settings) -> None:
        self._reader = reader
        self._catalog = catalog
        self._settings = settings

    def layout(self) -> Layout:
        """The columns of the contact stream. Raises BadSource if there are neither contacts nor leads."""
        contact, lead = (self._catalog.types(object) for object in PEOPLE)
        if not contact and not lead:
            raise BadSource(
                "salesforce: the user may see neither contacts nor leads; grant read access to them"
            )
        return mapping.layout(contact, lead, own_field=self._settings.own_field, wanted=self._settings.fields)

    def read(self, stream: Stream, layout: Layout, after: str | None) -> Iterator[Page]:
        """Pages of one of our streams."""
        if stream.name == layout.stream.name:

            def people(lane: Lane, rows: list[Json]) -> Converted:
                return mapping.people_rows(layout, lane.object, rows)

            return self._reader.stream(self._people(layout), after, people, listed=True)

        def events(lane: Lane, rows: list[Json]) -> Converted:
            return activity.activity_rows(stream, lane.object, rows)

        lanes = {
            activity.ENGAGEMENT.name: self._engagement,
            activity.CAMPAIGNS.name: self._campaigns,
            activity.OPPORTUNITIES.name: self._opportunities,
        }.get(stream.name)
        if lanes is None:
            raise BadSource(f"salesforce has no stream '{stream.name}'")
        some = lanes()
        return self._reader.stream(some, after, events, listed=False) if some else iter(())

    def _people(self, layout: Layout) -> list[Lane]:
        """Contacts, leads, and those of them whose account or individual changed: that stamps them not."""
        found = []
        for object, fields in zip(PEOPLE, (layout.contact_fields, layout.lead_fields), strict=True):
            if not self._catalog.fields(object):
                continue
            found.append(Lane(object, object, fields, bin=True))
            for related in ("Account", "Individual"):
                if any(path.startswith(f"{related}.") for path in fields):
                    name, stamp = f"{object}/{related}", f"{related}.SystemModstamp"
                    found.append(Lane(name, object, (*fields, "SystemModstamp"), stamp, only_changes=True))
        return found

    def _activity(self, object: str, **more: str | bool) -> list[Lane]:
        fields = self._catalog.visible(object, activity.FIELDS[object])
        return [Lane(object, object, fields, **more)] if fields else []  # type: ignore[arg-type]

    def _engagement(self) -> list[Lane]:
        with_person = "WhoId != null AND IsDeleted = false"
        return [
            lane
            for object in ("Task", "Event")
            for lane in self._activity(object, where=with_person, archive=True)
        ]

    def _campaigns(self) -> list[Lane]:
        """Without the campaigns that are our own segments: who is in them is no news."""
        prefix = quoted(self._settings.own_campaigns)[:-1].replace("%", "\\%").replace("_", "\\_")
        others = f"(NOT Campaign.Name LIKE {prefix}%')" if len(prefix) > 1 else ""
        return self._activity("CampaignMember", where=others)

    def _opportunities(self) -> list[Lane]:
        """Roles by their own time, and by that of their opportunity, which changes without them."""
        found = self._activity("OpportunityContactRole")
        changed = [
            Lane("Opportunity", lane.object, lane.fields, "Opportunity.SystemModstamp", only_changes=True)
            for lane in found
        ]
        return [*found, *changed]
