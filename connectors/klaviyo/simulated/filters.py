"""Klaviyo's filter language, and what each resource allows. Everything else is a 400, as on the platform.

`operator(field,value)`, joined by commas; strings in single or double quotes, lists in brackets, everything
else bare.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.klaviyo.simulated.problems import invalid

COMPARE: Mapping[str, Callable[[object, object], bool]] = {
    "greater-than": lambda a, b: a > b,  # type: ignore[operator]
    "greater-or-equal": lambda a, b: a >= b,  # type: ignore[operator]
    "less-than": lambda a, b: a < b,  # type: ignore[operator]
    "less-or-equal": lambda a, b: a <= b,  # type: ignore[operator]
}
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Allowed:
    """Operators a field takes with one value, and those it takes with a list of values."""

    single: frozenset[str] = NONE
    listed: frozenset[str] = NONE


ORDERED = Allowed(single=frozenset(COMPARE))
STRICT = Allowed(single=frozenset({"greater-than", "less-than"}))
AFTER = Allowed(single=frozenset({"greater-than"}))
ONE = Allowed(single=frozenset({"equals"}))
ONE_OR_LIST = Allowed(single=frozenset({"equals"}), listed=frozenset({"equals"}))
IDENTITY = Allowed(single=frozenset({"equals"}), listed=frozenset({"any", "equals"}))
LISTED = Allowed(listed=frozenset({"any", "equals"}))
SUPPRESSION = "subscriptions.email.marketing.suppression"
LIST_SUPPRESSIONS = "subscriptions.email.marketing.list_suppressions"
_MEMBERS = {"email": LISTED, "phone_number": LISTED, "joined_group_at": ORDERED}
_GROUPS = {"name": LISTED, "id": IDENTITY, "created": AFTER, "updated": AFTER}
ALLOWED: Mapping[str, Mapping[str, Allowed]] = {
    "profiles": {
        "id": IDENTITY,
        "email": IDENTITY,
        "phone_number": IDENTITY,
        "external_id": IDENTITY,
        "created": STRICT,
        "updated": STRICT,
        f"{SUPPRESSION}.reason": ONE,
        f"{SUPPRESSION}.timestamp": ORDERED,
        f"{LIST_SUPPRESSIONS}.reason": ONE,
        f"{LIST_SUPPRESSIONS}.list_id": ONE,
        f"{LIST_SUPPRESSIONS}.timestamp": ORDERED,
    },
    "lists": _GROUPS,
    "segments": _GROUPS,
    "list members": _MEMBERS,
    "segment members": _MEMBERS,
    "events": {"metric_id": ONE_OR_LIST, "profile_id": ONE, "datetime": ORDERED, "timestamp": ORDERED},
    "jobs": {},
    "metrics": {},
}
"""By resource and field. Left out here and so refused: what segsync has no use for (_kx, push tokens, …)."""
TIMES = re.compile(r"created|updated|datetime|joined_group_at|.*timestamp$")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition; times are seconds since 1970."""

    operator: str
    field: str
    value: object

    def holds(self, found: object) -> bool:
        """Whether a value (or any of several) of the record satisfies it."""
        if isinstance(found, tuple):
            return any(self.holds(one) for one in found)
        if found is None:
            return False
        if self.operator in COMPARE:
            return COMPARE[self.operator](found, self.value)
        wanted = self.value if isinstance(self.value, frozenset) else frozenset({self.value})
        return found in wanted


def parse(text: str, resource: str) -> list[Term]:
    """The filter of a request on `resource`; raises Problem for what Klaviyo refuses."""
    terms = []
    rest = text.strip()
    while rest:
        found = re.match(r"([a-z-]+)\(([\w.]+)\s*,\s*", rest)
        if found is None:
            raise _refuse("cannot be understood")
        operator, field = found[1], found[2]
        raw, rest = _value(rest[found.end() :])
        terms.append(_term(operator, field, raw, resource))
        rest = rest.lstrip()
        if rest:
            if not rest.startswith(","):
                raise _refuse("conditions are joined by commas")
            rest = rest[1:].lstrip()
            if not rest:
                raise _refuse("ends with a comma")
    return terms


def _value(text: str) -> tuple[object, str]:
    """A value and what follows its closing parenthesis."""
    quoted = re.match(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*\)""", text)
    if quoted:
        return _string(quoted[1]), text[quoted.end() :]
    if text.startswith("["):
        several = re.match(r"""\[((?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[\s,])*)\]\s*\)""", text)
        if several is None:
            raise _refuse("a list holds quoted strings")
        items = re.findall(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", several[1])
        return frozenset(_string(item) for item in items), text[several.end() :]
    bare = re.match(r"([^\s,()'\"]+)\s*\)", text)
    if bare is None:
        raise _refuse("a value is missing or not closed")
    return _Bare(bare[1]), text[bare.end() :]


class _Bare(str):
    """A value without quotes: a time, a number, a boolean."""


def _string(quoted: str) -> str:
    if quoted.startswith('"'):
        return str(json.loads(quoted))
    return quoted[1:-1].replace("\\'", "'")


def _term(operator: str, field: str, raw: object, resource: str) -> Term:
    if field not in ALLOWED[resource]:
        raise _refuse(f"'{field}' is not a filterable field")
    allowed = ALLOWED[resource][field]
    several = isinstance(raw, frozenset)
    if operator not in allowed.single | allowed.listed:
        raise _refuse(f"'{operator}' is not an allowed operator for '{field}'")
    if operator not in (allowed.listed if several else allowed.single):
        raise _refuse(f"'{operator}' takes {'one value' if several else 'a list of values'} for '{field}'")
    if TIMES.fullmatch(field) and operator in COMPARE:
        return Term(operator, field, _time(raw, field))
    if not several and isinstance(raw, _Bare):
        raise _refuse(f"the value for '{field}' must stand in quotes")
    return Term(operator, field, raw)


def _time(raw: object, field: str) -> float:
    if not isinstance(raw, _Bare):
        raise _refuse(f"the time for '{field}' must not stand in quotes")
    try:
        if field == "timestamp":
            return float(raw)
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise _refuse(f"'{raw}' is not a valid date") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _refuse(detail: str) -> Exception:
    return invalid(f"Invalid filter provided: {detail}.", parameter="filter")
