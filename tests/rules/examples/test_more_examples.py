"""The rules to take from, which need more than orders and a newsletter: checked, and their cases pass."""

from __future__ import annotations

import json
import tomllib

import duckdb
import jsonschema
import pytest

from rules import ir
from rules.engine.cases import run_cases
from rules.engine.walk import nodes
from rules.language import Loaded, json_schema, load, render
from sync.demo.company import EXAMPLES
from sync.starter import MORE
from tests.rules.vocabulary import VOCABULARY


@pytest.fixture(scope="module")
def more() -> Loaded:
    return load(MORE, VOCABULARY)


def test_they_pass_the_check_and_their_cases_in_both_evaluators(more: Loaded) -> None:
    assert [str(problem) for problem in more.problems] == []
    assert more.ruleset is not None
    found = run_cases(more.cases, more.ruleset, VOCABULARY, render=render, connection=duckdb.connect())
    assert [one.message for one in found if not one.passed] == []
    for id_ in more.ruleset.segments:
        assert {case.member for case in more.cases if case.segment_id == id_} == {True, False}, id_


def test_they_show_what_broke_off_a_score_that_fades_and_segments_that_last(more: Loaded) -> None:
    assert more.ruleset is not None
    conditions = {id_: one.when for id_, one in more.ruleset.segments.items()}
    assert any(isinstance(node, ir.Sequence) for node in nodes([conditions["abandoned-cart"]]))
    assert isinstance(conditions["vip"], ir.Lasting)
    assert isinstance(conditions["hot-leads"], ir.Lasting)
    assert any(isinstance(node, ir.Earned) and node.half_life for node in nodes([conditions["hot-leads"]]))


def test_they_say_what_they_are_for_fit_the_schema_and_may_lie_beside_the_others(more: Loaded) -> None:
    assert more.ruleset is not None
    for segment in more.ruleset.segments.values():
        assert segment.name != segment.id
        assert len(segment.why) > 20
        assert segment.owner
    ids: list[str] = []
    for path in sorted([*MORE.glob("*.toml"), *EXAMPLES.glob("*.toml")]):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(json.loads(json.dumps(values, default=str)), json_schema())  # type: ignore[arg-type]
        ids += [each["id"] for key in ("segment", "tiers", "field", "score") for each in values.get(key, [])]
    assert len(ids) == len(set(ids))
