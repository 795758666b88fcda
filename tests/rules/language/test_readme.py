"""Every example that rules/README.md shows to admins works."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import rules
from rules.language import compile_expression, keys, load
from sync.config.modelling import (
    ChurnSettings,
    ClvSettings,
    EngagementSettings,
    LeadSettings,
    LifecycleSettings,
    OffersSettings,
    RfmSettings,
)
from sync.facts import facts_of
from tests.rules.vocabulary import VOCABULARY

MODELS = (
    RfmSettings(),
    LifecycleSettings(),
    ClvSettings(),
    ChurnSettings(),
    EngagementSettings(),
    LeadSettings(),
    OffersSettings(),
)
FACTS = {fact.name: fact for model in MODELS for fact in facts_of(model, currency="EUR", source="")}
WITH_MODELS = replace(VOCABULARY, fields={**VOCABULARY.fields, **FACTS})
README = (Path(rules.__file__).parent / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
FILES = [text for language, text in BLOCKS if language == "toml"]
EXPRESSIONS = [line for language, text in BLOCKS if language == "expression" for line in text.splitlines()]


def test_the_readme_has_examples_of_both_kinds_and_nothing_unchecked() -> None:
    assert len(FILES) >= 3
    assert len(EXPRESSIONS) >= 60
    assert {language for language, _ in BLOCKS} == {"toml", "expression", "text"}


@pytest.mark.parametrize("text", FILES)
def test_each_file_of_the_readme_loads_without_a_word(text: str, tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_text(text, "utf-8")
    loaded = load(tmp_path, VOCABULARY)
    assert loaded.problems == ()
    assert loaded.ruleset is not None
    assert loaded.ruleset.segments


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_expression_of_the_readme_is_understood(expression: str) -> None:
    result = compile_expression(expression, WITH_MODELS)
    assert not isinstance(result, tuple), [str(each) for each in result]


def test_the_readme_names_every_fact_of_a_model() -> None:
    assert [name for name in FACTS if f"`{name}`" not in README] == []


def test_the_readme_names_every_key_of_a_segment_and_of_tiers() -> None:
    for key in (
        *keys.SEGMENT,
        *keys.TIERS,
        *keys.TIER,
        *keys.EXPECT,
        *keys.TARGET,
        *keys.SEGMENT_CASE,
        *keys.SCORE,
        *keys.POINTS,
        *keys.CLUSTERING,
    ):
        assert (
            f"`{key.name}`" in README or f"[[tiers.{key.name}]]" in README or f"`{key.name} = " in README
        ), key.name
