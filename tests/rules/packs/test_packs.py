"""The rule packs that ship: right, warned of nothing, tested by their own cases, explained on their pages."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import duckdb
import jsonschema
import pytest

from rules.engine.cases import run_cases
from rules.language import Loaded, json_schema, load, render
from rules.packs import Need, NeedKind, Pack, fitting, ids_of, names, pack, prefixed
from rules.vocabulary import Kind, Vocabulary
from sync.demo.company import EXAMPLES
from sync.starter import MORE

ROOT = Path(__file__).parents[3]
PACKS = [pack(name) for name in names()]
each_pack = pytest.mark.parametrize("one", PACKS, ids=lambda one: one.name)
NO_MEMBER_IN_A_CASE = {"winback-kept-aside", "near-shop"}
"""Chance decides; the names of the coordinates are those of the admin's config."""
PLATFORMS = ("HubSpot", "Salesforce", "Klaviyo", "Mailchimp", "files")
HEADINGS = ("Who it is for", "Segments", "What it needs", "Change first", "Do not conclude")


def checked(text: str, vocabulary: Vocabulary, folder: Path) -> Loaded:
    file = folder / "pack.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, vocabulary)


def without(vocabulary: Vocabulary, need: Need) -> Vocabulary:
    """The vocabulary as it is where the source does not have what is needed."""
    match need.kind:
        case NeedKind.FACT:
            left = {name: one for name, one in vocabulary.fields.items() if name != need.name}
            return replace(vocabulary, fields=left)
        case NeedKind.PLACE:
            return replace(vocabulary, places={})
        case NeedKind.ACTIVITY:
            kinds = {name: one for name, one in vocabulary.kinds.items() if name != need.name}
            return replace(vocabulary, kinds=kinds)
        case NeedKind.DETAIL:
            kind = vocabulary.kinds[need.activity]
            fields = {name: one for name, one in kind.fields.items() if name != need.last}
            return replace(vocabulary, kinds={**vocabulary.kinds, kind.name: replace(kind, fields=fields)})


def passing(loaded: Loaded, vocabulary: Vocabulary) -> list[str]:
    """What fails of the cases; each is asked of both evaluators."""
    assert loaded.ruleset is not None, [str(problem) for problem in loaded.problems]
    found = run_cases(loaded.cases, loaded.ruleset, vocabulary, render=render, connection=duckdb.connect())
    return [f"{one.case.segment_id}: {one.case.name}: {one.message}" for one in found if not one.passed]


def test_there_is_a_pack_for_every_kind_of_segmentation() -> None:
    assert {
        "demographic", "geographic", "psychographic", "behavioural", "firmographic", "needs",
        "rfm", "lifecycle", "engagement", "win-back", "cross-sell",
    } == set(names())  # fmt: skip


@each_pack
def test_a_pack_is_right_and_warned_of_nothing_where_its_fields_are_there(one: Pack, tmp_path: Path) -> None:
    for types in range(max(len(need.types) for need in one.needs) or 1):
        needs = (
            replace(need, types=(need.types[min(types, len(need.types) - 1)],)) if need.types else need
            for need in one.needs
        )
        loaded = checked(one.rules, replace(one, needs=tuple(needs)).vocabulary(), tmp_path)
        assert [str(problem) for problem in loaded.problems] == []
        assert loaded.ruleset is not None
        assert set(loaded.ruleset.segments) == set(one.segments)


@each_pack
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland"])
def test_the_cases_of_a_pack_hold_wherever_the_business_is(one: Pack, zone: str, tmp_path: Path) -> None:
    vocabulary = one.vocabulary(zone=zone)
    assert passing(checked(one.rules, vocabulary, tmp_path), vocabulary) == []


@each_pack
def test_every_segment_has_cases_of_who_is_in_and_who_is_not(one: Pack, tmp_path: Path) -> None:
    cases = checked(one.rules, one.vocabulary(), tmp_path).cases
    ids = ids_of(one.rules)
    for id_ in ids["segment"]:
        expected = {False} if id_ in NO_MEMBER_IN_A_CASE else {True, False}
        assert {case.member for case in cases if case.segment_id == id_} == expected, id_
    for id_ in ids["tiers"]:
        assert len({case.tier for case in cases if case.segment_id == id_}) >= 3, id_


@each_pack
def test_a_pack_needs_exactly_what_it_says(one: Pack, tmp_path: Path) -> None:
    for need in one.needs:
        lacking = without(one.vocabulary(), need)
        assert checked(one.rules, lacking, tmp_path).errors, f"nothing uses {need.name}"


@each_pack
def test_without_a_field_the_rest_of_a_pack_is_right(one: Pack, tmp_path: Path) -> None:
    for need in one.needs:
        lacking = without(one.vocabulary(), need)
        text, left_out = fitting(one.rules, lacking)
        kept = ids_of(text)
        assert left_out, need.name
        assert {*kept["segment"], *kept["tiers"], *left_out} == {
            id_ for kind in ("segment", "tiers") for id_ in ids_of(one.rules)[kind]
        }
        if kept["segment"] or kept["tiers"]:
            assert [str(problem) for problem in checked(text, lacking, tmp_path).problems] == [], need.name


def test_what_uses_a_rule_that_is_left_out_is_left_out_too() -> None:
    firms = pack("firmographic")
    industry = next(need for need in firms.needs if need.name == "company.industry")
    text, left_out = fitting(firms.rules, without(firms.vocabulary(), industry))
    assert set(left_out) == {"company-industry", "ideal-account", "account-gaps"}
    assert ids_of(text)["tiers"] == ("company-size", "company-revenue", "role")
    assert "the words for industries" in text.splitlines()[4]  # what stands above all rules stays
    rfm = pack("rfm")
    nothing, _ = fitting(rfm.rules, Vocabulary({}, {"purchase": Kind("purchase")}))
    assert not any(ids_of(nothing).values())


@each_pack
def test_with_a_prefix_a_pack_means_the_same_under_other_ids(one: Pack, tmp_path: Path) -> None:
    vocabulary = one.vocabulary()
    text = prefixed(one.rules, "my-shop")
    ids, before = ids_of(text), ids_of(one.rules)
    for kind in ("segment", "tiers"):
        assert ids[kind] == tuple(f"my-shop-{id_}" for id_ in before[kind])
    for kind in ("field", "score"):
        assert ids[kind] == tuple(f"my_shop_{id_}" for id_ in before[kind])
    loaded = checked(text, vocabulary, tmp_path)
    assert [str(problem) for problem in loaded.problems] == []
    assert passing(loaded, vocabulary) == []
    (tmp_path / "other.toml").write_text(one.rules)
    both = load(tmp_path, vocabulary)
    assert both.errors == ()
    assert both.ruleset is not None
    assert len(both.ruleset.segments) == 2 * len(one.segments)
    assert text.count("\n") == one.rules.count("\n")


@each_pack
def test_nothing_of_a_pack_is_sent_anywhere(one: Pack, tmp_path: Path) -> None:
    ruleset = checked(one.rules, one.vocabulary(), tmp_path).ruleset
    assert ruleset is not None
    assert [segment.id for segment in ruleset.segments.values() if segment.to] == []
    values = tomllib.loads(one.rules)
    assert all(group["to"] == [] for key in ("segment", "tiers") for group in values.get(key, ()))
    assert (
        'to = ["newsletter"]' in one.rules or 'to = ["crm"]' in one.rules
    )  # how to change that is said on top


@each_pack
def test_a_pack_says_what_each_segment_is_for_and_fits_the_schema(one: Pack, tmp_path: Path) -> None:
    ruleset = checked(one.rules, one.vocabulary(), tmp_path).ruleset
    assert ruleset is not None
    for segment in ruleset.segments.values():
        assert segment.name != segment.id
        assert len(segment.why) > 4, segment.id
        assert segment.owner, segment.id
    values = json.loads(json.dumps(tomllib.loads(one.rules), default=str))
    jsonschema.validate(values, json_schema())  # type: ignore[arg-type]


@each_pack
def test_a_packs_page_explains_its_segments_and_how_to_map_what_it_needs(one: Pack) -> None:
    assert tuple(re.findall(r"^## (.+)$", one.page, re.MULTILINE)) == HEADINGS
    parts = dict(zip(HEADINGS, re.split(r"^## .+$", one.page, flags=re.MULTILINE)[1:], strict=True))
    for id_ in one.segments:
        assert re.search(rf"`({re.escape(id_)}|{re.escape(id_.split('/')[-1])})`", parts["Segments"]), id_
    for need in one.needs:
        assert f"`{need.name}`" in parts["What it needs"] or f"`{need.last}`" in parts["What it needs"]
    for platform in PLATFORMS:
        assert platform in parts["What it needs"]
    for example in re.findall(r"```toml\n(.*?)```", one.page, re.DOTALL):
        assert tomllib.loads(example)
    for said in ("Change first", "Do not conclude"):
        assert len(re.findall(r"^(?:\d\.|-) ", parts[said], re.MULTILINE)) >= 3


def test_all_packs_may_lie_beside_each_other_and_the_starter_rules(tmp_path: Path) -> None:
    whole = [one.vocabulary() for one in PACKS]
    kinds: dict[str, Kind] = {}
    for vocabulary in whole:
        for name, kind in vocabulary.kinds.items():
            before = kinds[name].fields if name in kinds else {}
            kinds[name] = Kind(name, {**before, **kind.fields})
    fields = {name: field for vocabulary in whole for name, field in vocabulary.fields.items()}
    places = {name: place for vocabulary in whole for name, place in vocabulary.places.items()}
    for one in PACKS:
        (tmp_path / f"pack-{one.name}.toml").write_text(one.rules)
    for folder in (EXAMPLES, MORE):
        shutil.copytree(folder, tmp_path / folder.name)
    found = load(tmp_path, Vocabulary(fields=fields, kinds=kinds, places=places)).problems
    assert [str(problem) for problem in found if str(problem.severity) != "note"] == []


def test_packs_are_in_the_distribution() -> None:
    """What is built takes all files of these packages that git does not ignore."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert "rules" in build["wheel"]["packages"]
    assert "rules" in build["sdist"]["include"]
    shipped = [ROOT / "rules" / "packs" / one.name for one in PACKS]
    files = [folder / name for folder in shipped for name in ("pack.toml", "rules.toml", "README.md")]
    assert all(file.is_file() for file in files)
    ignored = subprocess.run(
        ["git", "check-ignore", *map(str, files)], capture_output=True, text=True, cwd=ROOT
    )
    assert (ignored.stdout, ignored.returncode) == ("", 1)
