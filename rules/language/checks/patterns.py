"""Which regular expressions `matches` takes: those with one meaning in RE2 and in Python's `re`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_GROUP_START = re.compile(r"\((\?(?:P<\w+>|:|[ims]+\)|[ims]+:))?")
_ESCAPES = frozenset("dDwWsSbBAntrfv")
_MOST_REPEATS = 1000
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")


def pattern_problem(pattern: str) -> str | None:
    """Why the pattern is not accepted, or None. RE2 knows no lookaround and no back references."""
    if not pattern:
        return "the pattern is empty; write is known"
    position = 0
    in_class = False
    while position < len(pattern):
        character = pattern[position]
        if character == "\\":
            following = pattern[position + 1 : position + 2]
            if following.isdigit():
                return f"\\{following} refers back to a group, which matches cannot do"
            if following.isalpha() and following not in _ESCAPES:
                return f"\\{following} is not known; use \\d \\w \\s \\b, or [...]"
            position += 2
            continue
        if in_class:
            if character == "[":
                return "write \\[ for a bracket inside [...]"
            if pattern.startswith(("--", "&&", "||", "~~"), position):
                return f"{pattern[position : position + 2]} inside [...] is not allowed"
            in_class = character != "]"
        elif character == "[":
            in_class = True
            position += 2 if pattern.startswith("^", position + 1) else 1
            position += pattern.startswith("]", position)
            continue
        elif character == "(":
            start = _GROUP_START.match(pattern, position)
            if pattern.startswith("(?", position) and (start is None or start.group(1) is None):
                return f"{pattern[position : position + 3]} is not allowed; matches has no lookaround"
            if start and start.group(1) and start.group(1).endswith(")") and position:
                return "put (?i) and the like at the very start of the pattern"
        elif character in "*+?}" and pattern.startswith("+", position + 1):
            return f'"{character}+" is not allowed'
        elif (repeat := _REPEAT.match(pattern, position)) and _times(repeat) > _MOST_REPEATS:
            return f"{repeat.group()} repeats more than {_MOST_REPEATS} times"
        position += 1
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"not a regular expression: {error}"
    return _refused(pattern)


@lru_cache(maxsize=4096)
def _refused(pattern: str) -> str | None:
    """What RE2 itself has against a pattern, such as repeats inside repeats that make more than it takes."""
    import duckdb  # which has RE2; only where a rule has a pattern

    with _asked().cursor() as connection:
        try:
            connection.execute("SELECT regexp_matches('', ?)", [pattern]).fetchall()
        except duckdb.Error as error:
            reason = str(error).partition("Error: ")[2] or str(error)
            return f"not a regular expression of RE2: {reason}"
    return None


@lru_cache(maxsize=1)
def _asked() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(config={"threads": 1})


def _times(repeat: re.Match[str]) -> int:
    return max(int(number) for number in repeat.groups() if number)
