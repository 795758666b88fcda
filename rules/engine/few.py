"""The relations with the rows of few people alone: each feature gets those of the people it is needed of.

Where somebody keeps the rows in order of persons (`ByPerson`), they are picked there, no more of them than
the windows reach over; else the relations are read and the others' rows thrown away.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules import ir
from rules.engine.features import Activity
from rules.engine.periods import Range
from rules.engine.session import Session
from rules.engine.tables import ByPerson, Span, Tables, always_read, texts
from rules.engine.walk import Feature, aggregates_in, fields_in, kinds_in
from rules.ruleset import RuleSet

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from pyroaring import BitMap

_DISABLED, _SLOW = "disabled_optimizers", "join_order"
"""Over so few rows it takes longer to think about than any order of joins."""


@contextmanager
def few(
    connection: duckdb.DuckDBPyConnection, rules: RuleSet, tables: Tables, asked: Mapping[str, BitMap]
) -> Iterator[Tables]:
    """The relations for asking these rules: `asked`: of each of them the people that matter. What features of
    other people are found to be means nothing."""
    views = _Views(connection)
    disabled = connection.sql(f"SELECT current_setting('{_DISABLED}')").fetchall()[0][0]
    try:
        connection.execute(f"SET {_DISABLED} = '{_SLOW}'")
        if tables.by_person is None:
            yield _thrown_away(views, tables, asked)
        else:
            yield _picked(views, rules, tables, tables.by_person, asked)
    finally:
        connection.execute(f"SET {_DISABLED} = '{disabled}'")
        views.close()


class _Views:
    """Tables of Arrow that the connection knows for the time being."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._prefix, self._made = f"segsync_{secrets.token_hex(4)}_few", list[str]()

    def add(self, table: pa.Table) -> str:
        """Its name."""
        name = f"{self._prefix}{len(self._made)}"
        self.connection.register(name, table)
        self._made.append(name)
        return name

    def close(self) -> None:
        """They are known no more."""
        for name in self._made:
            self.connection.unregister(name)


def _thrown_away(views: _Views, tables: Tables, asked: Mapping[str, BitMap]) -> Tables:
    import pyarrow as pa

    name = views.add(pa.table({"person": _numbers(asked.values())}))

    def rows(relation: str) -> str:
        return f"(SELECT * FROM {relation} SEMI JOIN {name} USING (person))"

    return Tables(rows(tables.people), {kind: rows(found) for kind, found in tables.activity.items()})


@dataclass(frozen=True, slots=True)
class _Picked(Tables):
    """`pick`: the rows of a kind in a range, for these features (none: for all); see `Span.ends`."""

    names: Callable[[str], Collection[str]] = lambda _: ()
    pick: Callable[[str, Range, Sequence[Feature], bool], str] | None = None

    def rows(self, _: Session, kind: str, /) -> Activity:
        """The rows of a kind, for features."""
        return Activity(kind, texts(self.names(kind)), self.pick)


class _Whole(Mapping[str, str]):
    """Kind → the rows of everybody who is asked for anything with the kind, picked once they are wanted."""

    def __init__(self, known: Collection[str], pick: Callable[[str], str]) -> None:
        self._known, self._pick, self._made = known, pick, dict[str, str]()

    def __getitem__(self, kind: str) -> str:
        if kind not in self._known:
            raise KeyError(kind)
        if kind not in self._made:
            self._made[kind] = self._pick(kind)
        return self._made[kind]

    def __contains__(self, kind: object) -> bool:
        return kind in self._known  # as a mapping has it, the rows would be picked

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _picked(
    views: _Views, rules: RuleSet, tables: Tables, kept: ByPerson, asked: Mapping[str, BitMap]
) -> Tables:
    conditions = {name: one.when for name, one in rules.segments.items()}
    of_feature: dict[Feature, list[BitMap]] = {}
    of_kind: dict[str, list[BitMap]] = {}
    for name, condition in conditions.items():
        for feature in aggregates_in(condition):
            of_feature.setdefault(feature, []).append(asked[name])
        for kind in kinds_in(condition):
            of_kind.setdefault(kind, []).append(asked[name])

    def pick(kind: str, found: Range, features: Sequence[Feature], ends: bool) -> str:
        if not features:
            return views.add(kept.rows(kind, _numbers(of_kind[kind]), Span(found), None))
        people = _numbers(bitmap for feature in features for bitmap in of_feature[feature])
        return views.add(kept.rows(kind, people, Span(found, ends), {"at", *_columns(features)}))

    always = always_read(kept.names(None))
    people = kept.rows(None, _numbers(asked.values()), Span(), always | _columns(conditions.values()))
    whole = _Whole(tables.activity, lambda kind: pick(kind, Range(None, None), (), False))
    return _Picked(views.add(people), whole, names=kept.names, pick=pick)


def _columns(roots: Iterable[ir.Node]) -> set[str]:
    """The columns that nodes name."""
    found = {name for root in roots for name in fields_in(root)}
    return found | {f"{name}__ci" for name in found}


def _numbers(bitmaps: Iterable[BitMap]) -> NDArray[np.int32]:
    import numpy as np
    from pyroaring import BitMap

    return np.frombuffer(BitMap.union(*bitmaps).to_array(), dtype=np.int32)
