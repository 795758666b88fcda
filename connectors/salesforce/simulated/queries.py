"""Running queries over the org's records: pages with a cursor that survives writes, and dies on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.salesforce.simulated import soql
from connectors.salesforce.simulated.answers import Problem, attributes, shown
from connectors.salesforce.simulated.ids import made_id
from connectors.salesforce.simulated.org import Org

LOCATOR_LIFE_S = 2 * 86_400


@dataclass(frozen=True, slots=True)
class _Cursor:
    query: soql.Query
    ids: tuple[str, ...]
    version: str
    path: str
    made: int


class Queries:
    """Open cursors. `page` is how many rows come at once; `forget` kills all cursors."""

    def __init__(self, org: Org, *, page: int = 2000) -> None:
        self._org = org
        self.page = page
        self._cursors: dict[str, _Cursor] = {}
        self._made = 0

    def forget(self) -> None:
        """As if two days had gone by."""
        self._cursors.clear()

    def first(self, text: str, *, version: str, deleted: bool) -> dict[str, Any]:
        """The first page; `deleted`: rows of the bin and archived ones, too."""
        try:
            query = soql.parse(text, schema=self._org.schema, reach=self.reach(text))
        except soql.BadQuery as bad:
            raise Problem(400, bad.code, str(bad)) from None
        reach = self.reach(query.object.name)
        rows = [
            r
            for r in self._org.tables[query.object.name].values()
            if (deleted or not (r["IsDeleted"] or r.get("IsArchived"))) and query.matches(r)
        ]
        if query.counted:
            return {"totalSize": len(rows), "done": True, "records": []}
        ids = tuple(str(r["Id"]) for r in soql.ordered(rows, query, reach)[: query.limit])
        cursor = _Cursor(query, ids, version, "queryAll" if deleted else "query", self._org.now())
        self._made += 1
        name = made_id("01g", self._made)
        if len(ids) > self.page:
            self._cursors[name] = cursor
        return self._page(name, cursor, 0)

    def more(self, name: str, start: int) -> dict[str, Any]:
        """A further page; raises Problem for a cursor that is not there any more."""
        cursor = self._cursors.get(name)
        if cursor is None or self._org.now() - cursor.made > LOCATOR_LIFE_S:
            raise Problem(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(name, cursor, start)

    def _page(self, name: str, cursor: _Cursor, start: int) -> dict[str, Any]:
        end = start + self.page
        table = self._org.tables[cursor.query.object.name]
        rows = [table[id] for id in cursor.ids[start:end] if id in table]
        answer: dict[str, Any] = {"totalSize": len(cursor.ids), "done": end >= len(cursor.ids)}
        if not answer["done"]:
            answer["nextRecordsUrl"] = f"/services/data/v{cursor.version}/{cursor.path}/{name}-{end}"
        answer["records"] = [self._shown(r, cursor) for r in rows]
        return answer

    def _shown(self, record: Mapping[str, Any], cursor: _Cursor) -> dict[str, Any]:
        schema = cursor.query.object
        found: dict[str, Any] = {"attributes": attributes(schema.name, record["Id"], cursor.version)}
        for path in cursor.query.fields:
            if "." not in path:
                found[path] = shown(record[path], schema.fields[path.lower()])
                continue
            link, name = path.split(".")
            parent = self._parent(schema.name, record, link)
            if parent is None:
                found[link] = None
                continue
            home, values = parent
            inner = found.setdefault(link, {"attributes": attributes(home, values["Id"], cursor.version)})
            inner[name] = shown(values[name], self._org.schema[home.lower()].fields[name.lower()])
        return found

    def _parent(
        self, object: str, record: Mapping[str, Any], link: str
    ) -> tuple[str, Mapping[str, Any]] | None:
        for field in self._org.schema[object.lower()].fields.values():
            if field.references and field.relationship == link:
                for target in field.references:
                    values = self._org.tables.get(target, {}).get(str(record[field.name]))
                    if values is not None:
                        return target, values
        return None

    def reach(self, _: str) -> soql.Reach:
        """Values by path, over one relationship."""

        def value(record: Mapping[str, Any], path: str) -> Any:
            if "." not in path:
                return record[path]
            link, name = path.split(".")
            object = self._org.object_of(str(record["Id"]))
            parent = self._parent(str(object), record, link)
            return None if parent is None else parent[1][name]

        return value
