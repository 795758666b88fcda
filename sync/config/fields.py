"""What speaks of connections' columns: `[fields.NAME]`, `[trust]` and `[[identity.id]]`.

Whether a column exists is known only when the connections' streams are: `sync.vocabulary` says that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from rules.vocabulary import Type
from sync.config.problems import Path, did_you_mean
from sync.config.section import Section
from sync.config.settings import ConnectionSettings, FieldSettings, IdentityKey, Source

Connections = Mapping[str, ConnectionSettings]

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_KEY_NAME = re.compile(r"(?!email$)[^:]+")
_TAKEN = frozenset({"person", "suppressed", "consented_email", "in_lists"})
"""Columns every person has anyway."""


def read_fields(section: Section, connections: Connections) -> dict[str, FieldSettings]:
    """Every `[fields.NAME]`; NAME may have dots, in quotes or as nested sections."""
    found: dict[str, FieldSettings] = {}
    for name, field in _named(section):
        problem = _name_problem(name, connections)
        if problem is not None:
            field.error(None, problem)
        elif name in found:
            field.error(None, f'the field "{name}" is there twice')
        found[name] = _field(name, field, connections)
    return found


def _named(section: Section, prefix: str = "") -> Iterator[tuple[str, Section]]:
    """(name, section) of each field; a table inside a field's table is the field NAME.INNER."""
    own = {"type", "unit", "from", "meaning"}
    for name, inner in section.sections():
        full = prefix + name
        nested = [key for key, value in inner.values.items() if isinstance(value, dict) and key not in own]
        if not inner.values or len(nested) < len(inner.values):
            yield (
                full,
                Section(inner.report, inner.path, {k: v for k, v in inner.values.items() if k not in nested}),
            )
        yield from _named(
            Section(inner.report, inner.path, {k: inner.values[k] for k in nested}), prefix=f"{full}."
        )


def _name_problem(name: str, connections: Connections) -> str | None:
    if not _NAME.fullmatch(name):
        return "a field's name has small letters, digits, _ and dots, such as loyalty_points or company.size"
    if name in _TAKEN:
        return f'"{name}" is known of every person already; choose another name'
    if name.split(".")[0] in connections:
        return f'"{name}" begins like a connection, whose own columns are named so; choose another name'
    return None


def _field(name: str, section: Section, connections: Connections) -> FieldSettings:
    kind = section.choice("type", [t.value for t in Type], "type")
    sources = read_sources(section, "from", connections) if section.has("from") else None
    section.take("from")
    if sources == () and section.values["from"] == []:
        section.error("from", 'is empty: name at least one column, such as ["shop.Country"]')
    unit, meaning = section.optional_text("unit"), section.optional_text("meaning")
    section.close()
    return FieldSettings(
        name=name, type=Type(kind) if kind else None, unit=unit, meaning=meaning, sources=sources
    )


def read_sources(section: Section, key: str, connections: Connections) -> tuple[Source, ...]:
    """A list of "connection.column"; the connections must exist and be read from."""
    found: list[Source] = []
    for position, entry in section.placed_texts(key):
        path: Path = (*section.path, key, position)
        connection, dot, column = entry.partition(".")
        if not dot or not column.strip():
            section.report.error(path, 'must be "connection.column", such as "shop.Country"')
        elif connection not in connections:
            section.report.error(path, no_connection(connection, connections))
        elif not connections[connection].source:
            section.report.error(path, f'nothing is read from "{connection}": it says source = false')
        else:
            found.append((connection, column))
    return tuple(found)


def no_connection(name: str, connections: Connections) -> str:
    """The message for a connection that is not configured."""
    return f'there is no connection "{name}"{did_you_mean(name, connections)}'


def read_trust(section: Section, connections: Connections) -> tuple[str, ...]:
    """`[trust] order`: named ones first, then the others as the file has them."""
    named = section.placed_texts("order")
    for position, name in named:
        if name not in connections:
            section.report.error((*section.path, "order", position), no_connection(name, connections))
    section.close()
    return tuple(dict.fromkeys([*(name for _, name in named if name in connections), *connections]))


def read_keys(section: Section, connections: Connections) -> tuple[IdentityKey, ...]:
    """`[[identity.id]]`: ids that two or more connections share."""
    found: dict[str, IdentityKey] = {}
    for entry in section.tables("id"):
        name = entry.required_text("name", _KEY_NAME, 'a name without ":", and not "email"')
        if not entry.has("from"):
            entry.error(None, "from is missing")
        before = len(entry.report.problems)
        sources = read_sources(entry, "from", connections)
        clean = len(entry.report.problems) == before
        if entry.has("from") and clean and len(sources) < 2:
            entry.error(
                "from", "needs two columns or more: an id of one connection says nothing about another"
            )
        if name and name in found:
            entry.error("name", "is there twice")
        entry.close(also=("from",))
        found[name] = IdentityKey(name=name, sources=sources)
    return tuple(found.values())
