"""Every name a rule may use, from the settings and the connections' streams. Reads no data.

A field's sources stand in the order of trust. Problems come all at once as `ConfigError`, because what
mends them (a mapping, a type) is written in the config.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from connectors.base import FieldType, Stream, StreamField, StreamKind
from rules.vocabulary import Field, Kind, Record, Type, Vocabulary
from sync.config.problems import ConfigError, Problem, did_you_mean
from sync.config.settings import FieldSettings, Settings, Source
from sync.facts import facts_of_clusterings
from sync.fields import FieldSpec
from sync.measuring import check_measuring
from sync.modelled import modelled
from sync.related import places, related_records
from sync.standard import ALIASES, KIND_MEANINGS, STANDARD_FIELDS

Streams: TypeAlias = Mapping[str, tuple[Stream, ...]]
"""Connection → the streams it is read for."""

_RECORD = {
    "external_id": StreamField("external_id", FieldType.TEXT, meaning="The platform's own id of the contact"),
    "address": StreamField("address", FieldType.TEXT, meaning="How the platform addresses the contact"),
}
"""Columns that every record has; they may be named as sources, but are no raw fields."""


@dataclass(frozen=True, slots=True)
class VocabularyRow:
    """One line of `segsync vocabulary`. `fill_rate`: share of people (0 to 1) who have it; None: unknown."""

    name: str
    type: str  # a `Type`, or "activity", "records", "place", "list"
    unit: str | None
    meaning: str
    source: str
    fill_rate: float | None


def build(
    settings: Settings,
    streams: Streams,
    *,
    lists: Iterable[str] = (),
    audiences: Mapping[str, frozenset[str]] | None = None,
    models: Mapping[str, int] | None = None,
    clusterings: Sequence[str] = (),
) -> tuple[Vocabulary, tuple[FieldSpec, ...]]:
    """The vocabulary, and for each of its fields where the values come from.

    `lists`: "connection:list name" read so far. `audiences`: connection → kinds it takes as destination.
    `models`: model → the version whose results are used; the facts of those that are on are names, too.
    `clusterings`: the ids of those in the rule files, whose facts give way to names of the config.
    ConfigError with every mapping that cannot hold: an unknown column, types that differ, a name used twice.
    """
    work = _Work(settings, streams)
    work.collect_columns()
    raw = {f"{c}.{n}": _raw(c, column) for c, found in work.columns.items() for n, column in found.items()}
    merged = work.merged_fields()
    kinds = work.kinds()
    records = related_records(settings, streams, kinds, work.problem)
    types = {name: spec.type for name, spec in {**merged, **raw}.items()}
    placed = places(settings, types, work.problem)
    check_measuring(settings, types, kinds, work.problem)
    facts = modelled(settings, kinds, types, models or {}, work.problem)
    taken_names = {*types, *kinds, *records, *work.columns}
    for name in sorted({*facts} & {*taken_names, *placed}):
        work.problem(
            f"models.{facts[name].model}",
            f'it gives the fact "{name}", but that has another meaning already; give the other another name',
        )
    for name in sorted({*placed} & taken_names):
        work.problem(f"places.{name}", f'"{name}" has another meaning already; choose another name')
    for taken, what in ((kinds, "a kind of activity"), (records, "a kind of record")):
        for name in sorted({*merged, *work.columns} & {*taken}):
            key = f"connections.{name}" if name in work.columns else work.field_key(name)
            work.problem(key, f'"{name}" is also {what}; choose another name')
    for name in sorted(set(merged) & set(raw)):
        work.problem(f"connections.{name.split('.')[0]}", f'its column is called like the field "{name}"')
    for position, shared in enumerate(settings.identity.keys):
        for place, source in enumerate(shared.sources):
            work.exists(source, f"identity.id[{position}].from[{place}]")
    if work.problems:
        raise ConfigError(work.problems)
    specs = {**merged, **raw}
    clusters = facts_of_clusterings(clusterings, taken={*taken_names, *facts, *placed})
    vocabulary = Vocabulary(
        fields={**{name: spec.field() for name, spec in specs.items()}, **facts, **clusters},
        kinds=kinds,
        places=placed,
        records=records,
        lists=frozenset(lists),
        currency=settings.business.currency,
        zone=settings.business.zone,
        connections={} if audiences is None else {**dict.fromkeys(streams, frozenset()), **audiences},
    )
    return vocabulary, tuple(specs.values())


def _raw(connection: str, column: StreamField) -> FieldSpec:
    """The field `connection.column`: what one platform says, as it says it."""
    return FieldSpec(
        name=f"{connection}.{column.name}",
        type=Type(column.type),
        unit=column.unit,
        meaning=column.meaning or f"{column.name} as {connection} has it",
        sources=((connection, column.name),),
    )


@dataclass(slots=True)
class _Work:
    """What is known while the vocabulary is put together; `columns` by connection, most trusted first."""

    settings: Settings
    streams: Streams
    columns: dict[str, dict[str, StreamField]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, key: str, message: str) -> None:
        self.problems.append(self.settings.problem(key, message))

    def field_key(self, name: str) -> str:
        """The field's key as it stands in the file: a name with dots is quoted there, or nested."""
        quoted = f'fields."{name}"'
        return quoted if quoted in self.settings.lines else f"fields.{name}"

    def each(self, kind: StreamKind) -> Iterator[tuple[str, Stream]]:
        """(connection, stream) of this kind, most trusted connection first."""
        order = {name: position for position, name in enumerate(self.settings.trust)}
        for connection in sorted(self.streams, key=lambda name: order.get(name, len(order))):
            for stream in self.streams[connection]:
                if stream.kind is kind:
                    yield connection, stream

    def collect_columns(self) -> None:
        """Every column of contacts; two streams of one connection must agree on its type."""
        for connection, stream in self.each(StreamKind.CONTACTS):
            mine = self.columns.setdefault(connection, {})
            for column in stream.fields:
                before = mine.setdefault(column.name, column)
                if before.type is not column.type:
                    message = f'"{column.name}" is {before.type} in one stream and {column.type} in another'
                    self.problem(f"connections.{connection}", message)

    def merged_fields(self) -> dict[str, FieldSpec]:
        """Fields that several connections may give: the standard ones, then those of `[fields]`."""
        mapped = self._standard_sources()
        found: dict[str, FieldSpec] = {}
        for name in dict.fromkeys([*mapped, *self.settings.fields]):
            own = self.settings.fields.get(name) or FieldSettings(name)
            key = self.field_key(name)
            if own.sources is None:
                sources = mapped.get(name, ())
                places = [key] * len(sources)
            else:
                sources = own.sources
                places = [f"{key}.from[{position}]" for position in range(len(sources))]
            if not sources:
                self.problem(key, 'no connection gives it; say from = ["connection.column"]')
            known = [s for s, place in zip(sources, places, strict=True) if self.exists(s, place)]
            if known:
                found[name] = self._spec(own, tuple(known))
        return found

    def _standard_sources(self) -> dict[str, tuple[Source, ...]]:
        """Name → columns that carry it, as the platforms say or as the columns themselves are called."""
        found: dict[str, dict[Source, None]] = {name: {} for name in STANDARD_FIELDS}
        for connection, stream in self.each(StreamKind.CONTACTS):
            called = {ALIASES.get(column.name, column.name): column.name for column in stream.fields}
            carriers = {name: column for name, column in called.items() if name in STANDARD_FIELDS}
            carriers.update((ALIASES.get(name, name), column) for name, column in stream.standard.items())
            for name, column in carriers.items():
                found.setdefault(name, {})[(connection, column)] = None
        return {name: tuple(sources) for name, sources in found.items() if sources}

    def exists(self, source: Source, key: str) -> bool:
        """Whether the connection has the column; a problem at `key` if not."""
        connection, column = source
        if connection not in self.columns:
            self.problem(key, f'"{connection}" gives no contacts')
        elif column not in self.columns[connection] and column not in _RECORD:
            near = did_you_mean(column, self.columns[connection])
            self.problem(key, f'"{connection}" has no column "{column}"{near}')
        else:
            return True
        return False

    def _spec(self, own: FieldSettings, sources: tuple[Source, ...]) -> FieldSpec:
        standard = STANDARD_FIELDS.get(own.name)
        carriers = [self.columns[connection].get(column) or _RECORD[column] for connection, column in sources]
        kind = own.type or (standard.type if standard else Type(carriers[0].type))
        for (connection, column), carrier in zip(sources, carriers, strict=True):
            if Type(carrier.type) is not kind:
                self.problem(
                    self.field_key(own.name),
                    f"must be {kind}, but {connection}.{column} is {carrier.type}; give that column the type"
                    f" {kind} in [connections.{connection}], or name the columns to use in from",
                )
        first = carriers[0]
        unit = own.unit or first.unit or (standard.unit if standard else None)
        if kind is Type.MONEY:
            unit = self.settings.business.currency  # other currencies are converted at load
        meaning = own.meaning or (standard.meaning if standard else first.meaning)
        return FieldSpec(name=own.name, type=kind, unit=unit, meaning=meaning, sources=sources)

    def kinds(self) -> dict[str, Kind]:
        """Every kind of activity with the fields of all connections that yield it."""
        found: dict[str, Kind] = {}
        for connection, stream in self.each(StreamKind.ACTIVITY):
            for name in stream.activity_kinds:
                kind = found.get(name) or Kind(name, meaning=KIND_MEANINGS.get(name, ""))
                fields = dict(kind.fields)
                for column in stream.fields:
                    fields[column.name] = self._joined(connection, stream, name, column, fields)
                sources = (*kind.sources, f"{connection}.{stream.name}")
                found[name] = replace(kind, fields=fields, sources=sources)
        return found

    def _joined(
        self, connection: str, stream: Stream, kind: str, column: StreamField, fields: Mapping[str, Field]
    ) -> Field:
        """The activity's field with this column as one more source."""
        source = f"{connection}.{stream.name}.{column.name}"
        type_, before = Type(column.type), fields.get(column.name)
        if before is None:
            unit = self.settings.business.currency if type_ is Type.MONEY else column.unit
            return Field(column.name, type_, meaning=column.meaning, unit=unit, sources=(source,))
        if before.type is not type_:
            other = before.sources[0].split(".")[0]
            self.problem(
                f"connections.{connection}",
                f"{kind}.{column.name} is {type_} here, but {before.type} in {other}; give both the same"
                " type, or one of them another name",
            )
        return replace(before, sources=(*before.sources, source))


def describe(
    vocabulary: Vocabulary, fill_rates: Mapping[str, float] | None = None
) -> tuple[VocabularyRow, ...]:
    """Rows for people: facts, kinds and records each with its fields, lists. `fill_rates`: by name."""
    rates = fill_rates or {}
    rows = [_row(name, fact, rates.get(name)) for name, fact in vocabulary.fields.items()]
    for kind in (*vocabulary.kinds.values(), *vocabulary.records.values()):
        what = "records" if isinstance(kind, Record) else "activity"
        rows.append(VocabularyRow(kind.name, what, None, kind.meaning, ", ".join(kind.sources), None))
        named = {f"{kind.name}.{name}": inner for name, inner in kind.fields.items()}
        rows.extend(_row(name, inner, rates.get(name)) for name, inner in named.items())
    for place in vocabulary.places.values():
        meaning = place.meaning or f"Where the person is: {place.name} within 50 km of (48.14, 11.58)"
        rows.append(
            VocabularyRow(place.name, "place", None, meaning, f"{place.latitude}, {place.longitude}", None)
        )
    for name in sorted(vocabulary.lists):
        connection, _, title = name.partition(":")
        meaning = f'Who is on it: in list "{name}"'
        rows.append(VocabularyRow(title, "list", None, meaning, connection, None))
    return tuple(rows)


def _row(name: str, field: Field, fill_rate: float | None) -> VocabularyRow:
    return VocabularyRow(
        name, field.type.value, field.unit, field.meaning, ", ".join(field.sources), fill_rate
    )
