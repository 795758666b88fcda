"""[[clustering]] in rule files: what it says, and what is wrong with it and where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from rules import ir
from rules.language import Loaded, clusterings_in, compile_expression, json_schema, load
from rules.ruleset import Clustering
from rules.vocabulary import Field, Type
from tests.rules.vocabulary import VOCABULARY

SEGMENT = "[[segment]]\nid = 'x'\nwhen = 'vip'\n"
VALUE = """
[[clustering]]
id = "value"
name = "By value"
when = "count(purchase) > 0"
features.orders = "count(purchase, last 365 days)"
features.spend = "spent"
features.rest = "days since last purchase"
features.where = "country"
"""
SPENT = "[[field]]\nid = 'spent'\nis = 'sum(purchase.amount)'\n"


def loaded(folder: Path, text: str) -> Loaded:
    (folder / "a.toml").write_text(text, "utf-8")
    return load(folder, VOCABULARY)


def clustering_of(folder: Path, text: str) -> Clustering:
    found = loaded(folder, text)
    assert found.ruleset is not None, found.problems
    assert found.problems == ()
    (one,) = found.ruleset.clusterings.values()
    return one


def condition(text: str) -> ir.Predicate:
    found = compile_expression(text, VOCABULARY)
    assert not isinstance(found, tuple)
    return found


def test_a_clustering_is_what_its_file_says_and_a_field_it_uses_is_used(tmp_path: Path) -> None:
    found = clustering_of(tmp_path, VALUE + SPENT)
    assert (found.id, found.name, found.fact, found.k) == ("value", "By value", "cluster.value", None)
    assert found.refit_s == 90 * 86_400
    assert found.when == condition("count(purchase) > 0")
    last = ir.Last(365, ir.Unit.DAY)
    assert {one.name: one.value for one in found.features} == {
        "orders": ir.Aggregate(ir.AggregateFunction.COUNT, "purchase", None, None, last, Type.NUMBER),
        "spend": ir.Aggregate(ir.AggregateFunction.SUM, "purchase", "amount", None, ir.Ever(), Type.MONEY),
        "rest": ir.DaysSince(
            ir.Aggregate(ir.AggregateFunction.LAST_AT, "purchase", None, None, ir.Ever(), Type.DATETIME)
        ),
        "where": ir.Fact("country", Type.TEXT),
    }


def test_money_and_counts_are_taken_by_their_logarithm_unless_log_says_which(tmp_path: Path) -> None:
    def logged(more: str) -> list[str]:
        return [one.name for one in clustering_of(tmp_path, VALUE + more + SPENT).features if one.logged]

    assert logged("") == ["orders", "spend"]
    assert logged("log = ['rest']\n") == ["rest"]
    assert logged("log = []\n") == []


def test_everybody_is_looked_at_without_when(tmp_path: Path) -> None:
    found = clustering_of(
        tmp_path, "[[clustering]]\nid = 'a'\nfeatures = { s = 'score' }\nk = 4\nrefit = '2 weeks'\n"
    )
    assert (found.when, found.k, found.refit_s) == (ir.Constant(True), 4, 14 * 86_400)


def test_another_version_is_one_by_which_other_clusters_are_found(tmp_path: Path) -> None:
    before = clustering_of(tmp_path, VALUE + SPENT).version
    assert (
        clustering_of(tmp_path, VALUE.replace("By value", "Other") + "refit = '1 day'\n" + SPENT).version
        == before
    )
    for other in ("k = 3\n", "log = []\n"):
        assert clustering_of(tmp_path, VALUE + other + SPENT).version != before
    assert clustering_of(tmp_path, VALUE.replace("> 0", "> 1") + SPENT).version != before
    assert clustering_of(tmp_path, VALUE + SPENT.replace("sum", "avg")).version != before


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (
            "features = { a = 'signed_up' }",
            "4:19",
            "people are not compared by dates; write days since signed_up",
        ),
        ("features = { a = 'interests' }", "4:19", "people are not compared by lists"),
        ("features = { a = '5' }", "4:19", "5 is the same for everybody"),
        ("features = { a = 'count(purchase) > 3' }", "4:35", "here stands a condition where"),
        ("features = { a = 'vip and vip' }", "4:19", "here stands a condition where a value is needed"),
        ("features = { a = 'scor' }", "4:19", 'unknown fact "scor"; did you mean "score"?'),
        ("features = { }", "4:12", "a clustering has 1 to 50 features"),
        ("features = 'score'", "4:12", "must be names and values: {"),
        ("features = { 'a.b' = 'score' }", "4:12", "must be names and values: {"),
        ("features = { a = 'score' }\nk = 1", "5:5", 'k must be "auto" or a whole number from 2 to 20'),
        ("features = { a = 'score' }\nrefit = '90d'", "5:9", "must be a time in hours, days or weeks"),
        ("features = { a = 'score' }\nlog = ['b']", "5:8", 'log names no feature "b"'),
        ("features = { a = 'city' }\nlog = ['a']", "5:7", '"a" has no logarithm: it is no number'),
        (
            "features = { a = 'score' }\nwhen = 'in segment \"x\"'",
            "5:9",
            "a clustering cannot ask for a segment",
        ),
        ("features = { a = 'score' }\nwhen = 'score in top 5'", "5:18", "a clustering cannot compare people"),
        ("features = { a = 'score' }\nfit = 1", "5:1", 'unknown key "fit" in [[clustering]]'),
        ("", "2:1", '[[clustering]] needs the key "features"'),
    ],
)
def test_what_is_wrong_is_told_at_its_place(tmp_path: Path, text: str, place: str, message: str) -> None:
    found = loaded(tmp_path, f"\n[[clustering]]\nid = 'a'\n{text}\n{SEGMENT}")
    assert found.ruleset is None
    (problem,) = [each for each in found.problems if message in each.message] or list(found.problems)
    assert f"{problem.line}:{problem.column}" == place, str(problem)
    assert message in problem.message


def test_clusters_cannot_be_found_by_clusters(tmp_path: Path) -> None:
    told = Field("cluster.a", Type.TEXT, model="cluster.a")
    known = replace(VOCABULARY, fields={**VOCABULARY.fields, "cluster.a": told})
    (tmp_path / "a.toml").write_text("[[clustering]]\nid = 'a'\nfeatures = { b = 'cluster.a' }\n", "utf-8")
    (problem,) = load(tmp_path, known).problems
    assert "cluster.a is told by clusters, and they cannot be found by themselves" in str(problem)


def test_an_id_whose_fact_means_something_else_already_is_refused(tmp_path: Path) -> None:
    known = replace(VOCABULARY, fields={**VOCABULARY.fields, "cluster.a": Field("cluster.a", Type.TEXT)})
    (tmp_path / "a.toml").write_text("[[clustering]]\nid = 'a'\nfeatures = { b = 'score' }\n", "utf-8")
    assert '"cluster.a" is already a name of the vocabulary' in str(load(tmp_path, known).problems[0])


def test_with_several_clusterings_in_cluster_says_what_to_write() -> None:
    fields = {name: one for name, one in VOCABULARY.fields.items() if name != "cluster"}
    fields |= {name: Field(name, Type.TEXT, model=name) for name in ("cluster.a", "cluster.b")}
    problems = compile_expression('in cluster "keen"', replace(VOCABULARY, fields=fields))
    assert isinstance(problems, tuple)
    assert 'there are several clusterings; write cluster.a = "keen" or cluster.b = "keen"' in str(problems[0])
    assert not isinstance(compile_expression('cluster.a = "keen"', replace(VOCABULARY, fields=fields)), tuple)


def test_the_ids_of_clusterings_are_found_without_knowing_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(VALUE, "utf-8")
    (tmp_path / "b.toml").write_text(
        "[[clustering]]\nid = 'other'\nfeatures = { a = 'what(ever' }\n", "utf-8"
    )
    (tmp_path / "c.toml").write_text("[[clustering]\n", "utf-8")
    assert clusterings_in(tmp_path) == ("value", "other")


def test_the_schema_knows_what_the_loader_knows() -> None:
    check = jsonschema.Draft202012Validator(json_schema(VOCABULARY))
    good = {
        "id": "a",
        "features": {"orders per year": "count(purchase)"},
        "k": "auto",
        "log": ["x"],
        "refit": "90 days",
    }
    assert check.is_valid({"clustering": [good, {**good, "k": 20}]})
    for bad in (
        {"k": 1},
        {"k": 21},
        {"k": "many"},
        {"features": {}},
        {"features": {"a.b": "x"}},
        {"log": "x"},
    ):
        assert not check.is_valid({"clustering": [{**good, **bad}]}), bad
