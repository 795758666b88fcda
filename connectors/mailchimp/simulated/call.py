"""One request to the simulated Mailchimp while it is handled: parameters, body, paging."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from connectors.mailchimp.simulated import shapes
from connectors.mailchimp.simulated.audience import Audience, Segment
from connectors.mailchimp.simulated.rules import invalid, not_found
from connectors.mailchimp.simulated.shapes import Chosen, Json

if TYPE_CHECKING:
    from connectors.mailchimp.simulator import MailchimpSimulator

Answer = tuple[int, Json | None]
Item = TypeVar("Item")
MOST_AT_ONCE = 500


class Call:
    """One authenticated request while it is handled."""

    def __init__(
        self, account: MailchimpSimulator, query: Mapping[str, str], body: Mapping[str, object], base: str
    ) -> None:
        self.account = account
        self.query = query
        self.body = body
        self.base = base
        self.chosen = Chosen(query)

    def audience(self, id: str) -> Audience:
        """The audience, or 404."""
        found = self.account.audiences.get(id)
        if found is None:
            raise not_found()
        return found

    def segment(self, audience: Audience, id: str) -> Segment:
        """The tag, or 404."""
        found = audience.segments.get(int(id))
        if found is None:
            raise not_found()
        return found

    def texts(self, name: str) -> list[str]:
        """A list of texts in the body; missing or null: none."""
        given = self.body.get(name) or []
        if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
            raise invalid("The resource submitted could not be validated.", (name, "Schema describes array"))
        return given

    def rows(self, name: str) -> list[Mapping[str, object]]:
        """A list of objects in the body; missing or null: none."""
        given = self.body.get(name) or []
        if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
            raise invalid("The resource submitted could not be validated.", (name, "Schema describes array"))
        return given

    def time(self, name: str) -> float | None:
        """A time among the parameters, as seconds; fractions and Z are accepted."""
        text = self.query.get(name)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise invalid("The resource submitted could not be validated.", (name, "Not a time")) from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    def page(self) -> tuple[int, int]:
        """offset and count; at most 1,000."""
        try:
            count, offset = int(self.query.get("count", 10)), int(self.query.get("offset", 0))
        except ValueError:
            raise invalid("The resource submitted could not be validated.") from None
        if not 0 <= count <= 1000 or offset < 0:
            raise invalid("The resource submitted could not be validated.", ("count", "0 to 1000"))
        return offset, count

    def collection(
        self, key: str, items: Sequence[Item], show: Callable[[Item], Json], *, path: str, **more: object
    ) -> Answer:
        """One page of `items`."""
        offset, count = self.page()
        keys = self.chosen.keys(key)
        shown: Iterable[Json] = (show(item) for item in islice(items, offset, offset + count))
        if keys == frozenset():
            shown = ()
        parent = path.rsplit("/", 1)[0]
        made = shapes.collection(self.base, key, shown, len(items), path=path, parent=parent, **more)
        return 200, self.chosen.apply(made)
