"""What could turn a leaf over activity: some more of it, or some that is not there."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from typing import TypeAlias

from rules import ir
from rules.engine.activity import Row
from rules.engine.edits import Edit, Fewer, More, SetFact
from rules.engine.periods import Range, instant_of, microseconds, slices, window
from rules.engine.scopes import PersonScope, RowScope
from rules.engine.walk import Feature, Rank
from rules.text import fold
from rules.vocabulary import NUMBER_SCALE, Type

Offer: TypeAlias = tuple[Edit, ...]
Fields: TypeAlias = tuple[tuple[str, object, Type], ...]
F = ir.AggregateFunction
_MOST = 1000
"""So many more activities are thought of, and no more."""
_TRIED = 128
"""The same, where how many it takes is found by trying."""
_WAYS = 4


class ActivityOffers:
    """For one person as they would be."""

    def __init__(self, scope: PersonScope) -> None:
        self.scope, self.clock = scope, scope.clock

    def reach(self, value: ir.Aggregate, goals: Sequence[object]) -> Iterator[Offer]:
        """What could bring a value to one of the goals; None: missing."""
        rows = self.rows(value)
        for goal in goals:
            if goal is not None:
                yield from self._reach(value, goal, rows)
        if rows and (None in goals or value.function not in (F.COUNT, F.DISTINCT, F.SLICES)):
            yield from self.without(value, rows)

    def _reach(self, value: ir.Aggregate, goal: object, rows: Sequence[Row]) -> Iterator[Offer]:
        if value.function is F.COUNT:
            more = _ceiling(goal) - len(rows)
            if more > 0:
                yield from self.more(value, more)
            elif more < 0:
                yield from self.without(value, _oldest(rows)[:-more])
            return
        name = value.field or ""
        known = [row for row in rows if row.get(name) is not None]
        match value.function:
            case F.DISTINCT:
                values = Counter(_folded(row[name]) for row in known)
                more = _ceiling(goal) - len(values)
                if 0 < more <= _MOST:
                    yield from self.more(value, more, fresh=name)
                rare = [one for one, _ in values.most_common()[more:]] if more < 0 else []
                yield from self.without(value, [row for row in known if _folded(row[name]) in rare])
            case F.SUM:
                lacks = int(goal) - sum(row[name] for row in known)  # type: ignore[call-overload, misc]
                yield from self.more(value, 1, {name: lacks})
                if lacks < 0:
                    yield from self.without(value, _smallest(known, name, -lacks))
            case F.AVG:
                total = sum(row[name] for row in known)  # type: ignore[misc]
                wanted = Fraction(str(goal)) * (len(known) + 1) - total
                yield from self.more(value, 1, {name: int(wanted)})
                yield from self.more(value, 1, {name: int(wanted) + 1})
            case F.SLICES:
                yield from self._slices(value, _ceiling(goal), rows)
            case F.MOST_FREQUENT:
                most = max(Counter(_folded(row[name]) for row in known).values(), default=0)
                yield from self.more(value, 1, {name: goal})
                yield from self.more(value, most + 1, {name: goal})
            case F.LAST_AT | F.FIRST_AT:
                assert isinstance(goal, dt.datetime)  # noqa: S101 - what it is compared with
                yield from self.more(value, 1)
                yield from self.more(value, 1, at=goal)
                last = value.function is F.LAST_AT
                beyond = [row for row in rows if (row["at"] > goal if last else row["at"] < goal)]  # type: ignore[operator]
                yield from self.instead(value, beyond, at=goal)
            case F.EARLIEST:
                first = min(map(instant, known), default=self.clock.now)
                for place in (first - 1, first):
                    yield from self.more(value, 1, {name: goal}, at=instant_of(place))
            case F.LIST:
                entries = goal if isinstance(goal, list | tuple) else [goal]
                for entry in reversed(entries):
                    yield from self.more(value, 1, {name: entry})
            case _:
                yield from self.more(value, 1, {name: goal})
                if isinstance(goal, int) and value.function in (F.MIN, F.MAX):
                    least = value.function is F.MIN
                    over = [row for row in known if (row[name] < goal if least else row[name] > goal)]  # type: ignore[operator]
                    yield from self.instead(value, over, {name: goal})

    def made_of(
        self, leaf: ir.Predicate | Rank, value: ir.Value | ir.ScorePart, target: bool
    ) -> Iterator[Offer]:
        """What could turn a leaf over arithmetic or a score: as little as does of one of its parts."""
        from rules.engine.flips import ways
        from rules.engine.offers import reach

        match value:
            case ir.Arithmetic(_, left, right):
                yield from self.made_of(leaf, left, target)
                yield from self.made_of(leaf, right, target)
            case ir.Score(_, parts):
                for part in parts:
                    yield from self.made_of(leaf, part, target)
            case ir.Granted(condition):
                held = self.scope.holds(condition)
                yield from islice(ways(condition, not held, self.scope), _WAYS)
            case ir.Earned():
                yield from self._least(leaf, target, lambda n: iter(self.more(value, n)), _TRIED)
                rows = _oldest(self.rows(value))
                yield from self._least(leaf, target, lambda n: self.without(value, rows[:n]), len(rows))
            case ir.Fact(name, type_) if type_ in (Type.NUMBER, Type.MONEY):
                known = self.scope.value(value)
                start = known if isinstance(known, int) else 0

                def up(n: int) -> Iterator[Offer]:
                    yield (SetFact(name, start + n, value),)

                def down(n: int) -> Iterator[Offer]:
                    yield (SetFact(name, start - n, value),)

                yield from self._least(leaf, target, up, 10**13)
                yield from self._least(leaf, target, down, 10**13)
                yield (SetFact(name, None, value),)
            case ir.Aggregate(function) if function in (F.SUM, F.COUNT):
                rows = _oldest(self.rows(value))
                if function is F.SUM:
                    field = value.field or ""
                    yield from self._least(
                        leaf, target, lambda n: iter(self.more(value, 1, {field: n})), 10**13
                    )
                else:
                    yield from self._least(leaf, target, lambda n: iter(self.more(value, n)), _TRIED)
                yield from self._least(leaf, target, lambda n: self.without(value, rows[:n]), len(rows))
            case ir.Aggregate(_, _, _, _, _, type_):
                dated = type_ in (Type.DATE, Type.DATETIME)
                yield from self.reach(value, [None] if dated else [0, 1, NUMBER_SCALE, None])
            case ir.DaysSince():
                yield from reach(value, [0, NUMBER_SCALE, 30 * NUMBER_SCALE, None], self.scope)

    # ── inner ──

    def _least(
        self, leaf: ir.Predicate, target: bool, make: Callable[[int], Iterator[Offer]], most: int
    ) -> Iterator[Offer]:
        """The least n that does, found by doubling and halving; nothing if no power of two does."""

        def does(n: int) -> Offer | None:
            offer = next(make(n), None)
            done = offer is not None and self.scope.after(offer, leaf) is target
            return offer if done else None

        low, high = 0, 1
        while high <= most and does(high) is None:
            low, high = high, high * 2
        high = min(high, most)
        if high <= low or does(high) is None:
            return
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if does(middle) is not None else (middle, high)
        found = does(high)
        if found is not None:
            yield found

    def rows(self, value: Feature) -> Sequence[Row]:
        return self.scope.counted(value)

    def more(
        self,
        value: Feature,
        n: int,
        fields: Mapping[str, object] | None = None,
        *,
        at: dt.datetime | None = None,
        fresh: str | None = None,
    ) -> tuple[Offer, ...]:
        """n more of what the value counts."""
        if not 0 < n <= _MOST:
            return ()
        own = None if fields is None else tuple([(name, type(one), one) for name, one in fields.items()])
        key = value, n, own, at, fresh, self.clock.now
        return self.scope.thought_of(key, lambda: self._more(value, n, fields, at, fresh, own))

    def _more(
        self,
        value: Feature,
        n: int,
        fields: Mapping[str, object] | None,
        at: dt.datetime | None,
        fresh: str | None,
        own: tuple[object, ...] | None,
    ) -> tuple[Offer, ...]:
        one = self.scope.thought_of((value, own, at, self.clock.now), lambda: self._one(value, fields, at))
        kind = value.kind
        if isinstance(value, ir.RecordAggregate):
            kind, fresh = value.states[-1], value.identity
        return tuple([(More(kind, n, of, (when,) * n, fresh),) for when, of in one])

    def _one(
        self, value: Feature, fields: Mapping[str, object] | None, at: dt.datetime | None
    ) -> tuple[tuple[dt.datetime, Fields], ...]:
        """When one more would be, and its fields: however many of it there are."""
        found = window(value.period, self.clock)
        given = {name: (one, _of_field(value)) for name, one in (fields or {}).items()}
        if isinstance(value, ir.RecordAggregate):
            given[value.identity] = "new", Type.TEXT
        made = self._made(value.where, found, given, at)
        return () if made is None else (made,)

    def _made(
        self,
        where: ir.Predicate | None,
        found: Range,
        given: Mapping[str, tuple[object, Type]],
        at: dt.datetime | None,
    ) -> tuple[dt.datetime, Fields] | None:
        """An activity that fits and lies in the range: when, and its fields."""
        from rules.engine.flips import ways

        place = self.clock.now if at is None else microseconds(at)
        moment = self.clock.as_of if at is None else instant_of(place)
        if place not in found:
            edge = found.end - 1 if found.end is not None else found.start
            if edge is None or edge not in found or not _on_calendar(edge):
                return None
            moment = instant_of(edge)
        if where is None:
            return moment, tuple((name, *one) for name, one in given.items())
        row = {name: one for name, (one, _) in given.items()} | {"at": moment}
        types = {name: type_ for name, (_, type_) in given.items()}
        context = self.scope.context
        for way in islice(ways(where, True, RowScope(row, context)), _WAYS):
            made = RowScope(row, context).plus(way)
            when = made.row["at"]
            if not isinstance(when, dt.datetime) or microseconds(when) not in found:
                continue
            if made.holds(where):
                types |= {edit.name: edit.fact.type for edit in way if isinstance(edit, SetFact)}
                fields = {name: one for name, one in made.row.items() if name != "at"}
                return when, tuple((name, one, types[name]) for name, one in fields.items())
        return None

    def at(self, kind: str, where: ir.Predicate | None, ats: Sequence[int]) -> Iterator[Offer]:
        if all(_on_calendar(at) for at in ats):
            made = self._made(where, Range(None, None), {}, instant_of(ats[-1]))
            if made is not None:
                yield (More(kind, len(ats), made[1], tuple(instant_of(at) for at in ats)),)

    def without(self, value: Feature, rows: Sequence[Row]) -> Iterator[Offer]:
        """These do not count any more; of records every state of them."""
        if isinstance(value, ir.RecordAggregate):
            which = {(row.get("connection"), row.get(value.identity)) for row in rows}
            states = [row for kind in value.states for row in self.scope.person.activity.get(kind, ())]
            rows = [row for row in states if (row.get("connection"), row.get(value.identity)) in which]
        yield from self.gone(rows)

    def instead(
        self,
        value: ir.Aggregate,
        rows: Sequence[Row],
        fields: Mapping[str, object] | None = None,
        *,
        at: dt.datetime | None = None,
    ) -> Iterator[Offer]:
        """Without these; or without these, and with another."""
        for gone in self.without(value, rows):
            yield gone
            yield from ((*gone, *more) for more in self.more(value, 1, fields, at=at))

    def gone(self, rows: Sequence[Row]) -> Iterator[Offer]:
        by_kind: dict[str, list[int]] = {}
        places = self.scope.places
        for row in rows:
            if id(row) not in places:
                return  # what was only thought of is not taken away again
            kind, place = places[id(row)]
            by_kind.setdefault(kind, []).append(place)
        if by_kind:
            yield tuple(Fewer(kind, tuple(sorted(places))) for kind, places in by_kind.items())

    def _slices(self, value: ir.Aggregate, wanted: int, rows: Sequence[Row]) -> Iterator[Offer]:
        assert isinstance(value.period, ir.Last)  # noqa: S101 - as the representation says
        parts = slices(value.period, self.clock)
        filled = [[row for row in rows if instant(row) in part] for part in parts]
        empty = [
            part for part, there in zip(parts, filled, strict=True) if not there and part.end is not None
        ]
        lacks = wanted - sum(bool(there) for there in filled)
        if 0 < lacks <= len(empty):
            yield from self.at(value.kind, value.where, [(part.end or 0) - 1 for part in empty[:lacks]])
        elif lacks < 0:
            fullest = sorted((there for there in filled if there), key=len)[:-lacks]
            yield from self.gone([row for there in fullest for row in there])


def _of_field(value: Feature) -> Type:
    """The type of the field that an aggregate is over."""
    if isinstance(value, ir.Aggregate) and value.function not in (F.LIST, F.DISTINCT):
        return value.type
    return Type.TEXT


def instant(row: Row) -> int:
    return microseconds(row["at"])  # type: ignore[arg-type]


def _oldest(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=instant)


def _ceiling(goal: object) -> int:
    return -(-int(goal) // NUMBER_SCALE)  # type: ignore[call-overload, no-any-return]


def _folded(value: object) -> object:
    return fold(value) if isinstance(value, str) else value


def _smallest(rows: Sequence[Row], name: str, amount: int) -> list[Row]:
    """The one smallest that takes away as much, or else the greatest together."""
    ordered = sorted(rows, key=lambda row: row[name])  # type: ignore[arg-type, return-value]
    if amount <= 0:
        return []
    for row in ordered:
        if row[name] >= amount:  # type: ignore[operator]
            return [row]
    taken: list[Row] = []
    for row in reversed(ordered):
        if amount <= 0:
            break
        taken.append(row)
        amount -= row[name]  # type: ignore[operator]
    return taken


def _on_calendar(us: int) -> bool:
    try:
        instant_of(us)
    except OverflowError:
        return False
    return True
