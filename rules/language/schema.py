"""The JSON Schema of rule files, made from the loader's key tables: editors complete and check keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias

from rules.language import keys
from rules.language.keys import CLOCK, DURATION, FEATURE, MOST_CLUSTERS, Key, Shape
from rules.ruleset import Drift, Mode
from rules.vocabulary import Field, Type, Vocabulary

Schema: TypeAlias = dict[str, object]

_ANY_VALUE: Schema = {"type": ["string", "number", "boolean", "array", "object"]}
_VALUE_TYPES: dict[Type, Schema] = {
    Type.TEXT: {"type": "string"},
    Type.NUMBER: {"type": "number"},
    Type.MONEY: {"type": "number"},
    Type.BOOLEAN: {"type": "boolean"},
    Type.DATE: {"type": "string"},  # TOML dates reach a JSON Schema as text
    Type.DATETIME: {"type": "string"},
    Type.TEXTS: {"type": "array", "items": {"type": "string"}},
}
_SIMPLE: dict[Shape, Schema] = {
    Shape.ID: {"type": "string", "pattern": "^[a-z0-9-]+$"},
    Shape.FIELD_ID: {"type": "string", "pattern": "^[a-z0-9_-]+$"},
    Shape.TEXT: {"type": "string"},
    Shape.EXPRESSION: {"type": "string", "minLength": 1},
    Shape.TRUTH: {"type": "boolean"},
    Shape.ALWAYS: {"const": True},
    Shape.COUNT: {"type": "integer", "minimum": 0},
    Shape.SHARE: {"type": "number", "minimum": 0, "maximum": 1},
    Shape.MODE: {"enum": [mode.value for mode in Mode]},
    Shape.DRIFT: {"enum": [drift.value for drift in Drift]},
    Shape.CLOCK: {"type": "string", "pattern": CLOCK.pattern},
    Shape.INSTANT: {"type": "string"},
    Shape.DURATION: {"type": "string", "pattern": DURATION.pattern},
    Shape.NUMBER: {"type": "number"},
    Shape.FEATURES: {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": FEATURE.pattern},
        "additionalProperties": {"type": "string", "minLength": 1},
    },
    Shape.CLUSTERS: {
        "anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 2, "maximum": MOST_CLUSTERS}]
    },
    Shape.NAMES: {"type": "array", "items": {"type": "string"}},
}


_ALL_HAVE: Schema = {"kind": {}, "at": {}}
"""Keys of every activity in a case."""


def json_schema(vocabulary: Vocabulary | None = None) -> Schema:
    """JSON Schema (draft 2020-12) of a rule file; with a vocabulary also its connections and facts."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "segsync rule file",
        **_table(keys.FILE, vocabulary),
    }


def _table(known: Iterable[Key], vocabulary: Vocabulary | None) -> Schema:
    known = tuple(known)
    schema: Schema = {
        "type": "object",
        "properties": {key.name: _key(key, vocabulary) for key in known},
        "additionalProperties": False,
    }
    if required := [key.name for key in known if key.required]:
        schema["required"] = required
    if known == keys.TIER:
        schema["oneOf"] = [{"required": ["when"]}, {"required": ["otherwise"]}]
    if known == keys.POINTS:
        schema["oneOf"] = [{"required": ["when"]}, {"required": ["if"]}]
    return schema


def _key(key: Key, vocabulary: Vocabulary | None) -> Schema:
    described: Schema = {"description": key.meaning}
    match key.shape:
        case Shape.TABLES | Shape.ENTRIES:
            items = _table(key.inner, vocabulary)
            least: Schema = {"minItems": 1} if key.required else {}
            return {**described, "type": "array", "items": items, **least}
        case Shape.TABLE:
            return {**described, **_table(key.inner, vocabulary)}
        case Shape.TARGETS:
            return {**described, "type": "array", "items": _target(vocabulary)}
        case Shape.FACTS:
            return {**described, **_facts(vocabulary)}
        case Shape.SINCE:
            return {**described, "type": "object", "additionalProperties": {"type": "string"}}
        case Shape.ACTIVITIES:
            return {**described, "type": "array", "items": _activity(vocabulary)}
        case _:
            return {**described, **_SIMPLE[key.shape]}


def _target(vocabulary: Vocabulary | None) -> Schema:
    table = _table(keys.TARGET, None)
    known = vocabulary.connections if vocabulary else {}
    connections = sorted(name for name, kinds in known.items() if kinds)
    name: Schema = {"enum": connections} if connections else {"type": "string"}
    properties = table["properties"]
    if connections and isinstance(properties, dict):
        properties = {**properties, "connection": {**properties["connection"], "enum": connections}}
    kinds = [
        _where("connection", connection, {"properties": {"as": {"enum": sorted(known[connection])}}})
        for connection in connections
    ]
    return {"anyOf": [name, {**table, "properties": properties, **({"allOf": kinds} if kinds else {})}]}


def _where(key: str, value: str, then: Schema) -> Schema:
    """What holds of a table in which a key has this value."""
    return {"if": {"required": [key], "properties": {key: {"const": value}}}, "then": then}


def _facts(vocabulary: Vocabulary | None) -> Schema:
    if vocabulary is None:
        return {"type": "object", "additionalProperties": _ANY_VALUE}
    flags: Schema = {name: {"type": "boolean"} for name in ("suppressed", "consented_email")}
    lists: Schema = {"in_lists": {"type": "array", "items": {"type": "string"}}}
    properties = {**_properties(vocabulary.fields.values()), **flags, **lists}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _activity(vocabulary: Vocabulary | None) -> Schema:
    kinds = sorted(vocabulary.kinds.items()) if vocabulary else []
    kind: Schema = {"enum": [name for name, _ in kinds]} if kinds else {"type": "string"}
    fields = [
        _where(
            "kind",
            name,
            {"properties": {**_properties(each.fields.values()), **_ALL_HAVE}, "additionalProperties": False},
        )
        for name, each in kinds
    ]
    return {
        **({"allOf": fields} if fields else {}),
        "type": "object",
        "properties": {"kind": kind, "at": {"type": "string"}},
        "required": ["kind", "at"],
        "additionalProperties": _ANY_VALUE,
    }


def _properties(fields: Iterable[Field]) -> Schema:
    """`company.employees` may be written as a dotted key, which TOML reads as a table in a table."""
    properties: dict[str, object] = {}
    inside: dict[str, list[Field]] = {}
    for field in fields:
        described: Schema = {"description": field.meaning} if field.meaning else {}
        properties[field.name] = {**described, **_VALUE_TYPES[field.type]}
        table, dot, rest = field.name.partition(".")
        if dot:
            inside.setdefault(table, []).append(replace(field, name=rest))
    for table, inner in inside.items():
        nested: Schema = {"type": "object", "properties": _properties(inner), "additionalProperties": False}
        properties[table] = {"anyOf": [properties[table], nested]} if table in properties else nested
    return properties
