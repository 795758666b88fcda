"""What was known of people by the end of an earlier day, and what they did after it, by the lake of today.

Of facts only today's value is known: rules that rest on others than those of the person itself are not asked
as of then, for somebody's orders may have changed what a platform counts of them, and so who is in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from pyroaring import BitMap

from rules import ir
from rules.engine import evaluate
from rules.engine.values import values
from rules.engine.walk import nodes
from rules.language.checks.expression import Expressions
from rules.language.checks.values import type_of
from rules.models.columns import Ints
from rules.models.worth.splits import Outcome
from rules.ruleset import ClusterFeature, Clustering, Place, RuleSet
from rules.vocabulary import Type, Vocabulary
from sync.config.modelling import OrderModel
from sync.engines import opened
from sync.identify.sql import text_literal
from sync.models.log import DAY_US, Log, drawn
from sync.profiles.columns import PERSONAL
from sync.quality.trust import facts_of
from sync.run.past import closure
from sync.run.workspace import Workspace
from sync.standard import PASSIVE, STANDARD_FIELDS
from sync.whereabouts import bitmap

MOST_KINDS = 5
LEAST_DID = 0.10
"""Of everybody who was known: what fewer did tells too few apart."""
_COMPARED = (Type.TEXT, Type.NUMBER, Type.MONEY, Type.BOOLEAN)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class BackThen:
    """`until`: the day, since 1970. `facts`: to compare people by, those of them that are standard."""

    workspace: Workspace
    log: Log
    orders: OrderModel
    until: int
    facts: Collection[str] = ()
    as_of: dt.datetime = field(init=False)
    vocabulary: Vocabulary = field(init=False)

    def __post_init__(self) -> None:
        end = _EPOCH + dt.timedelta(days=self.until + 1) - dt.timedelta(microseconds=1)
        object.__setattr__(self, "as_of", end)
        object.__setattr__(self, "vocabulary", self.workspace.vocabulary()[0])

    def first_day(self) -> int | None:
        """The first day on which anybody did anything, since 1970."""
        query = f"SELECT min(us) // {DAY_US} FROM {self._did()}"
        day = self.log.database.execute(query).fetchall()[0][0]
        return None if day is None else int(day)

    def members(self, rules: RuleSet, wanted: Sequence[str]) -> Mapping[str, BitMap]:
        """Segment → who was in it by these rules."""
        if not wanted:
            return {}
        some, settings = closure(rules, wanted), self.workspace.settings.rules
        with opened(self.workspace.store, some, self.vocabulary, settings) as (session, there):
            found = evaluate(session, some, there, as_of=self.as_of, zone=self.vocabulary.zone)
        return {name: found.members[name] for name in wanted}

    def people(self) -> BitMap:
        """Who was known: had done anything, or had signed up."""
        database, us = self.log.database, (self.until + 1) * DAY_US
        found = bitmap(database, f"SELECT DISTINCT person FROM {self._did()} WHERE us < {us}")
        lake = self.log.lake
        if pa.types.is_timestamp(lake.columns("people").get("signed_up", pa.null())):
            there = lake.relation("people", only=("person", "signed_up"))
            found |= bitmap(database, f"SELECT person FROM {there} WHERE epoch_us(signed_up) < {us}")
        return found

    def compared(self) -> tuple[Clustering, pa.Table]:
        """By what people are compared, and the values of everybody."""
        features = tuple(self._features())
        clustering = Clustering("split", "", ir.Constant(True), features, None, 0, Place("", 0, 0))
        wanted = {one.name: one.value for one in features}
        store, settings = self.workspace.store, self.workspace.settings.rules
        with opened(store, RuleSet(), self.vocabulary, settings, beside=wanted.values()) as (session, there):
            zone = self.vocabulary.zone
            table = values(session, wanted, there, when=clustering.when, as_of=self.as_of, zone=zone)
        return clustering, table

    def outcomes(self, person: Ints) -> list[Outcome]:
        """What these people did after the day and until today: what never happened is left out."""
        found, database = list[Outcome](), self.log.database
        orders = self.log.orders(self.orders).histories(until=self.log.today, after=self.until)
        if len(orders.person):
            row = np.minimum(np.searchsorted(orders.person, person), len(orders.person) - 1)
            ordered = orders.person[row] == person
            found.append(Outcome("ordered", True, ordered.astype(np.float64)))
            if orders.value.any():
                spent = np.where(ordered, orders.value[row], 0).astype(np.float64)
                found.append(Outcome("revenue per person", False, spent))
        us = (self.until + 1) * DAY_US
        query = f"""SELECT DISTINCT person FROM {self._did()}
            WHERE us >= {us} AND us <= {self.log.as_of_us} AND kind <> {text_literal(self.orders.activity)}"""
        active = np.asarray(bitmap(database, query).to_array(), np.int64)
        if len(active):
            found.append(Outcome("did anything else", True, np.isin(person, active).astype(np.float64)))
        return found

    def _did(self) -> str:
        """SQL to put after FROM: who did what kind of thing when, without what only happened to people."""
        lake, passive = self.log.lake, ", ".join(map(text_literal, PASSIVE))
        there = lake.relation("people", only=("person",))
        rows = lake.relation("activity", only=("person", "kind", "at"))
        return f"""(SELECT person, kind, epoch_us("at") AS us FROM {rows} SEMI JOIN {there} USING (person)
            WHERE kind NOT IN ({passive}))"""

    def _features(self) -> Iterator[ClusterFeature]:
        """Orders and their worth, how often people did whatever many did, and facts."""
        kinds, order = self.vocabulary.kinds, self.orders.activity
        texts: list[tuple[str, str]] = []
        if order in kinds:
            amount = kinds[order].fields.get(self.orders.amount)
            texts.append((f"{order} count", f"count({order})"))
            if amount is not None and amount.type is Type.MONEY:
                texts.append((f"{order} {amount.name}", f"sum({order}.{amount.name})"))
            texts.append((f"days since last {order}", f"days since last {order}"))
        texts += [(f"{kind} count", f"count({kind})") for kind in self._kinds() if kind != order]
        for name in sorted(STANDARD_FIELDS.keys() - PERSONAL):
            fact = self.vocabulary.fields.get(name)
            if fact is not None and name in self.facts and fact.type in _COMPARED:
                texts.append((name, name))
        expressions = Expressions(self.vocabulary)
        for name, text in texts:
            value, _ = expressions.feature(text)
            if value is not None:
                grows = text.startswith(("count", "sum")) or type_of(value) is Type.MONEY
                yield ClusterFeature(name.replace("_", " "), text, value, grows)

    def _kinds(self) -> list[str]:
        """What enough people had done, most of them first."""
        us = (self.until + 1) * DAY_US
        rows = self.log.database.execute(
            f"""SELECT kind, count(DISTINCT person) AS people FROM {self._did()} WHERE us < {us}
            GROUP BY kind ORDER BY people DESC, kind"""
        ).fetchall()
        least = LEAST_DID * max((people for _, people in rows), default=0)
        return [kind for kind, people in rows if people >= least and kind in self.vocabulary.kinds][
            :MOST_KINDS
        ]


def looked_at(table: pa.Table, some: BitMap, *, most: int) -> tuple[pa.Table, int]:
    """Of a table of values the rows of these people, of more than `most` a draw (the same one each time); and
    how many of them there are."""
    person = table["person"].to_numpy().astype(np.int64)
    rows = np.flatnonzero(np.isin(person, np.asarray(some.to_array(), np.int64)))
    return table.take(rows[drawn(person[rows], most)]), len(rows)


def only_today(rules: RuleSet) -> str:
    """What these rules rest on that may be otherwise by what people did since; empty if nothing."""
    for segment in rules.segments.values():
        for name in facts_of(segment.when):
            if name not in STANDARD_FIELDS and name != "consent":
                return name
        for node in nodes([segment.when]):
            if isinstance(node, ir.InList):
                return "lists"
            if isinstance(node, ir.HeldSegment):
                return f"how long people have been in {node.segment}"
    return ""
