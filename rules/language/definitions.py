"""Rule files → drafts of segments, tiers and fields: everything but the meaning of their expressions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from rules.language import keys
from rules.language.clusterings import ClusteringDraft, read_clustering
from rules.language.problems import suggest
from rules.language.scores import ScoreDraft, read_score
from rules.language.source import Source, Table
from rules.ruleset import Drift, Expect, Mode, Target
from rules.vocabulary import Vocabulary

_HOURS = {"hour": 1, "day": 24, "week": 168}
_LONGEST_STAY_DAYS = 365


@dataclass(slots=True)
class FieldDraft:
    """A [[field]]."""

    id: str
    table: Table

    @property
    def expression(self) -> str:
        return self.table.text("is")


@dataclass(slots=True)
class SegmentDraft:
    """A [[segment]], or one tier with the id "tiers/tier"; `earlier` are the tiers before it."""

    id: str
    table: Table
    name: str
    why: str
    owner: str
    mode: Mode
    to: tuple[Target, ...]
    expect: Expect | None
    earlier: tuple[SegmentDraft, ...] = ()
    otherwise: bool = False

    stay: int | None = None  # hours

    @property
    def leave_expression(self) -> str | None:
        """The text of `leave_when`."""
        return self.table.text("leave_when") if "leave_when" in self.table.values else None

    @property
    def expression(self) -> str:
        """The text of `when`; of a tier with `otherwise` there is none."""
        return "" if self.otherwise else self.table.text("when")


@dataclass(slots=True)
class CaseDraft:
    """A case; `tiers` are the tier ids it may name, empty for a segment's case. `lasts`: the segment has
    `leave_when` or `stay`."""

    segment: str
    table: Table
    tiers: tuple[str, ...] = ()
    lasts: bool = False


@dataclass(slots=True)
class Drafts:
    """All definitions of all files in the order of reading."""

    vocabulary: Vocabulary
    segments: dict[str, SegmentDraft] = field(default_factory=dict)
    nameless: list[SegmentDraft] = field(default_factory=list)  # id missing, wrong or taken: only checked
    fields: dict[str, FieldDraft] = field(default_factory=dict)
    scores: dict[str, ScoreDraft] = field(default_factory=dict)
    clusterings: dict[str, ClusteringDraft] = field(default_factory=dict)
    cases: list[CaseDraft] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)  # id → where it is defined, "file:line:column"

    def read(self, source: Source) -> bool:
        """Add what a file defines; problems go to the source. False if it is no TOML at all."""
        root = source.root()
        if root is None:
            return False
        for key in ("segment", "tiers", "field", "score", "clustering"):
            if isinstance(root.values.get(key), dict):
                root.report(key, f"write [[{key}]] with two brackets: there may be many")
                del root.values[key]
        root.check(keys.FILE, "a rule file")
        for table in root.tables("field"):
            self._field(table)
        for table in root.tables("score"):
            self._score(table)
        for table in root.tables("clustering"):
            draft = read_clustering(table, self.vocabulary)
            if self._new(table, draft.id):
                self.clusterings[draft.id] = draft
        for table in root.tables("segment"):
            self._segment(table)
        for table in root.tables("tiers"):
            self._tiers(table)
        return True

    def _field(self, table: Table) -> None:
        table.check(keys.FIELD, "[[field]]")
        id_ = table.text("id")
        if not self._new(table, id_):
            return
        taken = self.vocabulary
        if id_ in taken.fields or id_ in taken.kinds or id_ in {**taken.records, **taken.places}:
            table.report("id", f'"{id_}" is already a name of the vocabulary', on_value=True)
        elif "is" in table.values:
            self.fields[id_] = FieldDraft(id_, table)

    def _score(self, table: Table) -> None:
        draft = read_score(table)
        if not self._new(table, draft.id):
            return
        if draft.id in self.vocabulary.fields or draft.id in self.vocabulary.kinds:
            table.report("id", f'"{draft.id}" is already a name of the vocabulary', on_value=True)
        else:
            self.scores[draft.id] = draft

    def _segment(self, table: Table) -> None:
        table.check(keys.SEGMENT, "[[segment]]")
        id_ = table.text("id")
        self._cases(table, id_, keys.SEGMENT_CASE, "[[segment.case]]")
        draft = self._draft(table, id_, name=id_)
        draft.stay = _stay(table)
        if self._new(table, id_):
            self.segments[id_] = draft
        else:
            self.nameless.append(draft)

    def _tiers(self, table: Table) -> None:
        _no_memory(table)
        table.check(keys.TIERS, "[[tiers]]")
        id_ = table.text("id")
        shared = self._draft(table, id_, name="")
        new = self._new(table, id_)
        earlier: list[SegmentDraft] = []
        tiers = list(table.tables("tier"))
        for number, tier in enumerate(tiers, 1):
            _no_memory(tier)
            tier.check(keys.TIER, "[[tiers.tier]]")
            draft = self._tier(tier, shared, last=number == len(tiers))
            draft.earlier = tuple(earlier)
            earlier.append(draft)
            if new and self._new(tier, draft.id if tier.text("id") else ""):
                self.segments[draft.id] = draft
            else:
                self.nameless.append(draft)
        if "tier" in table.values and not tiers:
            table.report("tier", "[[tiers]] without a tier")
        names = tuple(draft.id.removeprefix(f"{id_}/") for draft in earlier)
        self._cases(table, id_, keys.TIERS_CASE, "[[tiers.case]]", names)

    def _tier(self, tier: Table, shared: SegmentDraft, *, last: bool) -> SegmentDraft:
        own = self._draft(tier, f"{shared.id}/{tier.text('id')}", name=tier.text("id"))
        own.otherwise = "otherwise" in tier.values
        if own.otherwise and "when" in tier.values:
            tier.report("otherwise", "a tier has either when or otherwise")
        elif own.otherwise and not last:
            tier.report("otherwise", "only the last tier can take everyone else; no later tier would match")
        elif "otherwise" not in tier.place.keys and "when" not in tier.place.keys:
            tier.source.report(tier.place.at, '[[tiers.tier]] needs the key "when" (or otherwise = true)')
        own.name = f"{shared.name}: {own.name}" if shared.name else own.name
        own.why, own.owner = own.why or shared.why, own.owner or shared.owner
        own.mode = own.mode if "mode" in tier.values else shared.mode
        own.to = (*shared.to, *(target for target in own.to if target not in shared.to))
        own.expect = own.expect or shared.expect
        return own

    def _draft(self, table: Table, id_: str, *, name: str) -> SegmentDraft:
        return SegmentDraft(
            id_,
            table,
            name=table.text("name", name),
            why=table.text("why"),
            owner=table.text("owner"),
            mode=Mode(table.text("mode", Mode.MIRROR)),
            to=self._targets(table),
            expect=_expect(table),
        )

    def _cases(
        self, table: Table, id_: str, known: tuple[keys.Key, ...], what: str, tiers: tuple[str, ...] = ()
    ) -> None:
        for case in table.tables("case"):
            case.check(known, what)
            lasts = "leave_when" in table.place.keys or "stay" in table.place.keys
            self.cases.append(CaseDraft(id_, case, tiers, lasts))

    def _new(self, table: Table, id_: str) -> bool:
        """False, and reported, if the id is taken; false if it is missing or wrong (already reported)."""
        if not id_:
            return False
        if id_ in self.ids:
            shown = id_.rsplit("/", 1)[-1]
            table.report("id", f'the id "{shown}" is already used at {self.ids[id_]}', on_value=True)
            return False
        place = table.source.place(table.value_at("id"))
        self.ids[id_] = f"{place.file}:{place.line}:{place.column}"
        return True

    def _targets(self, table: Table) -> tuple[Target, ...]:
        targets: list[Target] = []
        for value, place in table.items("to"):
            target = self._target(table, value, place.at)
            if target is None:
                continue
            if any(
                (target.connection, target.kind, target.name) == (t.connection, t.kind, t.name)
                for t in targets
            ):
                table.source.report(place.at, f'"{target.connection}" is listed twice')
            targets.append(target)
        for inner in table.tables("to"):
            inner.check(keys.TARGET, "to")
        return tuple(targets)

    def _target(self, table: Table, value: object, at: int) -> Target | None:
        known = self.vocabulary.connections
        if isinstance(value, str):
            return Target(value) if self._connection(table.source, value, at, known) else None
        if not isinstance(value, dict):
            table.source.report(at, 'to lists connections: "hubspot-eu" or { connection = "hubspot-eu", … }')
            return None
        inner = next(each for each in table.tables("to") if each.place.at == at)
        connection, kind, name = value.get("connection"), value.get("as"), value.get("name")
        drift, by = value.get("drift"), value.get("by")
        if not isinstance(connection, str):
            return None
        if not self._connection(table.source, connection, inner.value_at("connection"), known):
            return None
        if isinstance(kind, str) and known and kind not in known[connection]:
            takes = ", ".join(sorted(known[connection]))
            message = f'"{connection}" has no "{kind}"{suggest(kind, known[connection])} (it takes {takes})'
            inner.report("as", message, on_value=True)
            return None
        return Target(
            connection,
            kind if isinstance(kind, str) else None,
            name if isinstance(name, str) else None,
            value.get("include_suppressed") is True,
            Drift(drift) if isinstance(drift, str) and drift in set(Drift) else Drift.RESPECT,
            dt.time.fromisoformat(by) if isinstance(by, str) and keys.CLOCK.fullmatch(by) else None,
        )

    def _connection(self, source: Source, name: str, at: int, known: Mapping[str, frozenset[str]]) -> bool:
        if not known:
            return True
        if name not in known:
            source.report(at, f'unknown connection "{name}"{suggest(name, known)}')
            return False
        if not known[name]:
            source.report(at, f'nothing can be written to the connection "{name}"')
            return False
        return True


def _no_memory(table: Table) -> None:
    """Tiers have no hysteresis: whoever leaves one is in another at once."""
    for key in ("leave_when", "stay"):
        if key in table.values:
            table.report(key, f"{key} is for [[segment]]; of tiers, the first that matches now is taken")
            del table.values[key]


def _stay(table: Table) -> int | None:
    """In hours."""
    found = keys.DURATION.fullmatch(table.text("stay"))
    if found is None:
        return None
    hours = int(found[1]) * _HOURS[found[2]]
    if hours > _LONGEST_STAY_DAYS * 24:
        table.report("stay", f"stay is at most {_LONGEST_STAY_DAYS} days", on_value=True)
        return None
    return hours


def _expect(table: Table) -> Expect | None:
    inner = table.table("expect")
    if inner is None:
        return None
    inner.check(keys.EXPECT, "expect")
    numbers = inner.values
    for low, high in (("min", "max"), ("min_share", "max_share")):
        if low in numbers and high in numbers and float(str(numbers[low])) > float(str(numbers[high])):
            inner.report(low, f"{low} is above {high}", on_value=True)
    return Expect(
        min=_whole(numbers.get("min")),
        max=_whole(numbers.get("max")),
        min_share=_share(numbers.get("min_share")),
        max_share=_share(numbers.get("max_share")),
        removals_share=_share(numbers.get("removals_share")),
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _share(value: object) -> float | None:
    return None if value is None else float(str(value))
