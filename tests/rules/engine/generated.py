"""Generated predicates over every node of the representation, with constants near the generated people."""

from __future__ import annotations

from rules import ir
from rules.engine.sphere import distance
from rules.vocabulary import Type
from tests.rules.engine.generated_people import (
    COUNTS,
    EASTS,
    FUNCTIONS,
    KIND_TYPES,
    NORTHS,
    PARTS,
    PATTERNS,
    SHARES,
)
from tests.rules.engine.generated_values import Values, over


class Nodes(Values):
    """Draws predicates over one scope, too."""

    def predicate(self, depth: int, segments: tuple[str, ...] = ()) -> ir.Predicate:
        """A predicate of limited depth, which may use the segments."""
        shape = self.pick(("leaf", "not", "and", "or")) if depth else "leaf"
        if shape == "leaf":
            if segments and self.chance(6):
                return ir.HeldSegment(self.pick(segments), self.pick(COUNTS), self.pick(list(ir.Unit)))
            return ir.InSegment(self.pick(segments)) if segments and self.chance(4) else self.leaf()
        if shape == "not":
            return ir.Not(self.predicate(depth - 1, segments))
        parts = tuple(self.predicate(depth - 1, segments) for _ in range(self.pick((2, 3))))
        return ir.And(parts) if shape == "and" else ir.Or(parts)

    def leaf(self) -> ir.Predicate:
        """A predicate without predicates in it."""
        leaves = [
            self.comparison,
            self.comparison,
            self.one_of,
            self.text,
            self.known,
            self.in_period,
            self.yearly,
        ]
        if self.kind is None:
            ranked = [] if self.scoring else [self.ranked, self.ranked]
            leaves += [*ranked, self.listed, self.personal, self.related, self.sequence, self.regularity]
            leaves.append(self.near)
        return self.pick(leaves)()

    def comparison(self) -> ir.Predicate:
        """Two sides of one type, or two numbers one of which is arithmetic."""
        operator = self.pick(list(ir.Comparison))
        if self.chance(3):
            return ir.Compare(operator, self.number(2), self.number(2))
        if self.chance(3):
            other = self.value(Type.TEXT) if self.chance(2) else self.literal(Type.TEXT)
            return ir.Compare(ir.Comparison.EQ, self.value(Type.TEXT), other)
        type_ = Type.MONEY if self.has(Type.MONEY) and self.chance(2) else Type.NUMBER
        sides = [self.value(type_), self.value(type_) if self.chance(3) else self.literal(type_)]
        return ir.Compare(operator, *(reversed(sides) if self.chance(3) else sides))

    def one_of(self) -> ir.Predicate:
        """One of several constants."""
        type_ = self.pick((Type.TEXT, Type.NUMBER, Type.MONEY) if self.has(Type.MONEY) else (Type.TEXT,))
        options = tuple(self.literal(type_) for _ in range(self.pick((1, 2, 3))))
        value = self.number(1) if type_ is not Type.TEXT else self.value(Type.TEXT)
        return ir.InSet(
            value,
            tuple(
                ir.Literal(o.value, value.type if hasattr(value, "type") else Type.NUMBER) for o in options
            ),
        )

    def text(self) -> ir.Predicate:
        """Looking into a text."""
        value = self.value(Type.TEXT)
        if self.chance(3):
            return ir.Matches(value, self.pick(PATTERNS))
        return ir.TextTest(self.pick(list(ir.TextTestKind)), value, self.pick(PARTS))

    def known(self) -> ir.Predicate:
        """What is known at all."""
        if self.has(Type.BOOLEAN) and self.chance(3):
            return ir.IsTrue(self.value(Type.BOOLEAN))
        if self.chance(6):
            return ir.Constant(self.pick((True, False)))
        return ir.IsKnown(self.pick((self.moment, lambda: self.number(1), lambda: self.value(Type.TEXT)))())

    def in_period(self) -> ir.Predicate:
        """A date in a period."""
        return ir.InPeriod(self.moment(), self.period())

    def yearly(self) -> ir.Predicate:
        """An anniversary."""
        if self.chance(2):
            return ir.Anniversary(
                self.moment(), ir.Calendar(self.pick(list(ir.CalendarUnit)), self.pick((0, -1, 1)))
            )
        make = self.pick((ir.Next, ir.Last))
        return ir.Anniversary(self.moment(), make(self.pick(COUNTS), self.pick(list(ir.Unit))))

    def ranked(self) -> ir.Predicate:
        """People compared with people."""
        value = self.moment() if self.chance(4) else self.number(1)
        by = (
            self.fact(self.pick((Type.TEXT, Type.BOOLEAN, Type.NUMBER, Type.DATE)))
            if self.chance(2)
            else None
        )
        side = self.pick(list(ir.Side))
        match self.pick(("share", "count", "quintile")):
            case "share":
                return ir.RankShare(side, self.pick(SHARES), value, by)
            case "count":
                return ir.RankCount(side, self.pick((0, 1, 2, 5, 99)), value, by)
        return ir.Quintile(self.pick((1, 2, 3, 4, 5)), value, by)

    def activity(self) -> tuple[str, ir.Predicate | None]:
        """A kind and perhaps a condition on it."""
        kind = self.pick(tuple(KIND_TYPES))
        return kind, self.inside(kind).predicate(0) if self.chance(4) else None

    def within(self) -> ir.Within:
        """A gap, often just as long as two of the generated instants are apart."""
        return ir.Within(
            self.pick((1, 2, 5, 12, 30, 90)), self.pick((ir.Unit.DAY, ir.Unit.HOUR, ir.Unit.WEEK))
        )

    def sequence(self) -> ir.Predicate:
        """Activity in order."""
        period = self.period(aggregate=True) if self.chance(2) else ir.Ever()
        gaps = [None, *(self.pick((self.within, lambda: None))() for _ in range(self.pick((0, 1, 2, 3))))]
        steps = tuple(ir.Step(*self.activity(), gap) for gap in gaps)
        unless = ir.Unless(*self.activity(), None if self.chance(3) else self.within())
        return ir.Sequence(steps, unless if len(steps) == 1 or self.chance(3) else None, period)

    def regularity(self) -> ir.Predicate:
        """Slices, and what stopped or restarted."""
        if self.chance(2):
            period = self.period(aggregate=True) if self.chance(2) else ir.Ever()
            return ir.Restarted(*self.activity(), self.within(), period)
        last = ir.Last(self.pick(COUNTS), self.pick(list(ir.Unit)))
        kind, where = self.activity()
        if self.chance(2):
            at = ir.Aggregate(FUNCTIONS.LAST_AT, kind, None, where, ir.Ever(), Type.DATETIME)
            return ir.Stopped(at, last)
        slices = ir.Aggregate(FUNCTIONS.SLICES, kind, None, where, last, Type.NUMBER)
        return ir.Compare(ir.Comparison.GE, slices, ir.Literal(self.pick((1, 2, 3)) * 1_000_000, Type.NUMBER))

    def listed(self) -> ir.Predicate:
        """A list of texts."""
        value = self.value(Type.TEXTS)
        if self.chance(4):
            return ir.IsKnown(value)
        options = tuple(self.pick(PARTS) for _ in range(self.pick((1, 2, 3))))
        return ir.ListTest(self.pick(list(ir.ListTestKind)), value, options)

    def related(self) -> ir.Predicate:
        """All deals that a person has."""
        where, period = self.inside("deal").predicate(1), self.period(aggregate=True)
        matching, of = (over(FUNCTIONS.COUNT, "deal", None, w, period, Type.NUMBER) for w in (where, None))
        assert isinstance(matching, ir.RecordAggregate)
        assert isinstance(of, ir.RecordAggregate)
        return ir.AllRecords(matching, of)

    def near(self) -> ir.Predicate:
        """A place near a point, often as far as some other point is, to the millionth."""
        facts = ir.Fact("latitude", Type.NUMBER), ir.Fact("shop.longitude", Type.NUMBER)
        if self.chance(6):
            return ir.Placed("location", *facts)
        north, east = self.pick(NORTHS), self.pick(EASTS)
        unit = self.pick(list(ir.DistanceUnit))
        probe = ir.Near("location", *facts, 1, unit, north, east)
        exact = round(distance(probe, self.pick(NORTHS), self.pick(EASTS)) * 1_000_000)
        far = self.pick((exact, exact + 1, max(exact - 1, 1), 1, 50_000_000, 20_015_114_000, 10**12))
        return ir.Near("location", *facts, max(far, 1), unit, north, east)

    def personal(self) -> ir.Predicate:
        """What only makes sense of a person."""
        lot = ir.RandomShare(self.pick(SHARES), self.pick(("spring-test", "it's", "Ünï")))
        return self.pick((ir.Suppressed(), ir.Consented("email"), ir.InList("newsletter:spring"), lot))
