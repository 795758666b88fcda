"""Reads objects of any type: pages of a list, objects by id, what they are associated with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from connectors.errors import CursorExpired, Unavailable
from connectors.hubspot.answers import Json, Refused
from connectors.hubspot.client import Client
from connectors.hubspot.refusals import expected, judged

PAGE = 100
INPUTS = 100
LONGEST_QUERY = 6_000
"""Longer lists of properties do not fit into an address; they are asked for in a body, by id."""
Item = TypeVar("Item")
Result = TypeVar("Result")


def portions(items: Sequence[Item], size: int = INPUTS) -> Iterator[Sequence[Item]]:
    """The items in portions of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


class Objects:
    """Reading calls of one connection; as many at once as it may have."""

    def __init__(self, client: Client, *, connections: int) -> None:
        self._client = client
        self._connections = connections

    def pages(
        self, type_: str, properties: Sequence[str], *, after: str | None = None, archived: bool = False
    ) -> Iterator[tuple[list[Json], str | None]]:
        """Objects by id, with the cursor of the next page. Raises CursorExpired if `after` is refused."""
        first = after
        seen = {after}
        while True:
            try:
                answer = self._page(type_, properties, after=after, archived=archived)
            except Refused as refused:
                if refused.status == 400 and after is not None and after == first:
                    raise CursorExpired(f"HubSpot does not know the stored place in the {type_}") from None
                raise judged(refused) from None
            after = ((answer.get("paging") or {}).get("next") or {}).get("after")
            yield answer["results"], after
            if after is None:
                return
            if after in seen:
                raise Unavailable(f"HubSpot's pages of {type_} lead in a circle; trying again later")
            seen.add(after)

    def _page(self, type_: str, properties: Sequence[str], *, after: str | None, archived: bool) -> Json:
        joined = ",".join(properties)
        fits = len(joined) <= LONGEST_QUERY
        answer = self._client.read(
            self._client.crm.objects.basic_api.get_page,
            type_,
            limit=PAGE,
            archived=archived,
            properties=[joined if fits else "hs_object_id"],
            expect="results",
            **({} if after is None else {"after": after}),
        )
        if not fits:
            ids = [str(one["id"]) for one in answer["results"]]
            found = {str(o["id"]): o for o in self.by_id(type_, ids, properties, archived=archived)}
            answer["results"] = [found[id_] for id_ in ids if id_ in found]
        return answer

    def by_id(
        self, type_: str, ids: Sequence[str], properties: Sequence[str], *, archived: bool = False
    ) -> list[Json]:
        """The objects that are there, in no order."""

        def portion(some: Sequence[str]) -> list[Json]:
            body = {
                "inputs": [{"id": id_} for id_ in some],
                "properties": list(properties),
                "propertiesWithHistory": [],
            }
            method = self._client.crm.objects.batch_api.read
            read = self._client.read(method, type_, body, archived=archived, expect="results")
            return list(read["results"])

        return [one for some in self._side_by_side(portion, portions(ids)) for one in some]

    def associated(self, from_: str, to: str, ids: Sequence[str]) -> Mapping[str, Json]:
        """Id → its association answer with all of `to`; those that have none are left out."""
        method = self._client.crm.associations.v4.batch_api.get_page

        def portion(some: Sequence[str]) -> dict[str, Json]:
            found: dict[str, Json] = {}
            inputs: list[Json] = [{"id": id_} for id_ in some]
            while inputs:
                read = self._client.read(method, from_, to, {"inputs": inputs}, expect="results")
                inputs = []
                for one in read["results"]:
                    id_ = str((one.get("from") or {}).get("id"))
                    found.setdefault(id_, {"to": []})["to"].extend(one.get("to") or [])
                    after = ((one.get("paging") or {}).get("next") or {}).get("after")
                    if after is not None:
                        inputs.append({"id": id_, "after": after})
            return found

        whole: dict[str, Json] = {}
        for some in self._side_by_side(portion, portions(ids)):
            whole.update(some)
        return whole

    def _side_by_side(
        self, work: Callable[[Sequence[str]], Result], inputs: Iterable[Sequence[str]]
    ) -> list[Result]:
        some = list(inputs)
        if len(some) <= 1:
            return [expected(lambda one=one: work(one)) for one in some]  # type: ignore[misc]
        with ThreadPoolExecutor(max_workers=self._connections) as pool:
            return expected(lambda: list(pool.map(work, some)))
