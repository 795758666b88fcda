"""Generated rules as the language writes them: every node that an expression can stand for.

`and` does not stand directly inside `and`, nor `not` inside `not`.
Drawn one by one, like `engine/generated.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from rules import ir
from rules.vocabulary import NUMBER_SCALE, Type
from tests.rules.language.written_values import FOLDED, OF_DATES, UNITS, F, Values
from tests.rules.vocabulary import DEAL_KINDS

Make = Callable[[], ir.Predicate]
PATTERNS = ("^a|b$", "(?i)stra(ß|ss)e", r"\.\d+", 'say "hi"', "it's #1")
SEGMENTS = ("vip", "tiers/one", 'say "hi"')
ORDERED = ("purchase", "email_click", "cart_add")
"""Kinds of activity; records have no place in an order."""
SPOT = (ir.Fact("latitude", Type.NUMBER), ir.Fact("shop.longitude", Type.NUMBER))


class Written(Values):
    """Draws conditions, too."""

    def predicate(self, depth: int) -> ir.Predicate:
        """A condition of limited depth."""
        shape = self.pick(("leaf", "not", "and", "or")) if depth else "leaf"
        if shape == "leaf":
            return self.pick(self.leaves())()
        part = self.predicate(depth - 1)
        if shape == "not":
            return part if isinstance(part, ir.Not) else ir.Not(part)
        kind = ir.And if shape == "and" else ir.Or
        parts = (part, *(self.predicate(depth - 1) for _ in range(self.whole(1, 2))))
        flat = [each for one in parts for each in (one.parts if isinstance(one, kind) else (one,))]
        return kind(tuple(flat))

    def leaves(self) -> Sequence[Make]:
        """What the scope allows."""
        scope: list[Make] = [self.compared, self.one_of, self.looked_into, self.known]
        if self.names(Type.DATE):
            scope.append(self.dated)
        if self.kind is None:
            scope += [self.yearly, self.listed, self.sequence, self.pausing, self.regular]
            scope += [self.related, self.near]
        return scope if self.alone or self.kind else [*scope, self.ranked, self.grouped, self.grouped]

    def compared(self) -> ir.Predicate:
        """Two sides of one type."""
        type_, order = self.pick((Type.TEXT, *self.numeric())), self.pick(tuple(ir.Comparison))
        constant = self.pick((True, True, False))
        if type_ is Type.TEXT:
            return ir.Compare(ir.Comparison.EQ, self.text(), self.literal(type_) if constant else self.text())
        return ir.Compare(order, self.amount(type_), self.literal(type_) if constant else self.amount(type_))

    def one_of(self) -> ir.Predicate:
        """One of several constants."""
        if self.names(Type.MONEY) and self.pick((False, True)):
            found = {self.whole(0, 10**6) for _ in range(self.whole(1, 3))}
            options = tuple(ir.Literal(each, Type.MONEY) for each in found)
            return ir.InSet(self.fact(Type.MONEY), options)
        return ir.InSet(self.text(), tuple(ir.Literal(each, Type.TEXT) for each in self.texts()))

    def looked_into(self) -> ir.Predicate:
        """Looking into a text."""
        if self.pick((False, True)):
            return ir.Matches(self.text(), self.pick(PATTERNS))
        return ir.TextTest(self.pick(tuple(ir.TextTestKind)), self.text(), self.draw(FOLDED))

    def known(self) -> ir.Predicate:
        """What is known, what is true."""
        if self.names(Type.BOOLEAN) and self.pick((False, True)):
            return ir.IsTrue(self.fact(Type.BOOLEAN))
        if self.pick((False, True)):
            return ir.Constant(self.pick((False, True)))
        amounts = [lambda: self.amount(Type.NUMBER)] if Type.NUMBER in self.numeric() else []
        return ir.IsKnown(self.pick((self.text, *amounts))())

    def dated(self) -> ir.Predicate:
        """A date in a period."""
        value = self.date()
        of_day = isinstance(value, ir.Fact) and value.type is Type.DATE
        return ir.InPeriod(value, self.period(Type.DATE if of_day else Type.DATETIME))

    def yearly(self) -> ir.Predicate:
        """An anniversary."""
        n, unit = self.whole(1, 90), self.pick(OF_DATES)
        periods = (ir.Next(n, unit), ir.Last(n, unit), self.calendar((-1, 0, 1)))
        return ir.Anniversary(self.fact(Type.DATE, Type.DATETIME), self.pick(periods))

    def listed(self) -> ir.Predicate:
        """A list of texts, also that of all values of a field."""
        value = self.pick((lambda: self.fact(Type.TEXTS), lambda: self.aggregate((F.LIST,), Type.TEXTS)))()
        if self.pick((False, True)):
            return ir.IsKnown(value)
        return ir.ListTest(self.pick(tuple(ir.ListTestKind)), value, self.texts())

    def ranked(self) -> ir.Predicate:
        """People compared with people, with or without groups."""
        value = self.amount(self.pick((Type.NUMBER, Type.MONEY)))
        by = self.fact(Type.TEXT, Type.NUMBER, Type.BOOLEAN) if self.pick((False, True)) else None
        side = self.pick(tuple(ir.Side))
        match self.pick(("share", "count", "quintile")):
            case "share":
                return ir.RankShare(side, self.whole(1, 1_000_000), value, by)
            case "count":
                return ir.RankCount(side, self.whole(1, 5000), value, by)
        return ir.Quintile(self.whole(1, 5), value, by)

    def grouped(self) -> ir.Predicate:
        """Segments, since when they hold, lists, clusters, consent and chance."""
        match self.pick(("segment", "held", "list", "cluster", "random", "suppressed", "consent")):
            case "segment":
                return ir.InSegment(self.pick(SEGMENTS))
            case "held":
                return ir.HeldSegment(self.pick(SEGMENTS), self.whole(1, 400), self.pick(UNITS))
            case "cluster":
                cluster = ir.Fact("cluster", Type.TEXT)
                return ir.Compare(ir.Comparison.EQ, cluster, self.literal(Type.TEXT))
            case "random":
                return ir.RandomShare(self.whole(1, 1_000_000), self.pick(("Spring Test", *self.texts())))
            case "suppressed":
                return ir.Suppressed()
            case "consent":
                return ir.Consented("email")
        return ir.InList("newsletter:spring")

    def near(self) -> ir.Predicate:
        """A place, known or near a point."""
        if self.pick((False, True)):
            return ir.Placed("location", *SPOT)
        north, east = self.whole(-90_000_000, 90_000_000), self.whole(-180_000_000, 180_000_000)
        far, unit = self.whole(1, 10**9), self.pick(tuple(ir.DistanceUnit))
        return ir.Near("location", *SPOT, far, unit, north, east)

    def related(self) -> ir.Predicate:
        """One deal or more, or all of them."""
        period = self.period()
        matching = self.over(F.COUNT, "deal", None, period, Type.NUMBER)
        assert isinstance(matching, ir.RecordAggregate)
        if matching.where is None or self.pick((False, True)):
            return ir.Compare(ir.Comparison.GE, matching, ir.Literal(NUMBER_SCALE, Type.NUMBER))
        of = ir.RecordAggregate(F.COUNT, "deal", None, None, period, Type.NUMBER, "deal", DEAL_KINDS)
        return ir.AllRecords(matching, of)

    # ── in order ──

    def sequence(self) -> ir.Predicate:
        """Activity in order, and what must not follow."""
        gaps = [None, *(self.pick((self.within, lambda: None))() for _ in range(self.whole(0, 4)))]
        steps = tuple(ir.Step(*self.activity(), gap) for gap in gaps)
        unless = ir.Unless(*self.activity(), self.pick((self.within, lambda: None))())
        return ir.Sequence(
            steps, unless if len(steps) == 1 or self.pick((False, True)) else None, self.period()
        )

    def activity(self) -> tuple[str, ir.Predicate | None]:
        """A kind and perhaps a condition on it."""
        kind = self.pick(ORDERED)
        return kind, self.where(kind)

    def pausing(self) -> ir.Predicate:
        """What has stopped or restarted."""
        kind = self.pick(ORDERED)
        if self.pick((False, True)):
            return ir.Restarted(kind, self.where(kind), self.within(), self.period())
        last = self.over(F.LAST_AT, kind, None, ir.Ever(), Type.DATETIME)
        return ir.Stopped(last, ir.Last(self.whole(1, 100), self.pick(UNITS)))

    def regular(self) -> ir.Predicate:
        """What happened in some of the last slices."""
        least = self.whole(1, 40)
        period = ir.Last(least + self.whole(0, 60), self.pick(UNITS))
        slices = self.over(F.SLICES, self.pick(ORDERED), None, period, Type.NUMBER)
        return ir.Compare(ir.Comparison.GE, slices, ir.Literal(least * NUMBER_SCALE, Type.NUMBER))


@st.composite
def predicates(draw: st.DrawFn) -> ir.Predicate:
    """Any condition."""
    written = Written(draw)
    return written.predicate(written.whole(0, 2))
