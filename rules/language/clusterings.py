"""A [[clustering]] as it stands in a file: its keys, checked; then its expressions."""

from __future__ import annotations

from dataclasses import dataclass

from rules import ir
from rules.language import keys
from rules.language.checks.expression import Expressions
from rules.language.checks.values import type_of
from rules.language.problems import suggest
from rules.language.source import Table
from rules.ruleset import CLUSTER, ClusterFeature, Clustering
from rules.vocabulary import Type, Vocabulary

_HOURS = {"hour": 1, "day": 24, "week": 168}
_LONGEST_ID = 40
_MOST_FEATURES = 50
_QUARTER_S = 90 * 86_400
_COUNTS = (ir.AggregateFunction.COUNT, ir.AggregateFunction.DISTINCT)


@dataclass(slots=True)
class ClusteringDraft:
    """A [[clustering]] whose expressions are not checked yet."""

    id: str
    table: Table

    def checked(self, expressions: Expressions) -> Clustering | None:
        """With its expressions; None: something is wrong with them, which was reported."""
        table, when = self.table, ir.Constant(True)
        condition: ir.Predicate | None = when
        if "when" in table.values:
            condition, findings = expressions.looked_at(table.text("when"))
            for finding in findings:
                table.report_in("when", finding)
        features = self._features(expressions)
        if condition is None or features is None:
            return None
        k = table.values.get("k")
        return Clustering(
            id=self.id,
            name=table.text("name", self.id),
            when=condition,
            features=features,
            k=k if isinstance(k, int) else None,
            refit_s=_seconds(table),
            place=table.source.place(table.value_at("id")),
            why=table.text("why"),
        )

    def _features(self, expressions: Expressions) -> tuple[ClusterFeature, ...] | None:
        inner = self.table.table("features")
        if inner is None:
            return None
        found: list[ClusterFeature] = []
        for name in inner.values:
            text = inner.text(name)
            value, findings = expressions.feature(text)
            for finding in findings:
                inner.report_in(name, finding)
            if value is not None:
                found.append(ClusterFeature(name, text, value, self._logged(name, value)))
        return tuple(found) if len(found) == len(inner.values) else None

    def _logged(self, name: str, value: ir.Value) -> bool:
        """By `log`; without it money and counts are, for they grow by factors."""
        asked = self.table.values.get("log")
        if not isinstance(asked, list):
            counted = isinstance(value, ir.Aggregate) and value.function in _COUNTS
            return type_of(value) is Type.MONEY or counted
        if name in asked and type_of(value) not in (Type.NUMBER, Type.MONEY):
            self.table.report("log", f'"{name}" has no logarithm: it is no number', on_value=True)
        return name in asked


def read_clustering(table: Table, vocabulary: Vocabulary) -> ClusteringDraft:
    """The clustering with everything that is wrong with its keys reported."""
    table.check(keys.CLUSTERING, "[[clustering]]")
    id_ = table.text("id")
    if len(id_) > _LONGEST_ID:
        table.report("id", f"an id has at most {_LONGEST_ID} characters", on_value=True)
    fact = f"{CLUSTER}.{id_}"
    known = vocabulary.fields.get(fact)
    if known is not None and known.model != fact:
        table.report("id", f'"{fact}" is already a name of the vocabulary', on_value=True)
    features = table.values.get("features")
    names = list(features) if isinstance(features, dict) else []
    if isinstance(features, dict) and not 1 <= len(features) <= _MOST_FEATURES:
        table.report("features", f"a clustering has 1 to {_MOST_FEATURES} features", on_value=True)
    for name, place in table.items("log"):
        if names and isinstance(name, str) and name not in names:
            table.source.report(place.at, f'log names no feature "{name}"{suggest(name, names)}')
    return ClusteringDraft(id_, table)


def _seconds(table: Table) -> int:
    found = keys.DURATION.fullmatch(table.text("refit"))
    return int(found[1]) * _HOURS[found[2]] * 3600 if found else _QUARTER_S
