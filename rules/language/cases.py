"""Cases in rule files → people and activity in physical units, checked against the vocabulary."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from zoneinfo import ZoneInfo

from rules.language.checks.scope import TYPE_WORDS
from rules.language.definitions import CaseDraft
from rules.language.places import ArrayPlace, TablePlace
from rules.language.problems import suggest
from rules.language.source import Table
from rules.ruleset import Place
from rules.text import clean, fold
from rules.vocabulary import MONEY_SCALE, NUMBER_SCALE, Type, Vocabulary

_FLAGS = ("suppressed", "consented_email")
_LISTS = "in_lists"
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Case:
    """One example of a segment or of tiers.

    Values as in `people` and `activity`: NUMBER int millionths, MONEY int minor units, DATE `date`,
    DATETIME aware UTC `datetime`, TEXT cleaned (not folded), TEXTS a tuple of them. What is missing is
    not in the mapping. `person` may also hold `suppressed`, `consented_email` (bool) and `in_lists`
    (a tuple of folded "connection:list"). Each activity has `kind`, `at` and the fields of the kind.
    `was_member_since`: the person was in the segment since then.
    `since`: id of a segment → since when the person was in it without a break, by earlier runs.
    For a segment `member` is set, for tiers `tier`: a tier's id, or "none".
    """

    segment_id: str
    name: str
    as_of: dt.datetime
    person: Mapping[str, object]
    activity: tuple[Mapping[str, object], ...]
    member: bool | None
    tier: str | None
    place: Place
    was_member_since: dt.datetime | None = None
    since: Mapping[str, dt.datetime] = field(default_factory=dict)


def build_case(
    draft: CaseDraft, vocabulary: Vocabulary, *, number: int, segments: Collection[str]
) -> Case | None:
    """The case with its values converted; None after reporting what is wrong. `number` names it if it
    has no name, `segments` are the ids that there are."""
    table, before = draft.table, len(draft.table.source.problems)
    zone = ZoneInfo(vocabulary.zone)
    person = _person(table.table("person"), vocabulary, zone)
    activity = tuple(_activity(each, vocabulary, zone) for each in table.tables("activity"))
    earlier = _since(table.table("since"), segments, zone)
    tier = table.text("tier") or None
    if tier is not None and tier != "none" and tier not in draft.tiers:
        table.report("tier", f'unknown tier "{tier}"{suggest(tier, draft.tiers)}', on_value=True)
    as_of, member = table.values.get("as_of"), table.values.get("member")
    since = table.values.get("was_member_since")
    was_since = _instant(since, zone) if isinstance(since, dt.date) else None
    if was_since is not None and isinstance(as_of, dt.date) and was_since >= _instant(as_of, zone):
        table.report("was_member_since", "was_member_since is not before as_of", on_value=True)
    if was_since is not None and not draft.lasts:
        message = "was_member_since matters only to a segment with leave_when or stay"
        table.report("was_member_since", message)
    fine = len(table.source.problems) == before
    if not fine or not isinstance(as_of, dt.date) or (member is None and tier is None):
        return None
    return Case(
        segment_id=draft.segment,
        name=table.text("name", f"case {number}"),
        as_of=_instant(as_of, zone),
        person=MappingProxyType(person),
        activity=tuple(MappingProxyType(each) for each in activity),
        member=member if isinstance(member, bool) else None,
        tier=tier,
        place=table.source.place(table.place.at),
        was_member_since=was_since,
        since=MappingProxyType(earlier),
    )


def _since(table: Table | None, segments: Collection[str], zone: ZoneInfo) -> dict[str, dt.datetime]:
    found: dict[str, dt.datetime] = {}
    for name, value in table.values.items() if table else ():
        assert table is not None  # noqa: S101 - for the type checker
        if name not in segments:
            table.report(name, f'unknown segment "{name}"{suggest(name, segments)}')
        elif not isinstance(value, dt.date):
            table.report(name, "must be an instant such as 2026-03-02T09:00:00Z", on_value=True)
        else:
            found[name] = _instant(value, zone)
    return found


def _person(table: Table | None, vocabulary: Vocabulary, zone: ZoneInfo) -> dict[str, object]:
    facts: dict[str, object] = {}
    for name, value, at in table.flat() if table else ():
        assert table is not None  # noqa: S101 - for the type checker
        if found := vocabulary.fields.get(name):
            _put(facts, table, name, value, found.type, at, zone)
        elif name in _FLAGS:
            _put(facts, table, name, value, Type.BOOLEAN, at, zone)
        elif name == _LISTS:
            _put(facts, table, name, value, Type.TEXTS, at, zone)
            listed = facts.get(_LISTS, ())
            facts[_LISTS] = tuple(fold(each) for each in listed) if isinstance(listed, tuple) else ()
        else:
            known = [*vocabulary.fields, *_FLAGS, _LISTS]
            table.source.report(at, f'unknown fact "{name}"{suggest(name, known)}')
    return facts


def _activity(table: Table, vocabulary: Vocabulary, zone: ZoneInfo) -> dict[str, object]:
    values: dict[str, object] = {}
    for key in ("kind", "at"):
        if key not in table.values:
            table.source.report(table.place.at, f'an activity needs the key "{key}"')
    name, at = table.values.get("kind"), table.values.get("at")
    if isinstance(at, dt.date):
        values["at"] = _instant(at, zone)
    elif "at" in table.values:
        table.report("at", "at must be an instant such as 2026-03-02T09:00:00Z", on_value=True)
    kind = vocabulary.kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        if "kind" in table.values:
            hint = suggest(str(name), vocabulary.kinds)
            table.report("kind", f'unknown activity "{name}"{hint}', on_value=True)
        return values
    values["kind"] = kind.name
    for key, value, key_at in table.flat():
        if key in ("kind", "at"):
            continue
        if found := kind.fields.get(key):
            _put(values, table, key, value, found.type, key_at, zone)
        else:
            hint = suggest(key, kind.fields)
            table.source.report(key_at, f'unknown field "{key}" of {kind.name}{hint}')
    return values


def _put(
    into: dict[str, object], table: Table, name: str, value: object, type_: Type, at: int, zone: ZoneInfo
) -> None:
    """Convert a value and keep it unless it is missing (an empty text)."""
    converted = _convert(value, type_, zone)
    if isinstance(converted, _Wrong):
        table.source.report(_value_at(table.place, name, at), f"{name} {converted.message}")
    elif converted is not None:
        into[name] = converted


@dataclass(frozen=True, slots=True)
class _Wrong:
    message: str


def _convert(value: object, type_: Type, zone: ZoneInfo) -> object:
    whole_number = isinstance(value, int) and not isinstance(value, bool)
    match type_:
        case Type.TEXT if isinstance(value, str):
            return clean(value)
        case Type.TEXTS if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(text for each in value if (text := clean(each))) or None
        case Type.BOOLEAN if isinstance(value, bool):
            return value
        case Type.NUMBER if whole_number or isinstance(value, Decimal):
            return _scaled(value, NUMBER_SCALE, "6 decimals")
        case Type.MONEY if whole_number or isinstance(value, Decimal):
            return _scaled(value, MONEY_SCALE, "2 decimals")
        case Type.DATE if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return value
        case Type.DATETIME if isinstance(value, dt.date):
            return _instant(value, zone)
    return _Wrong(f"is {TYPE_WORDS[type_]}, not {_describe(value)}")


def _scaled(value: object, scale: int, most: str) -> object:
    number = Decimal(str(value))
    if not number.is_finite():
        return _Wrong("must be a finite number")
    scaled = number * scale
    if scaled != int(scaled):
        return _Wrong(f"has more than {most}")
    return int(scaled) if abs(scaled) <= _LARGEST else _Wrong("is too large")


def _instant(value: dt.date, zone: ZoneInfo) -> dt.datetime:
    """UTC; without an offset the business zone is meant, a date is its first instant there."""
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day, tzinfo=zone)
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(dt.UTC)


def _describe(value: object) -> str:
    match value:
        case str():
            return f'"{value}"'
        case bool():
            return "true" if value else "false"
        case list():
            return "a list"
        case dt.date() | dt.time():
            return value.isoformat()
        case _:
            return str(value)


def _value_at(place: TablePlace, name: str, at: int) -> int:
    """The place of the value under a (perhaps dotted) name whose last key stands at `at`."""
    for key, inner in place.values.items():
        if name == key and place.keys[key] == at:
            return inner.at
        if name.startswith(f"{key}.") and isinstance(inner, TablePlace):
            return _value_at(inner, name[len(key) + 1 :], at)
        if isinstance(inner, ArrayPlace):
            continue
    return at
