"""Values and predicates as SQL expressions: the meaning of `rules.ir`, in the words of a dialect.

Every expression is total (no row can make it fail). A predicate's SQL may be NULL where it is false; `Not`
and the outermost place turn NULL into false, which makes the whole two-valued: without `Not` between, a
formula over NULLs is true exactly if it is true with false in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rules import ir
from rules.engine import sphere
from rules.engine.dialect import Dialect
from rules.engine.periods import Clock, microseconds, offsets, resolve, returning
from rules.engine.points import bounds
from rules.engine.walk import Chain, Feature, Rank
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type

_SCALES = {Type.NUMBER: NUMBER_SCALE, Type.MONEY: MONEY_SCALE}
MIRRORED = {
    ir.Comparison.EQ: ir.Comparison.EQ,
    ir.Comparison.LT: ir.Comparison.GT,
    ir.Comparison.LE: ir.Comparison.GE,
    ir.Comparison.GT: ir.Comparison.LT,
    ir.Comparison.GE: ir.Comparison.LE,
}
_PASSES = {
    ir.Comparison.EQ: int.__eq__,
    ir.Comparison.LT: int.__lt__,
    ir.Comparison.LE: int.__le__,
    ir.Comparison.GT: int.__gt__,
    ir.Comparison.GE: int.__ge__,
}
_LARGEST_AVERAGE = 2**64  # beyond every average of int64; keeps value × count inside 128 bits
_LAST_DAY = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value as SQL. NULL is missing."""

    sql: str  # folded text, integer in units of the type, date, instant; or a double in major units
    type: Type
    raw: str | None = None  # a text as it was before folding
    double: bool = False  # an Arithmetic: inf and nan are missing too
    wide: bool = False  # may leave 64 bits
    over: str | None = None  # an average: `sql` is the sum, this the number of known values
    constant: int | None = None  # a literal whole number
    or_zero: bool = False  # NULL stands for 0

    @property
    def whole(self) -> str:
        """The SQL with NULL only where the value is missing."""
        return f"coalesce({self.sql}, 0)" if self.or_zero else self.sql


class Emitter:
    """Expressions over one scope: the people with their features, or the activity of one kind."""

    def __init__(
        self,
        dialect: Dialect,
        clock: Clock,
        *,
        alias: str,
        features: Mapping[Feature, Scalar] | None = None,
        points: Mapping[sphere.Point, str] | None = None,
        rank: Callable[[Rank], str] | None = None,
        chains: Mapping[Chain, str] | None = None,
    ) -> None:
        self.dialect, self.clock, self.alias = dialect, clock, alias
        self.features, self.points = features or {}, points or {}
        self.rank, self.chains = rank, chains or {}

    # ── values ──

    def fact(self, name: str, type_: Type) -> Scalar:
        """A column of the scope; texts compare by their folded copy."""
        column = f"{self.alias}.{self.dialect.name(name)}"
        if type_ in (Type.TEXT, Type.TEXTS):
            return Scalar(f"{self.alias}.{self.dialect.name(name + '__ci')}", type_, raw=column)
        return Scalar(column, type_)

    def value(self, value: ir.Value) -> Scalar:
        """The SQL of a value."""
        match value:
            case ir.Literal(constant, type_):
                if type_ is Type.DATETIME:
                    return Scalar(self.dialect.instant(microseconds(constant)), type_)  # type: ignore[arg-type]
                sql = self.dialect.literal(constant)
                if isinstance(constant, int):
                    wide = not -(2**63) <= constant < 2**63
                    return Scalar(sql, type_, wide=wide, constant=constant)
                return Scalar(sql, type_, raw=sql)
            case ir.Fact(name, type_):
                return self.fact(name, type_)
            case ir.Aggregate():
                return self.features[value]
            case ir.DaysSince(inner):
                return self._days_since(self.value(inner))
            case ir.Arithmetic():
                return self._arithmetic(value)
            case ir.Score():
                return self._score(value)

    def _days_since(self, inner: Scalar) -> Scalar:
        if inner.type is Type.DATE:
            day = self.dialect.day(inner.sql)
            return Scalar(f"(({self.clock.today} - ({day})) * {NUMBER_SCALE})", Type.NUMBER)
        return Scalar(self.dialect.floor_days(self.clock.now, inner.sql), Type.NUMBER)

    def _score(self, node: ir.Score) -> Scalar:
        total = f"0::{self.dialect.wide}"
        for part in node.parts:
            if isinstance(part, ir.Earned):
                total += f" + {self.features[part].whole}"
            else:
                total += (
                    f" + CASE WHEN {self.predicate(part.condition)} THEN {part.points}::BIGINT ELSE 0 END"
                )
        low, high = bounds(node)
        held = self.dialect.within(f"({total})", low, high)
        return Scalar(f"{held}::{self.dialect.types[Type.NUMBER]}", Type.NUMBER)

    def _arithmetic(self, node: ir.Arithmetic) -> Scalar:
        left, right = (self.double(self.value(side)) for side in (node.left, node.right))
        if node.operator is ir.Operator.DIVIDE:
            # Dividing by infinity would make a missing value finite again; all else carries it on.
            if isinstance(node.right, ir.Arithmetic):
                right = f"CASE WHEN {self.dialect.finite(right)} THEN {right} END"
            right = f"nullif({right}, 0)"
        return Scalar(f"({left} {node.operator} {right})", node.type, double=True)

    def double(self, scalar: Scalar) -> str:
        """A NUMBER or MONEY in major units, by one division of whole numbers as doubles."""
        if scalar.double:
            return scalar.sql
        scale = _SCALES[scalar.type]
        if scalar.constant is not None:
            return self.dialect.double(float(scalar.constant) / float(scale))
        number = self.dialect.as_double(scalar.whole, scalar.wide)
        if scalar.over is None:
            return f"(({number}) / {self.dialect.double(float(scale))})"
        return f"(({number}) / nullif({scalar.over} * {scale}, 0)::DOUBLE)"

    def ranked(self, value: ir.Value) -> Scalar:
        """A value in the form in which people are ranked: a whole number or a double, NULL if missing."""
        scalar = self.value(value)
        if scalar.double or scalar.over is not None:
            sql = self.double(scalar)
            return Scalar(f"CASE WHEN {self.dialect.finite(sql)} THEN {sql} END", scalar.type, double=True)
        if scalar.type is Type.DATETIME:
            return Scalar(self.dialect.microseconds(scalar.sql), Type.NUMBER)
        if scalar.type is Type.DATE:
            return Scalar(self.dialect.day(scalar.sql), Type.NUMBER)
        return replace(scalar, sql=scalar.whole)

    # ── predicates ──

    def condition(self, predicate: ir.Predicate) -> str:
        """The SQL of a predicate, two-valued."""
        sql = self.predicate(predicate)
        return sql if isinstance(predicate, ir.Not | ir.Constant) else f"coalesce({sql}, FALSE)"

    def predicate(self, predicate: ir.Predicate) -> str:
        """The SQL of a predicate, NULL or false where it is false."""
        match predicate:
            case ir.Constant(value):
                return "TRUE" if value else "FALSE"
            case ir.And(parts):
                return "(" + " AND ".join(self.predicate(part) for part in parts) + ")"
            case ir.Or(parts):
                return "(" + " OR ".join(self.predicate(part) for part in parts) + ")"
            case ir.Not(part):
                return f"(NOT {self.condition(part)})"
            case ir.Compare():
                return self._compare(predicate)
            case ir.InSet(value, options):
                return self._in_set(self.value(value), options)
            case ir.TextTest(kind, value, text):
                return self._text_test(kind, self.value(value).sql, self.dialect.text(text))
            case ir.Matches(value, pattern):
                return self.dialect.matches(self.value(value).raw or "NULL", pattern)
            case ir.IsKnown(value):
                return self._is_known(self.value(value))
            case ir.IsTrue(value):
                return self.value(value).sql
            case ir.InPeriod(value, period):
                return self._in_period(self.value(value), period)
            case ir.Anniversary(value, period):
                return self._anniversary(self.value(value), period)
            case ir.ListTest(kind, value, options):
                return self.dialect.list_has(self.value(value).sql, options, kind is ir.ListTestKind.ALL)
            case ir.InList(name):
                return self.dialect.list_has(f"{self.alias}.in_lists", (name,), False)
            case ir.Suppressed():
                return f"{self.alias}.suppressed"
            case ir.Consented(channel):
                return f"{self.alias}.{self.dialect.name('consented_' + channel)}"
            case ir.AllRecords(matching, of):
                # People without records have no row of features at all: missing, which is false.
                return f"({self.value(of).sql} > 0 AND {self.value(matching).sql} = {self.value(of).sql})"
            case ir.RandomShare(ppm, salt):
                return self._random(ppm, salt)
            case ir.Stopped(last, quiet):
                start = resolve(quiet, self.clock, Type.DATETIME).start
                return "FALSE" if start is None else f"{self.value(last).sql} < {self.dialect.instant(start)}"
            case ir.Sequence() | ir.Restarted():
                return self.chains[predicate]
            case ir.RankShare() | ir.RankCount() | ir.Quintile():
                if self.rank is None:
                    raise ValueError("people cannot be ranked inside the conditions of an activity")
                return self.rank(predicate)
            case ir.Near():
                return sphere.within_sql(predicate, self.points[sphere.point_of(predicate)], self.dialect)
            case ir.Placed(_, latitude, longitude):
                return sphere.possible_sql(self.value(latitude).sql, self.value(longitude).sql)
            case ir.InSegment(segment) | ir.HeldSegment(segment):
                raise ValueError(f'membership of "{segment}" is not a matter of SQL')
            case ir.Lasting(segment):
                raise ValueError(f'who was in "{segment}" before is not a matter of SQL')

    def _compare(self, node: ir.Compare) -> str:
        match node.left, node.right:
            case ir.DaysSince(value), ir.Literal(int(limit), Type.NUMBER) if is_instant(value):
                return self._age(self.value(value).sql, node.operator, limit)
            case ir.Literal(int(limit), Type.NUMBER), ir.DaysSince(value) if is_instant(value):
                return self._age(self.value(value).sql, MIRRORED[node.operator], limit)
        return self._compared(node.operator, self.value(node.left), self.value(node.right))

    def _age(self, instant: str, operator: ir.Comparison, limit: int) -> str:
        """floor((now − x) / 86 400) compared with a constant, as bounds on x itself."""
        microseconds_ = self.dialect.microseconds(instant)
        at_least = f"{microseconds_} <= {self.dialect.integer(self.clock.now - limit * 86_400)}"
        above = f"{microseconds_} <= {self.dialect.integer(self.clock.now - (limit + 1) * 86_400)}"
        match operator:
            case ir.Comparison.GE:
                return at_least
            case ir.Comparison.GT:
                return above
            case ir.Comparison.LT:
                return f"(NOT {at_least})"
            case ir.Comparison.LE:
                return f"(NOT {above})"
            case ir.Comparison.EQ:
                return f"({at_least} AND NOT {above})"

    def _compared(self, operator: ir.Comparison, left: Scalar, right: Scalar) -> str:
        if left.double or right.double or left.type is not right.type:
            sides = [self.double(side) for side in (left, right)]
            finite = [
                self.dialect.finite(sql)
                for sql, side in zip(sides, (left, right), strict=True)
                if side.double
            ]
            return "(" + " AND ".join([*finite, f"{sides[0]} {operator} {sides[1]}"]) + ")"
        if left.over is None and right.over is None:
            right_sql = self._side(MIRRORED[operator], right, left)
            return f"{self._side(operator, left, right)} {operator} {right_sql}"
        return f"{self._product(left, right.over)} {operator} {self._product(right, left.over)}"

    def _side(self, operator: ir.Comparison, scalar: Scalar, other: Scalar) -> str:
        """One side of a comparison; where 0 would not pass anyway, NULL need not become 0."""
        if scalar.or_zero and other.constant is not None and not _PASSES[operator](0, other.constant):
            return scalar.sql
        return scalar.whole

    def _product(self, scalar: Scalar, count: str | None) -> str:
        """A value × the other side's count, so that averages compare without a division."""
        sql = scalar.whole
        if scalar.constant is not None:
            sql = str(max(-_LARGEST_AVERAGE, min(_LARGEST_AVERAGE, scalar.constant)))
        return f"({sql})::{self.dialect.wide}" + ("" if count is None else f" * {count}")

    def _in_set(self, value: Scalar, options: tuple[ir.Literal, ...]) -> str:
        scalars = [self.value(option) for option in options]
        if not options:
            return "FALSE"
        if value.double or value.over is not None:
            return (
                "(" + " OR ".join(self._compared(ir.Comparison.EQ, value, option) for option in scalars) + ")"
            )
        return f"{value.whole} IN (" + ", ".join(option.sql for option in scalars) + ")"

    def _text_test(self, kind: ir.TextTestKind, text: str, part: str) -> str:
        match kind:
            case ir.TextTestKind.CONTAINS:
                return self.dialect.contains(text, part)
            case ir.TextTestKind.STARTS:
                return self.dialect.starts(text, part)
            case ir.TextTestKind.ENDS:
                return self.dialect.ends(text, part)

    def _is_known(self, value: Scalar) -> str:
        if value.double:
            return self.dialect.finite(value.sql)
        if value.over is not None:
            return f"{value.over} > 0"
        return (
            f"{self.dialect.length(value.sql)} > 0"
            if value.type is Type.TEXTS
            else f"{value.whole} IS NOT NULL"
        )

    def _in_period(self, value: Scalar, period: ir.Period) -> str:
        found = resolve(period, self.clock, value.type)
        bounds = []
        for operator, bound in ((">=", found.start), ("<", found.end)):
            if bound is not None:
                bounds.append(f"{value.sql} {operator} {self._constant(bound, value.type)}")
        return "(" + " AND ".join(bounds) + ")" if bounds else f"{value.whole} IS NOT NULL"

    def _constant(self, bound: int, type_: Type) -> str:
        if type_ is Type.DATETIME:
            return self.dialect.instant(bound)
        return self.dialect.date(max(-_LAST_DAY, min(_LAST_DAY, bound)))

    def _anniversary(self, value: Scalar, period: ir.Next | ir.Last | ir.Calendar) -> str:
        found = sorted(returning(period, self.clock))
        if not found:
            return "FALSE"
        if value.type is Type.DATE:
            return self.dialect.returns(value.sql, found)
        return self.dialect.locally_returns(value.sql, found, offsets(self.clock.zone))

    def _random(self, ppm: int, salt: str) -> str:
        # A prefix compares like the number it stands for: fixed width, lower-case hex.
        limit = -(-ppm * 2**32 // 1_000_000)
        if limit >= 2**32:
            return "TRUE"
        return f"{self.dialect.lot(salt, self.alias + '.person')} < '{limit:08x}'"


def is_instant(value: ir.Value) -> bool:
    """Whether a value is a point in time, so that its age is a matter of bounds on itself."""
    return not isinstance(value, ir.DaysSince | ir.Arithmetic) and value.type is Type.DATETIME
