"""Spelling names and values safely inside SQL text. Nothing else: no query is written here."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A column or table name."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    """A text value."""
    return "'" + value.replace("'", "''") + "'"
