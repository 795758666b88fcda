"""Every problem of a rule file is told with file, line, column and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.language import Severity, load
from tests.rules.vocabulary import VOCABULARY


def told(folder: Path, text: str) -> list[str]:
    (folder / "a.toml").write_text(text, "utf-8", newline="")
    result = load(folder, VOCABULARY)
    errors = [each for each in result.problems if each.severity is Severity.ERROR]
    assert (result.ruleset is None) == bool(errors)
    return [str(each) for each in result.problems]


PROBLEMS: dict[str, tuple[str, list[str]]] = {
    "the place is right inside a multi-line expression": (
        '[[segment]]\nid = "a"\nwhen = """\n  vip\n    and contry = "DE"\n"""',
        ['a.toml:5:9: unknown fact "contry"; did you mean "country"?'],
    ),
    "the place is right after escapes and line-ending backslashes": (
        '[[segment]]\nid = "a"\nwhen = """\\\n   country = \\"\\u00e9\\" and \\\n\n     contry = 1"""',
        ['a.toml:6:6: unknown fact "contry"; did you mean "country"?'],
    ),
    "the place is right in literal strings": (
        "[[segment]]\nid = 'a'\nwhen = '''vip and\n contry = 1'''",
        ['a.toml:4:2: unknown fact "contry"; did you mean "country"?'],
    ),
    "the place is right with carriage returns": (
        '[[segment]]\r\nid = "a"\r\nwhen = """\r\n  vip\r\n  and contry = 1"""\r\n',
        ['a.toml:5:7: unknown fact "contry"; did you mean "country"?'],
    ),
    "the place is right in inline tables": (
        'segment = [ { id = "a", when = "vip and contry = 1" } ]',
        ['a.toml:1:41: unknown fact "contry"; did you mean "country"?'],
    ),
    "broken TOML": (
        '[[segment]]\nid = "a\n',
        ["a.toml:2:8: not valid TOML: illegal character '\\n'"],
    ),
    "broken TOML at the end": (
        '[[segment]]\nid = """a\n',
        ["a.toml:2:10: not valid TOML: unterminated string"],
    ),
    "unknown keys": (
        '[[segment]]\nid = "a"\nwhne = "vip"\nwhen = "vip"\n[[segmnt]]\nx = 1',
        [
            'a.toml:3:1: unknown key "whne" in [[segment]]; did you mean "when"?',
            'a.toml:5:3: unknown key "segmnt" in a rule file; did you mean "segment"?',
        ],
    ),
    "one bracket": (
        "[segment]\nid = 'a'",
        ["a.toml:1:2: write [[segment]] with two brackets: there may be many"],
    ),
    "missing keys": (
        "[[segment]]\nname = 'A'\n[[field]]\n[[tiers]]\nid = 't'\n[[tiers.tier]]\nid = 'x'",
        [
            'a.toml:1:1: [[segment]] needs the key "id"',
            'a.toml:1:1: [[segment]] needs the key "when"',
            'a.toml:3:1: [[field]] needs the key "id"',
            'a.toml:3:1: [[field]] needs the key "is"',
            'a.toml:6:1: [[tiers.tier]] needs the key "when" (or otherwise = true)',
        ],
    ),
    "wrong types": (
        "[[segment]]\nid = 'a'\nwhen = 3\nmode = 'mirrors'\nto = 'x'\nexpect = 3\nwhy = ['x']",
        [
            'a.toml:3:8: when must be a text in quotes: "…"',
            'a.toml:4:8: mode must be "mirror" or "append"; did you mean "mirror"?',
            'a.toml:5:6: to must be a list of connections: ["hubspot-eu"]',
            "a.toml:6:10: expect must be a table { … }",
            'a.toml:7:7: why must be a text in quotes: "…"',
        ],
    ),
    "size limits": (
        "[[segment]]\nid = 'a'\nwhen = 'vip'\n"
        "expect = { min = 5, max = 3, min_share = 1.5, max_share = true, mn = 1 }",
        [
            "a.toml:4:18: min is above max",
            "a.toml:4:42: min_share must be a number between 0 and 1",
            "a.toml:4:59: max_share must be a number between 0 and 1",
            'a.toml:4:65: unknown key "mn" in expect; did you mean "min"?',
        ],
    ),
    "bad ids": (
        "[[segment]]\nid = 'A b'\nwhen = 'contry = 1'",
        [
            "a.toml:2:6: id must be a text of a-z, 0-9 and -",
            'a.toml:3:9: unknown fact "contry"; did you mean "country"?',
        ],
    ),
    "a field that hides a fact": (
        "[[field]]\nid = 'country'\nis = 'vip'",
        ['a.toml:2:6: "country" is already a name of the vocabulary'],
    ),
    "destinations": (
        "[[segment]]\nid = 'a'\nwhen = 'vip'\n"
        "to = ['hubspot-us', { connection = 'newsletter', as = 'tags' }, 'newsletter', 'newsletter', 3,\n"
        "  { as = 'tag', nam = 'x' }, { connection = 'hubspot-eu', by = '7:30' }]",
        [
            'a.toml:4:7: unknown connection "hubspot-us"; did you mean "hubspot-eu"?',
            'a.toml:4:55: "newsletter" has no "tags"; did you mean "tag"? (it takes field, tag)',
            'a.toml:4:79: "newsletter" is listed twice',
            'a.toml:4:93: to lists connections: "hubspot-eu" or { connection = "hubspot-eu", … }',
            'a.toml:5:3: to needs the key "connection"',
            'a.toml:5:17: unknown key "nam" in to; did you mean "name"?',
            'a.toml:5:64: by must be a time of day in quotes, such as "07:30"',
        ],
    ),
    "tiers after the one for everyone else": (
        "[[tiers]]\nid = 't'\n[[tiers.tier]]\nid = 'x'\notherwise = true\n"
        "[[tiers.tier]]\nid = 'y'\nwhen = 'vip'",
        ["a.toml:5:1: only the last tier can take everyone else; no later tier would match"],
    ),
    "a tier with both, and one with false": (
        "[[tiers]]\nid = 't'\n[[tiers.tier]]\nid = 'x'\notherwise = false\n"
        "[[tiers.tier]]\nid = 'y'\nwhen = 'vip'\notherwise = true",
        ["a.toml:5:13: otherwise can only be true", "a.toml:9:1: a tier has either when or otherwise"],
    ),
    "an unused field": (
        "[[field]]\nid = 'x'\nis = 'vip'",
        ['a.toml:2:6: warning: no rule uses the field "x"'],
    ),
    "a broken field that no rule uses": (
        "[[field]]\nid = 'x'\nis = 'contry'",
        ['a.toml:3:7: unknown fact "contry"; did you mean "country"?'],
    ),
    "a broken field is told once": (
        "[[field]]\nid = 'x'\nis = 'contry'\n[[segment]]\nid = 'a'\nwhen = 'x > 1'\n"
        "[[segment]]\nid='b'\nwhen='x>2'",
        ['a.toml:3:7: unknown fact "contry"; did you mean "country"?'],
    ),
    "equal conditions": (
        "[[segment]]\nid = 'a'\nwhen = 'vip'\n[[segment]]\nid = 'b'\nwhen = '(vip) # the same'",
        ['a.toml:6:8: warning: "b" has the same condition as "a"'],
    ),
}


@pytest.mark.parametrize(("text", "expected"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_every_problem_of_a_file_is_told_at_its_place(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert told(tmp_path, text) == expected


@pytest.mark.parametrize(
    "condition",
    [
        "score > 3 and score < 5",
        "score >= 3 and score <= 3",
        "score > 5 or score < 3",
        "score > 5 and ltv < 3",
        "count(purchase, last 3 days) > 1 and count(purchase) < 4",
        'country in ["DE", "FR"] and country in ["AT", "de"]',
        "score in [1, 7] and not score = 1",
        "birthday after 1990-01-01 and birthday before 1990-01-03",
        "days since purchase > 30 and purchase last 60 days",
        "never purchase last 30 days and purchase last 60 days",
        'purchase where gift last 30 days and never purchase where category = "x"',
        'country starts with "d" and not country starts with "de"',
        "interests has any of ['a', 'b'] and not interests has 'a'",
        "score > 5 or score < 7",
        "signed_up within last 30 days and signed_up after 2020-01-01",
    ],
)
def test_conditions_that_may_be_true_are_left_alone(tmp_path: Path, condition: str) -> None:
    assert told(tmp_path, f"[[segment]]\nid = 'a'\nwhen = '''{condition}'''") == []
