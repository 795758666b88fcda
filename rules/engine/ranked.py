"""Ranks in an evaluation: their thresholds over everybody, and the predicates that hold people to them."""

from __future__ import annotations

from collections.abc import Mapping

from rules import ir
from rules.engine.emit import Emitter
from rules.engine.making import Making, joined
from rules.engine.order import Order, aged
from rules.engine.ranks import Threshold
from rules.engine.session import Ranked
from rules.engine.walk import Rank
from rules.vocabulary import Type

_OPERATORS = {"at_least": ir.Comparison.GE, "above": ir.Comparison.GT, "at_most": ir.Comparison.LE}


class RankedPeople:
    """The thresholds of all ranks, and the predicates that use them."""

    def __init__(
        self,
        making: Making,
        emitter: Emitter,
        prefix: str,
        given: Mapping[Rank, Mapping[object, Threshold]],
    ) -> None:
        self.making, self.emitter, self.prefix, self.given = making, emitter, prefix, given
        self.found: dict[Rank, Mapping[object, Threshold]] = {}
        self.order = Order()
        self.joins = ""
        self._bounds: dict[Rank, dict[str, str]] = {}  # of a rank by group: bound → its column

    def compute(self, wanted: list[Rank], people: str, relations: list[str]) -> None:
        """Asks for thresholds that are not given, all at once."""
        self.found |= {rank: self.given[rank] for rank in wanted if rank in self.given}
        sharing: dict[tuple[str, str | None, bool, str], list[Rank]] = {}
        for rank in wanted:
            if rank in self.found:
                continue
            value, since = self.emitter.ranked(rank.value), aged(rank.value)
            kept = value.sql if since is None else f"(-({self.emitter.ranked(since).sql}))"
            sharing.setdefault((value.sql, self._group(rank), value.double, kept), []).append(rank)
        if sharing:
            asked = [Ranked(tuple(ranks_), *same) for same, ranks_ in sharing.items()]
            mentioned = " ".join(f"{one.value} {one.group}" for one in asked)
            source, clock = joined(people, relations, mentioned), self.emitter.clock
            found, self.order = self.making.session.thresholds(asked, source, clock)
            self.found |= found

    def join(self, wanted: list[Rank]) -> None:
        """The thresholds of groups become relations to join."""
        alike: dict[tuple[str, frozenset[object]], list[Rank]] = {}
        for rank in wanted:
            group = self._group(rank)
            if group is not None and self.found[rank]:
                alike.setdefault((group, frozenset(self.found[rank])), []).append(rank)
        for number, ((group, _), ranks_) in enumerate(alike.items()):
            self._join(f"{self.prefix}r{number}", group, ranks_)

    def _group(self, rank: Rank) -> str | None:
        return None if rank.by is None else self.emitter.value(rank.by).sql

    def _join(self, name: str, group: str, ranks_: list[Rank]) -> None:
        """Makes one relation of the bounds of ranks that have members in the same groups."""
        import pyarrow as pa

        keys = list(self.found[ranks_[0]])
        columns: dict[str, pa.Array] = {}
        types: dict[str, str] = {}
        for rank in ranks_:
            scalar = self.emitter.ranked(rank.value)
            type_ = "DOUBLE" if scalar.double else self.emitter.dialect.wide if scalar.wide else "BIGINT"
            self._bounds[rank] = {}
            for bound in _OPERATORS:
                limits = [getattr(self.found[rank][key], bound) for key in keys]
                if any(limit is not None for limit in limits):
                    column = f"l{len(columns)}"
                    texts = [None if limit is None else repr(limit) for limit in limits]
                    columns[column], types[column] = pa.array(texts, pa.string()), type_
                    self._bounds[rank][bound] = f"{name}.{column}"
        self.making.keep(name, pa.table({"key": keys} | columns), types)
        self.joins += f" LEFT JOIN {name} ON {name}.key = {group}"

    def comparisons(self, rank: Rank) -> ir.Predicate | None:
        """The same as comparisons of the value, which must be a whole number, and be ranked as such."""
        scalar = self.emitter.value(rank.value)
        if rank.by is not None or scalar.double or scalar.over is not None:
            return None
        if scalar.type not in (Type.NUMBER, Type.MONEY):
            return None
        if not self.found[rank]:
            return ir.Constant(False)
        threshold = self.found[rank][None]
        return ir.And(
            tuple(
                ir.Compare(operator, rank.value, ir.Literal(int(limit), scalar.type))
                for bound, operator in _OPERATORS.items()
                if (limit := getattr(threshold, bound)) is not None
            )
        )

    def condition(self, rank: Rank) -> str:
        """The predicate of a rank whose thresholds are known."""
        if not self.found[rank]:
            return "FALSE"
        value, dialect = self.emitter.ranked(rank.value), self.emitter.dialect
        bounds = []
        if rank.by is None:
            for bound, operator in _OPERATORS.items():
                limit = getattr(self.found[rank][None], bound)
                if limit is not None:
                    constant = dialect.double(limit) if value.double else dialect.integer(limit)
                    bounds.append(f"{value.sql} {operator} {constant}")
            return "(" + " AND ".join(bounds) + ")"
        # One of them binds in every group, so that whoever has no group or no value is not let in.
        for bound, column in self._bounds[rank].items():
            inside = f"{value.sql} {_OPERATORS[bound]} {column}"
            if any(getattr(threshold, bound) is None for threshold in self.found[rank].values()):
                inside = f"({column} IS NULL OR {inside})"
            bounds.append(inside)
        return "(" + " AND ".join(bounds) + ")"
