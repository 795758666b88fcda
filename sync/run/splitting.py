"""Giant segments looked into for `segsync evaluate`: are they several kinds of people who answer differently?

Asked is who was in one 90 days ago, not who is in it now: who ordered since may have left it for that reason.
What was known by then sorts people, and what they did since compares them. Nothing is split.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from pyroaring import BitMap

from rules.models.clusters.centres import assigned
from rules.models.clusters.choice import Effort
from rules.models.columns import Ints
from rules.models.worth.overlaps import TWINS
from rules.models.worth.splits import MOST_PARTS, Part, Split, responses
from rules.ruleset import Clustering, RuleSet
from sync.clusters.document import frozen
from sync.clusters.fitting import find
from sync.clusters.people import people_of
from sync.config.modelling import OrderModel
from sync.models.log import Log, date_of
from sync.quality.trust import needs
from sync.run.back_then import BackThen, looked_at, only_today
from sync.run.findings import Looked
from sync.run.grown import Grown
from sync.run.past import closure
from sync.run.workspace import Workspace

DAYS = 90
"""So long people are compared, and so long before that something must be known of them."""
MOST_GIANTS = 3
MOST_PEOPLE = 20_000
EFFORT = Effort(draws=40, cloud_draws=8, more_draws=8, starts=1, sample=2_000)
"""Less than for clusters that people are assigned by. Fewer draws make clouds differ more by chance, so that
a real split has to pass no less."""


def splits(
    workspace: Workspace,
    look: Looked,
    rules: RuleSet | None,
    log: Log,
    orders: OrderModel,
    giants: Mapping[str, BitMap],
    *,
    smallest: int,
) -> tuple[Split, ...]:
    """Of each of these segments, in their order; MOST_GIANTS are looked into. `rules`: those in force, None
    if they have errors. `smallest`: fewer people than that are no part."""
    if not giants:
        return ()
    asked = frozenset[str]() if rules is None else frozenset().union(*needs(rules, look.fields).values())
    then = BackThen(workspace, log, orders, log.today - DAYS, asked)
    return tuple(_Splitting(workspace, look, rules, then, smallest).made(giants))


@dataclass(slots=True)
class _Parted:
    """A split into natural groups, before its parts are compared; and the part of each person."""

    split: Split
    person: Ints
    part: Ints


@dataclass(frozen=True, slots=True)
class _Splitting:
    workspace: Workspace
    look: Looked
    rules: RuleSet | None
    then: BackThen
    smallest: int

    def made(self, giants: Mapping[str, BitMap]) -> Iterator[Split]:
        """In the order of `giants`."""
        why = self._left_out(giants)
        asked = [name for name in giants if name not in why]
        short = self._too_short()
        if short:
            why |= dict.fromkeys(asked, short)
            asked = []
        members, unknown = self._members(giants, asked)
        why |= unknown
        parted = self._parted(members)
        compared = [one for one in parted.values() if isinstance(one, _Parted)]
        judged = responses([(one.part, self.then.outcomes(one.person)) for one in compared])
        known = {name: one for name, one in parted.items() if isinstance(one, Split)}
        for one, did in zip(compared, judged, strict=True):
            known[one.split.segment] = replace(one.split, responses=did)
        yield from (known[name] if name in known else self._split(name, why_not=why[name]) for name in giants)

    def _split(self, name: str, **found: object) -> Split:
        return replace(Split(name, date_of(self.then.until), DAYS), **found)  # type: ignore[arg-type]

    def _left_out(self, giants: Mapping[str, BitMap]) -> dict[str, str]:
        """Giant → why it is not looked into beside the others."""
        found, first = dict[str, str](), list[str]()
        for name, members in giants.items():
            same = next((one for one in first if members.jaccard_index(giants[one]) >= TWINS), None)
            if same is not None:
                nearly = "" if giants[same] == members else "nearly "
                found[name] = f"it has {nearly}the same people as {same}, of which it is told"
            elif len(first) == MOST_GIANTS:
                found[name] = f"only the {MOST_GIANTS} largest are looked into"
            else:
                first.append(name)
        return found

    def _too_short(self) -> str:
        """Why there is not enough to compare people by, if there is not."""
        first = self.then.first_day()
        if first is None:
            return "nothing is known that people did"
        if first > self.then.until - DAYS:
            return (
                f"what people did is known from {date_of(first)} on, and {2 * DAYS} days are needed, {DAYS}"
                f" to sort people and {DAYS} to compare them"
            )
        return ""

    def _members(
        self, giants: Mapping[str, BitMap], asked: Sequence[str]
    ) -> tuple[dict[str, BitMap], dict[str, str]]:
        """Who was in each then: as a run stored it, else by the rule; and why it is not known of the rest."""
        found, why, ask = dict[str, BitMap](), dict[str, str](), list[str]()
        edge = self.look.as_of - dt.timedelta(days=DAYS)
        grown = Grown(self.workspace.store, as_of=self.look.as_of, days=DAYS)
        for name in asked:
            growth, _, before = grown.of(name, giants[name])
            if growth is not None and growth.since <= edge:
                found[name] = before
            elif self.rules is None or name not in self.rules.segments:
                why[name] = "the rule files have errors"
            elif today := only_today(closure(self.rules, [name])):
                why[name] = (
                    f"its rule rests on {today}, of which only today's state is known; it is looked into once"
                    f" runs have stored for {DAYS} days who is in it"
                )
            else:
                ask.append(name)
        if self.rules is not None:
            found |= self.then.members(self.rules, ask)
        return found, why

    def _parted(self, members: Mapping[str, BitMap]) -> dict[str, _Parted | Split]:
        if not members:
            return {}
        known = self.then.people()
        clustering, everybody = self.then.compared()
        # of several giants without structure one must not pass more often than one alone would
        effort = replace(EFFORT, clouds=EFFORT.clouds * len(members))
        return {
            name: self._one(name, clustering, effort, *looked_at(everybody, some & known, most=MOST_PEOPLE))
            for name, some in members.items()
        }

    def _one(
        self, name: str, clustering: Clustering, effort: Effort, table: pa.Table, size: int
    ) -> _Parted | Split:
        """`size`: people it had then, of whom the table has some."""
        people = people_of(clustering, table)
        fit = find(clustering, people, before=None, next_id=1, most=MOST_PARTS, effort=effort)
        if fit.parameters is None:
            count, need = len(people.person), fit.notices[0].evidence.get("need")
            why = (
                f"{count:,} of its people were known on {date_of(self.then.until)}, and {need:,} are needed"
                if need is not None
                else "its people did not differ by anything that was known of them"
            )
            return self._split(name, people=count, why_not=why)
        clusters = fit.parameters["clusters"]
        tried = next(one for one in fit.parameters["tried"] if one["k"] == fit.parameters["k"])
        centres = frozen(fit.parameters)
        part = assigned(centres.matrix(people), centres.centres)
        least = min(one["people"] for one in clusters) * size / max(len(people.person), 1)
        split = self._split(
            name,
            people=len(people.person),
            by=tuple(one.name for one in clustering.features),
            stability=min(tried["stability"]),
            cloud=tried["cloud"],
            natural=fit.parameters["natural"],
            parts=tuple(
                Part(one["name"], one["people"], one["rule"]["text"], one["rule"]["fidelity"])
                for one in clusters
            ),
        )
        if split.natural and least < self.smallest:
            why = f"a part of it would have {least:,.0f} people, fewer than {self.smallest:,}"
            return replace(split, why_not=why)
        return _Parted(split, people.person, part) if split.natural else split
