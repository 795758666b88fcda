"""A folder of rule files → a checked set of rules, or every problem in it at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from rules import ir
from rules.language import keys
from rules.language.advice import warn, warn_unused
from rules.language.cases import Case, build_case
from rules.language.checked import Checked
from rules.language.checks.expression import Expressions
from rules.language.definitions import Drafts, SegmentDraft
from rules.language.folder import rule_files, wrong_links
from rules.language.order import in_order
from rules.language.problems import Problem, Severity
from rules.language.ruletext import RuleText
from rules.language.source import Source, Table
from rules.language.syntax import tree
from rules.ruleset import Clustering, Place, RuleSet, Segment, Target
from rules.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Asked:
    """The own condition of a segment or tier, and where its parts stand in the file."""

    segment: str
    condition: ir.Predicate
    place: Callable[[ir.Predicate], Place]


@dataclass(frozen=True, slots=True)
class Loaded:
    """`ruleset` is None if and only if there are errors; then `problems` says why. Problems are sorted by
    place and include warnings. `sources` are the texts by file name, `asked` the conditions one by one."""

    ruleset: RuleSet | None
    problems: tuple[Problem, ...]
    cases: tuple[Case, ...]
    sources: Mapping[str, str]
    asked: tuple[Asked, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep the rules from being used."""
        return tuple(each for each in self.problems if each.severity is Severity.ERROR)


def load(path: Path, vocabulary: Vocabulary) -> Loaded:
    """Read one rule file, or all *.toml of a folder and the folders in it."""
    sources, problems = _read(path)
    drafts = Drafts(vocabulary)
    # With a file missing, the segments it defines are unknown: names of segments are then not checked.
    complete = not problems
    for source in sources:
        complete = drafts.read(source) and complete
    checked, clusterings = _check(drafts, sources, complete=complete)
    cases = _cases(drafts)
    for source in sources:
        problems.extend(source.problems)
    problems.sort(key=lambda each: (each.file, each.line, each.column, each.message))
    ruleset = None
    if not any(each.severity is Severity.ERROR for each in problems):
        ruleset = RuleSet(
            MappingProxyType({each.draft.id: _segment(each, checked) for each in checked.values()}),
            MappingProxyType(clusterings),
        )
    texts = MappingProxyType({source.name: source.text for source in sources})
    asked = () if ruleset is None else tuple(_asked(each) for each in checked.values())
    return Loaded(ruleset, tuple(dict.fromkeys(problems)), cases, texts, asked)


def _asked(one: Checked) -> Asked:
    key = "otherwise" if one.draft.otherwise else "when"
    table = one.draft.table

    def place(part: ir.Predicate) -> Place:
        node = one.places.get(part)
        at = table.value_at(key) if node is None else table.character_at(key, tree.beginning(node))
        return table.source.place(at)

    return Asked(one.draft.id, one.own or ir.Constant(True), place)


@dataclass(frozen=True, slots=True)
class Sent:
    """A segment that a rule file sends somewhere, as it stands there; nothing about it is checked."""

    segment: str
    name: str
    target: Target
    file: str = ""


def sent(path: Path) -> tuple[tuple[Sent, ...], bool]:
    """What the files of `path` send where, and whether all could be read. Needs to know no names."""
    sources, problems = _read(path)
    drafts = Drafts(Vocabulary({}, {}))
    complete = not problems
    for source in sources:
        complete = drafts.read(source) and complete
    found = (
        Sent(each.id, each.name, target, each.table.source.name)
        for each in drafts.segments.values()
        for target in each.to
    )
    return tuple(found), complete


def defined(path: Path) -> Mapping[str, str]:
    """Every id that the files of `path` define → file:line:column. Nothing else about them is checked."""
    drafts = Drafts(Vocabulary({}, {}))
    for source in _read(path)[0]:
        drafts.read(source)
    return MappingProxyType(drafts.ids)


def clusterings_in(path: Path) -> tuple[str, ...]:
    """The ids of the clusterings in the files of `path`, in order. Needs to know no names."""
    found: dict[str, None] = {}
    for source in _read(path)[0]:
        root = source.root() if "clustering" in source.text else None
        for table in root.tables("clustering") if root is not None else ():
            table.check(keys.CLUSTERING, "[[clustering]]")
            if table.text("id"):
                found[table.text("id")] = None
    return tuple(found)


def sources_of(path: Path) -> list[Source]:
    """The files that can be read, as texts; nothing about them is checked."""
    return _read(path)[0]


def _read(path: Path) -> tuple[list[Source], list[Problem]]:
    named = rule_files(path)
    problems = wrong_links(path)
    if not named:
        problems.append(Problem(str(path), 1, 1, "there is no rule file (*.toml) in this folder"))
    sources = []
    for name, each in named:
        try:
            content = each.read_bytes()
        except FileNotFoundError:
            problems.append(Problem(str(path), 1, 1, "there is no such file or folder"))
            continue
        except OSError as error:
            problems.append(Problem(name, 1, 1, f"cannot be read: {error.strerror}"))
            continue
        try:
            text = content.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            before = content[: error.start]
            line = before.count(b"\n") + 1
            column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
            problems.append(Problem(name, line, column, "this is not UTF-8; save the file as UTF-8"))
            continue
        sources.append(Source(name, text))
    return sources, problems


def _check(
    drafts: Drafts, sources: list[Source], *, complete: bool
) -> tuple[dict[str, Checked], dict[str, Clustering]]:
    """Check all expressions; segments are in an order in which each follows those it uses."""
    fields = {id_: each.expression for id_, each in drafts.fields.items()}
    segments = frozenset(drafts.segments) if complete else None
    scores = {id_: each.text for id_, each in drafts.scores.items()}
    expressions = Expressions(drafts.vocabulary, fields, segments, scores)
    checked: dict[str, Checked] = {}
    for id_, draft in drafts.segments.items():
        checked[id_] = _condition(draft, expressions)
    for draft in drafts.nameless:
        _condition(draft, expressions)
    for id_, each in drafts.fields.items():
        expressions.named_value(id_)
        for finding in expressions.field_findings[id_]:
            each.table.report_in("is", finding)
    for id_, score in drafts.scores.items():
        expressions.named_value(id_)
        for number, finding in expressions.score_findings[id_]:
            score.report(number, finding)
    clusterings = {id_: each.checked(expressions) for id_, each in drafts.clusterings.items()}
    if not any(source.problems for source in sources):  # else the rule that uses it may be unreadable
        warn_unused(drafts, expressions)
    warn(checked, expressions)
    order, circles = in_order({id_: _uses(each) for id_, each in checked.items()})
    for circle in circles:
        _report_circle(circle, checked)
    found = {id_: each for id_, each in clusterings.items() if each is not None}
    return {id_: checked[id_] for id_ in order}, found


def _uses(one: Checked) -> list[str]:
    """The segments a condition needs: those it names, and of a tier the one before it."""
    return [used for used, _ in one.uses] + [tier.id for tier in one.draft.earlier[-1:]]


def _report_circle(circle: list[str], checked: Mapping[str, Checked]) -> None:
    """Tell it where the first segment of it names the next; a tier does not name the earlier tiers."""
    table = checked[circle[0]].draft.table
    place = table.place.at
    for id_, following in pairwise(circle):
        at = next((at for used, at in checked[id_].uses if used == following), None)
        if at is not None:
            table, place = checked[id_].draft.table, at
            break
    table.source.report(place, f"segments use each other in a circle: {' → '.join(circle)}")


def _condition(draft: SegmentDraft, expressions: Expressions) -> Checked:
    if draft.otherwise:
        return Checked(draft, ir.Constant(True), ())
    if "when" not in draft.table.values:
        return Checked(draft, None, ())
    own, uses = _expression("when", draft.expression, draft.table, expressions)
    places = expressions.places[draft.expression]
    if draft.leave_expression is None:
        return Checked(draft, own, uses, None, places)
    leave_when, more = _expression("leave_when", draft.leave_expression, draft.table, expressions)
    return Checked(draft, own, (*uses, *more), leave_when, places)


def _expression(
    key: str, text: str, table: Table, expressions: Expressions
) -> tuple[ir.Predicate | None, tuple[tuple[str, int], ...]]:
    """The condition under a key, and the segments it uses with their offsets in the file."""
    condition, findings, uses = expressions.condition(text)
    for finding in findings:
        table.report_in(key, finding)
    return condition, tuple((segment, table.character_at(key, at)) for segment, at in uses)


def _segment(one: Checked, checked: Mapping[str, Checked]) -> Segment:
    draft = one.draft
    table = draft.table
    at = table.value_at("otherwise" if draft.otherwise else "when")
    stay = None if draft.stay is None else table.text("stay")
    return Segment(
        id=draft.id,
        name=draft.name,
        when=_lowered(one, checked),
        source=str(RuleText(draft.expression or "otherwise", draft.leave_expression, stay)),
        place=table.source.place(at),
        why=draft.why,
        owner=draft.owner,
        mode=draft.mode,
        to=draft.to,
        expect=draft.expect,
    )


def _lowered(one: Checked, checked: Mapping[str, Checked]) -> ir.Predicate:
    """The condition; of a tier: none of the earlier ones, and its own."""
    assert one.own is not None  # noqa: S101 - only called without errors
    parts: list[ir.Predicate] = []
    for earlier in one.draft.earlier:
        own = checked[earlier.id].own
        assert own is not None  # noqa: S101 - as above
        parts.append(own.part if isinstance(own, ir.Not) else ir.Not(own))
    if not (parts and one.draft.otherwise):
        parts.extend(one.own.parts if isinstance(one.own, ir.And) and parts else (one.own,))
    whole = parts[0] if len(parts) == 1 else ir.And(tuple(parts))
    if one.leave_when is None and one.draft.stay is None:
        return whole
    return ir.Lasting(one.draft.id, whole, one.leave_when, one.draft.stay)


def _cases(drafts: Drafts) -> tuple[Case, ...]:
    numbers: dict[str, int] = {}
    cases = []
    for draft in drafts.cases:
        numbers[draft.segment] = number = numbers.get(draft.segment, 0) + 1
        case = build_case(draft, drafts.vocabulary, number=number, segments=drafts.segments)
        if case is not None and draft.segment:
            cases.append(case)
    return tuple(cases)
