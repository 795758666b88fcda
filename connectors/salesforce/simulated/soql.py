"""SOQL as far as a careful client needs it: parsed by its grammar, refused with the vendor's words otherwise.

    SELECT field [, field …] | count() FROM Object [WHERE …] [ORDER BY field [ASC|DESC], …] [LIMIT n]

Fields may reach one relationship away (`Account.Name`). AND and OR need parentheses when they are mixed, as
in the real language. Not here: sub-queries, aggregates other than count(), GROUP BY, functions, OFFSET.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.salesforce.simulated.schema import Field, SObject

Record = Mapping[str, Any]
Reach = Callable[[Record, str], Any]
"""(record, path) → the value, also over a relationship."""
TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:\\.|[^'\\])*')"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))|(?P<date>\d{4}-\d\d-\d\d)"
    r"|(?P<number>-?\d+(?:\.\d+)?)|(?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)|(?P<word>[A-Za-z_][\w.]*))"
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
FITTING = {
    "datetime": ("time",),
    "date": ("date",),
    "boolean": ("boolean",),
    "double": ("number",),
    "currency": ("number",),
    "int": ("number",),
    "percent": ("number",),
}


class BadQuery(Exception):
    """A query the org does not take: `code` and the message as it words them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `matches` and `order` look only at fields our user may see."""

    object: SObject
    fields: tuple[str, ...]
    counted: bool
    matches: Callable[[Record], bool]
    order: tuple[tuple[str, bool], ...]  # (path, descending)
    limit: int | None


def parse(text: str, *, schema: Mapping[str, SObject], reach: Reach) -> Query:
    """Raises BadQuery."""
    return _Parser(text, schema, reach).query()


class _Parser:
    def __init__(self, text: str, schema: Mapping[str, SObject], reach: Reach) -> None:
        self._text = text
        self._schema = schema
        self._reach = reach
        self._tokens = self._split(text)
        self._at = 0
        self._object: SObject | None = None

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        place = 0
        while text[place:].strip():
            found = TOKEN.match(text, place)
            if found is None:
                raise self._malformed(text[place:].strip()[:1])
            kind = str(found.lastgroup)
            tokens.append((kind, found.group(kind)))
            place = found.end()
        return [*tokens, ("end", "<EOF>")]

    def _malformed(self, token: str) -> BadQuery:
        return BadQuery(
            "MALFORMED_QUERY", f"{self._text}\n^\nERROR at Row:1:Column:1\nunexpected token: '{token}'"
        )

    def _where(self) -> str:
        return f"\n{self._text}\n^\nERROR at Row:1:Column:1"

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _taken(self, *words: str) -> bool:
        """Take the words if they come next."""
        upcoming = self._tokens[self._at : self._at + len(words)]
        if [value.upper() for _, value in upcoming] != list(words):
            return False
        self._at += len(words)
        return True

    def _expect(self, word: str) -> None:
        if not self._taken(word):
            raise self._malformed(self._tokens[self._at][1])

    def query(self) -> Query:
        self._expect("SELECT")
        names, counted = [], False
        if self._taken("COUNT", "(", ")"):
            counted = True
        else:
            names.append(self._word())
            while self._taken(","):
                names.append(self._word())
        self._expect("FROM")
        self._object = self._schema.get(self._word().lower())
        if self._object is None:
            name = self._tokens[self._at - 1][1]
            message = (
                f"{self._where()}\nsObject type '{name}' is not supported. If you"
                " are attempting to use a custom object, be sure to append the '__c' after the entity name."
                " Please reference your WSDL or the describe call for the appropriate names."
            )
            raise BadQuery("INVALID_TYPE", message)
        if len(set(map(str.lower, names))) < len(names):
            raise BadQuery("INVALID_FIELD", "duplicate field selected")
        fields = tuple(self._column(name)[0] for name in names)
        matches = self._either() if self._taken("WHERE") else _always
        order = self._order() if self._taken("ORDER", "BY") else ()
        limit = int(self._next()[1]) if self._taken("LIMIT") else None
        if self._tokens[self._at][0] != "end":
            raise self._malformed(self._tokens[self._at][1])
        return Query(self._object, fields, counted, matches, order, limit)

    def _word(self) -> str:
        kind, value = self._next()
        if kind != "word":
            raise self._malformed(value)
        return value

    def _column(self, path: str) -> tuple[str, Field]:
        """The path as the org spells it, and the field at its end."""
        home = self._object
        if home is None:
            raise self._malformed(path)
        *reached, name = path.split(".")
        spelled = ""
        for step in reached[:1]:
            link = next(
                (
                    f
                    for f in home.fields.values()
                    if f.visible and f.relationship is not None and f.relationship.lower() == step.lower()
                ),
                None,
            )
            if link is None or len(reached) > 1:
                message = f"Didn't understand relationship '{step}' in field path."
                raise BadQuery("INVALID_FIELD", message)
            home, spelled = self._schema[link.references[0].lower()], f"{link.relationship}."
        found = home.find(name)
        if found is None:
            message = (
                f"{self._where()}\nNo such column '{name}' on entity '{home.name}'."
                " If you are attempting to use a custom field, be sure to append the '__c' after the custom"
                " field name. Please reference your WSDL or the describe call for the appropriate names."
            )
            raise BadQuery("INVALID_FIELD", message)
        return spelled + found.name, found

    def _order(self) -> tuple[tuple[str, bool], ...]:
        found = []
        while True:
            path, field = self._column(self._word())
            if field.type in ("textarea", "address", "multipicklist"):
                raise BadQuery("MALFORMED_QUERY", f"field '{path}' can not be sorted in a query call")
            found.append((path, self._taken("DESC") or (self._taken("ASC") and False)))
            if not self._taken(","):
                return tuple(found)

    def _either(self) -> Callable[[Record], bool]:
        parts = [self._one()]
        joint = None
        while self._tokens[self._at][1].upper() in ("AND", "OR"):
            word = self._next()[1].upper()
            if joint not in (None, word):
                raise self._malformed(word)  # mixed without parentheses
            joint = word
            parts.append(self._one())
        if joint == "OR":
            return lambda record: any(part(record) for part in parts)
        return lambda record: all(part(record) for part in parts)

    def _one(self) -> Callable[[Record], bool]:
        if self._taken("NOT"):
            inner = self._one()
            return lambda record: not inner(record)
        if self._taken("("):
            inner = self._either()
            self._expect(")")
            return inner
        path, field = self._column(self._word())
        if field.type in ("textarea", "address"):
            raise BadQuery("INVALID_FIELD", f"field '{path}' can not be filtered in a query call")
        if self._taken("NOT", "IN"):
            wanted = self._list(field)
            return lambda record: _folded(self._reach(record, path)) not in wanted
        if self._taken("IN"):
            wanted = self._list(field)
            return lambda record: _folded(self._reach(record, path)) in wanted
        for word, wants in (("INCLUDES", True), ("EXCLUDES", False)):
            if self._taken(word):
                return self._multiple(path, field, wants=wants)
        if self._taken("LIKE"):
            pattern = str(self._value(field))
            return _like(self._reach, path, pattern)
        kind, sign = self._next()
        if kind != "sign" or sign in "(),":
            raise self._malformed(sign)
        return self._comparison(path, field, sign, self._value(field))

    def _comparison(self, path: str, field: Field, sign: str, value: Any) -> Callable[[Record], bool]:
        reach = self._reach
        if sign in ("=", "!=", "<>"):
            wanted = _folded(value)
            if sign == "=":
                return lambda record: bool(_folded(reach(record, path)) == wanted)
            return lambda record: bool(_folded(reach(record, path)) != wanted)
        if value is None:
            raise BadQuery("INVALID_FIELD", f"field {path} does not support the operator {sign} with null")
        compare, wanted = COMPARISONS[sign], _folded(value)
        if field.type in ("id", "reference"):
            wanted = value  # ids are compared as they are: capitals first

        def holds(record: Record) -> bool:
            found = reach(record, path)
            if found is None:
                return False
            return compare(found if field.type in ("id", "reference") else _folded(found), wanted)

        return holds

    def _multiple(self, path: str, field: Field, *, wants: bool) -> Callable[[Record], bool]:
        if field.type != "multipicklist":
            raise BadQuery("INVALID_FIELD", "includes or excludes operator only valid on multipicklist field")
        groups = [set(str(value).split(";")) for value in self._list(field, folded=False)]

        def holds(record: Record) -> bool:
            chosen = set(str(self._reach(record, path) or "").split(";"))
            return any(group <= chosen for group in groups) is wants

        return holds

    def _list(self, field: Field, *, folded: bool = True) -> set[Any]:
        self._expect("(")
        values = [self._value(field)]
        while self._taken(","):
            values.append(self._value(field))
        self._expect(")")
        return {_folded(v) for v in values} if folded else set(values)

    def _value(self, field: Field) -> Any:
        kind, text = self._next()
        value: Any = None
        if kind == "word" and text.lower() in ("true", "false", "null"):
            kind = "null" if text.lower() == "null" else "boolean"
            value = text.lower() == "true" if kind == "boolean" else None
        elif kind == "text":
            value = re.sub(r"\\(.)", lambda m: ESCAPES.get(m.group(1), m.group(1)), text[1:-1])
        elif kind == "number":
            value = float(text)
        elif kind == "time":
            value = datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
        elif kind == "date":
            value = text
        else:
            raise self._malformed(text)
        fitting = FITTING.get(field.type, ("text",))
        if kind not in (*fitting, "null"):
            quotes = "should not" if kind == "text" else "must"
            message = (
                f"value of filter criterion for field '{field.name}' must be of type {field.type} and"
                f" {quotes} be enclosed in quotes"
            )
            raise BadQuery("INVALID_FIELD", message)
        return value


def _always(record: Record) -> bool:  # noqa: ARG001
    return True


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _like(reach: Reach, path: str, pattern: str) -> Callable[[Record], bool]:
    shape = re.escape(pattern).replace("%", ".*").replace("_", ".")
    compiled = re.compile(shape, re.IGNORECASE | re.DOTALL)
    return lambda record: compiled.fullmatch(str(reach(record, path) or "")) is not None


def ordered(rows: Sequence[Record], query: Query, reach: Reach) -> list[Record]:
    """Rows in the query's order, nulls first; those without an order by id."""
    found = sorted(rows, key=lambda r: str(r["Id"]))
    for path, descending in reversed(query.order):
        found.sort(
            key=lambda r: ((v := reach(r, path)) is not None, "" if v is None else v), reverse=descending
        )
    return found
