"""Related records of the vocabulary: what connections declare, and what `[records]` adds. Places:
what `[places]` makes of two facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from connectors.base import RecordStates, Stream
from rules.vocabulary import Field, Kind, Place, Record, Type
from sync.config.problems import did_you_mean
from sync.config.settings import Settings

_MEANINGS: Mapping[str, str] = {
    "deal": "A deal the person is on, as it is now",
    "opportunity": "An opportunity the person has a role in, as it is now",
}
Complain = Callable[[str, str], None]


def related_records(
    settings: Settings,
    streams: Mapping[str, Iterable[Stream]],
    kinds: Mapping[str, Kind],
    problem: Complain,
) -> dict[str, Record]:
    """Every kind of record; `problem(key, message)` is told what cannot hold. What the config says of a name
    wins over what a connection says."""
    found: dict[str, tuple[str, RecordStates, str]] = {}
    for connection in sorted(streams):
        for stream in streams[connection]:
            if stream.record is None:
                continue
            name = stream.record.name
            before = found.setdefault(
                name, (f"connections.{connection}", stream.record, _MEANINGS.get(name, ""))
            )
            if before[1] != stream.record and name not in settings.records:
                problem(
                    f"connections.{connection}",
                    f'other connections know "{name}" by other fields; say in [records.{name}] which hold',
                )
    for name, own in settings.records.items():
        found[name] = (f"records.{name}", RecordStates(name, own.key, own.kinds), own.meaning)
    made = {}
    for name, (key, states, meaning) in found.items():
        if name in kinds:
            problem(key, f'"{name}" is also a kind of activity; choose another name')
        record = _record(key, states, meaning, kinds, problem)
        if record is not None:
            made[name] = record
    return made


def _record(
    key: str, states: RecordStates, meaning: str, kinds: Mapping[str, Kind], problem: Complain
) -> Record | None:
    unknown = [name for name in states.kinds if name not in kinds]
    for name in unknown:
        problem(f"{key}.kinds", f'there is no activity "{name}"{did_you_mean(name, kinds)}')
    if unknown:
        return None
    fields: dict[str, Field] = {}
    for kind in states.kinds:
        if states.key not in kinds[kind].fields:
            near = did_you_mean(states.key, kinds[kind].fields)
            problem(f"{key}.key", f'the activity "{kind}" has no field "{states.key}"{near}')
            return None
        for name, field in kinds[kind].fields.items():
            if fields.setdefault(name, field).type is not field.type:
                problem(f"{key}.kinds", f'"{name}" has another type in "{kind}" than in the kinds before it')
    sources = dict.fromkeys(source for kind in states.kinds for source in kinds[kind].sources)
    return Record(
        states.name, fields, meaning=meaning, sources=tuple(sources), key=states.key, kinds=states.kinds
    )


def places(settings: Settings, fields: Mapping[str, Type], problem: Complain) -> dict[str, Place]:
    """Every place of the config; `problem(key, message)` is told of facts that are no numbers."""
    for name, own in settings.places.items():
        for part, fact in (("latitude", own.latitude), ("longitude", own.longitude)):
            key, type_ = f"places.{name}.{part}", fields.get(fact)
            if type_ is None:
                problem(key, f'there is no fact "{fact}"{did_you_mean(fact, fields)}')
            elif type_ is not Type.NUMBER:
                problem(key, f'"{fact}" is {type_}, not a number; give it the type number where it is read')
    return {
        name: Place(name, own.latitude, own.longitude, own.meaning) for name, own in settings.places.items()
    }
