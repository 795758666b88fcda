"""The generated JSON Schema accepts what the loader accepts and points at what editors can see."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path

import jsonschema
import pytest

from rules.language import json_schema, keys
from rules.language.keys import Key, Shape
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
}


@pytest.mark.parametrize(("text", "path"), BAD.items())
def test_bad_files_are_told_where(text: str, path: str) -> None:
    assert problems(text) == [path]


def test_every_key_of_the_loader_is_in_the_schema_with_its_meaning(tmp_path: Path) -> None:
    def compare(known: tuple[Key, ...], schema: object) -> None:
        assert isinstance(schema, dict)
        expected = {key.name for key in known}
        assert set(schema["properties"]) == expected
        for key in known:
            inner = schema["properties"][key.name]
            assert inner["description"] == key.meaning
            if key.shape in (Shape.TABLES, Shape.ENTRIES):
                compare(key.inner, inner["items"])

    compare(keys.FILE, json_schema())
