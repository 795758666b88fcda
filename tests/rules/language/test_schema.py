"""The generated JSON Schema accepts what the loader accepts and points at what editors can see."""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import replace

import jsonschema
import pytest

from rules.language import json_schema, keys
from rules.language.keys import Key, Shape
from rules.vocabulary import Field, Type
from tests.rules.language.test_cases import SEGMENT
from tests.rules.language.test_files import FULL, TIERS
from tests.rules.vocabulary import VOCABULARY


def as_json(value: object) -> object:
    """TOML as an editor's JSON Schema check sees it: dates are texts."""
    match value:
        case dict():
            return {key: as_json(each) for key, each in value.items()}
        case list():
            return [as_json(each) for each in value]
        case dt.date() | dt.time():
            return value.isoformat()
        case _:
            return value


def problems(text: str, *, vocabulary: bool = True) -> list[str]:
    schema = json_schema(VOCABULARY if vocabulary else None)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    return ["/".join(map(str, each.path)) for each in validator.iter_errors(as_json(tomllib.loads(text)))]


CASE = SEGMENT + (
    "as_of = 2026-01-01T00:00:00Z\nmember = true\n"
    "person = { country = 'DE', company.employees = 3, vip = true }\n"
    "activity = [{ kind = 'purchase', at = 2026-01-01T00:00:00Z, amount = 6.5 }]\n"
)


@pytest.mark.parametrize("text", [FULL, TIERS, CASE, FULL + TIERS, ""])
@pytest.mark.parametrize("vocabulary", [True, False])
def test_good_files_pass(text: str, vocabulary: bool) -> None:
    assert problems(text, vocabulary=vocabulary) == []


DATED = SEGMENT + "as_of = 2026-01-01\nmember = true\n"
BAD = {
    "[[segmnt]]\nid = 'a'": "",
    "[[segment]]\nid = 'a'\nwhne = 'vip'\nwhen = 'vip'": "segment/0",
    "[[segment]]\nid = 'A b'\nwhen = 'vip'": "segment/0/id",
    "[[segment]]\nid = 'a'": "segment/0",
    "[[segment]]\nid = 'a'\nwhen = 'vip'\nmode = 'mirrors'": "segment/0/mode",
    "[[segment]]\nid = 'a'\nwhen = 'vip'\nstay = '7 months'": "segment/0/stay",
    "[[segment]]\nid = 'a'\nwhen = 'vip'\nexpect = { max_share = 2 }": "segment/0/expect/max_share",
    "[[segment]]\nid = 'a'\nwhen = 'vip'\nto = ['hubspot-us']": "segment/0/to/0",
    "[[segment]]\nid = 'a'\nwhen = 'vip'\nto = [{ as = 'tag' }]": "segment/0/to/0",
    "[[tiers]]\nid = 't'": "tiers/0",
    "[[tiers]]\nid = 't'\n[[tiers.tier]]\nid = 'x'": "tiers/0/tier/0",
    "[[tiers]]\nid = 't'\n[[tiers.tier]]\nid = 'x'\notherwise = false": "tiers/0/tier/0/otherwise",
    "[[score]]\nid = 'x'": "score/0",
    "[[score]]\nid = 'x'\npoints = [{ points = 5 }]": "score/0/points/0",
    "[[score]]\nid = 'x'\nhalf_life = '1 month'\npoints = [{ if = 'vip', points = 5 }]": "score/0/half_life",
    SEGMENT + "as_of = 2026-01-01\nmember = true\nperson = { contry = 'DE' }": "segment/0/case/0/person",
    SEGMENT + "as_of = 2026-01-01\nmember = 'yes'": "segment/0/case/0/member",
    DATED + "person = { company.emploees = 3 }": ("segment/0/case/0/person/company"),
    SEGMENT
    + "as_of = 2026-01-01\nmember = true\nactivity = [{ kind = 'purchase', at = 2026-01-01, amonut = 3 }]": (
        "segment/0/case/0/activity/0"
    ),
    SEGMENT
    + "as_of = 2026-01-01\nmember = true\nactivity = [{ kind = 'purchase', at = 2026-01-01, gift = 3 }]": (
        "segment/0/case/0/activity/0/gift"
    ),
    "[[segment]]\nid = 'a'\nwhen = 'vip'\nto = [{ connection = 'newsletter', as = 'list' }]": (
        "segment/0/to/0"
    ),
}


@pytest.mark.parametrize(("text", "path"), BAD.items())
def test_bad_files_are_told_where(text: str, path: str) -> None:
    assert problems(text) == [path]


def test_a_fact_may_be_called_like_the_first_word_of_others() -> None:
    """`company` is a text and `company.employees` a number: a case may name the one or the other."""
    fields = {**VOCABULARY.fields, "company": Field("company", Type.TEXT)}
    validator = jsonschema.Draft202012Validator(json_schema(replace(VOCABULARY, fields=fields)))
    for person, fits in (("company = 'x'", True), ("company.employees = 3", True), ("company = 3", False)):
        text = SEGMENT + f"as_of = 2026-01-01\nmember = true\nperson = {{ {person} }}"
        assert validator.is_valid(as_json(tomllib.loads(text))) == fits, person


def walked(known: tuple[Key, ...], schema: object, path: str = "") -> set[str]:
    """The paths of all keys of both, which are the same ones, with the same meanings and obligations."""
    assert isinstance(schema, dict)
    assert set(schema["properties"]) == {key.name for key in known}, path
    assert set(schema.get("required", ())) == {key.name for key in known if key.required}, path
    assert schema["additionalProperties"] is False, path
    found = set()
    for key in known:
        inner, here = schema["properties"][key.name], f"{path}/{key.name}".removeprefix("/")
        assert inner["description"] == key.meaning, here
        found.add(here)
        if key.shape in (Shape.TABLES, Shape.ENTRIES):
            found |= walked(key.inner, inner["items"], here)
        elif key.shape is Shape.TABLE:
            found |= walked(key.inner, inner, here)
        elif key.shape is Shape.TARGETS:
            found |= walked(keys.TARGET, inner["items"]["anyOf"][1], here)
    return found


def test_every_key_of_the_loader_is_in_the_schema_and_every_key_of_the_schema_in_the_loader() -> None:
    tables = {name: part for name, part in vars(keys).items() if isinstance(part, tuple) and name.isupper()}
    for found in (walked(keys.FILE, json_schema()), walked(keys.FILE, json_schema(VOCABULARY))):
        ends = {path.rsplit("/", 1)[-1] for path in found}
        assert {key.name for table in tables.values() for key in table} <= ends
        assert {"segment/leave_when", "segment/stay", "score/points/at_most_per_day"} <= found
        assert {"segment/to/drift", "tiers/tier/expect/max_share", "tiers/case/tier"} <= found
