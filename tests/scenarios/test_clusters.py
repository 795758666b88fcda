"""Clusters from the orders to the members that are written: found, shown, accepted, found anew."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rules.language import compile_expression
from rules.vocabulary import Field, Kind, Type, Vocabulary
from sync.cli.app import app
from tests.scenarios.clustered import DAY, EACH, HUNTERS
from tests.scenarios.planted import NOW, VALUE, Planted

pytestmark = [pytest.mark.usefixtures("small_effort"), pytest.mark.xdist_group("clusters")]


def test_before_the_first_run_a_rule_about_clusters_is_told_to_be_true_of_nobody(tmp_path: Path) -> None:
    told = Planted(tmp_path, HUNTERS, each=2).told("check")
    assert (
        "rules.toml:12:9: warning: cluster is missing for everybody: clustering value has no clusters" in told
    )
    assert "it was never fitted; the next run, or `segsync clusters fit value`, does it" in told


def test_what_was_not_accepted_is_no_fact_and_nothing_is_written(proposed: Planted) -> None:
    report = proposed.reports[0]
    made = "clustering value: version 1 made, because it was never fitted: 3 clusters of 90 people"
    assert made in str(report.notices)
    assert "3 clusters wait for a decision, and no rule sees them before" in str(report.notices)
    proposed.run(NOW + DAY)
    assert set(proposed.facts("cluster").values()) == set(proposed.facts("cluster.value").values()) == {None}
    assert proposed.written() == {}
    assert "no cluster of value was accepted; `segsync clusters show value`" in proposed.told("check")
    (listed,) = proposed.asked("clusters list")["clusterings"]
    assert (listed["in_use"], listed["proposed"], listed["accepted"]) == (1, 3, 0)


def test_the_members_of_an_accepted_cluster_are_the_planted_group(running: Planted) -> None:
    assert "warning" not in running.told("check")
    assert running.written() == {"hunters": running.of("hunters")}
    assert running.reports[1].evaluation["everybody"] is None  # the fact alone tells who is to be asked
    names = running.facts("cluster.value")
    assert {number for number, name in names.items() if name is None} == set(names) - set(running.kind)


def test_what_a_cluster_is_told_to_be_is_true_of_the_planted_group(accepted: Planted) -> None:
    shop = accepted
    shown = shop.asked("clusters show value")
    assert (shown["k"], shown["natural"], shown["people"]) == (3, True, len(shop.kind))
    orders = Field("amount", Type.MONEY)
    vocabulary = Vocabulary({}, {"purchase": Kind("purchase", {"amount": orders})})
    for kind, one in shop.clusters().items():
        assert one["people"] == len(shop.of(kind))
        assert one["share"] == pytest.approx(1 / 3)
        assert one["stability"] > 0.9
        assert one["rule"]["precision"] == one["rule"]["recall"] == 1
        assert not isinstance(compile_expression(one["rule"]["text"], vocabulary), tuple)
        amounts = sorted(
            sum(amount for _, amount in shop.orders[n]) / len(shop.orders[n]) for n in shop.of(kind)
        )
        median = statistics.median(amounts)
        told = [trait for trait in one["traits"] if trait["feature"] == "order_value"]
        assert all(trait["inside"] == pytest.approx(median, abs=0.01) for trait in told)
        if kind != "lapsed":
            assert told
    text = shop.told("clusters show value")
    assert "3 clusters: natural groups" in text
    assert "bargain hunters (accepted)" in text
    assert "high order value: median " in text
    assert "as a rule: count(purchase) > 0 and avg(purchase.amount) > " in text


def test_a_distilled_rule_can_be_adopted_as_it_stands(accepted: Planted) -> None:
    shop = accepted
    rule = shop.clusters()["spenders"]["rule"]["text"]
    shop.ruled(HUNTERS + f'[[segment]]\nid = "adopted"\nwhen = \'{rule}\'\nto = ["shop"]\n')
    shop.run(NOW + DAY)
    assert shop.written()["adopted"] == shop.of("spenders")


def test_an_adopted_rule_is_true_of_nobody_whom_the_clustering_does_not_look_at(tmp_path: Path) -> None:
    """Ten never ordered: of them "few orders" is true. Comments of the rule file do not swallow the limit."""
    few = """
[[clustering]]
id = "often"
when = "country = 'DE' and purchase ever or count(purchase) > 0  # buyers"
k = 2
features.orders = "count(purchase) # all of them"
"""
    shop = Planted(tmp_path, few, each=EACH)
    shop.run()
    clusters = shop.asked("clusters show often")["clusters"]
    adopted = [
        f"[[segment]]\nid = 'adopted-{one['id']}'\nwhen = '''{one['rule']['text']}'''\nto = ['shop']\n"
        for one in clusters
    ]
    shop.ruled(few + "".join(adopted))
    shop.run(NOW + DAY)
    assert [one["rule"]["fidelity"] for one in clusters] == [1, 1]
    inside, written = shop.facts("cluster.often__id"), shop.written()
    for one in clusters:
        members = {number for number, id_ in inside.items() if id_ == one["id"]}
        assert written[f"adopted-{one['id']}"] == members
    assert set.union(*written.values()) == set(shop.orders)


def test_a_refit_keeps_ids_and_names_and_tells_how_many_changed(running: Planted) -> None:
    shop = running
    before = {kind: (one["id"], one["name"]) for kind, one in shop.clusters().items()}
    shop.become(moved := sorted(shop.of("lapsed"))[:5], sorted(shop.of("hunters"))[:5])
    report = shop.run(NOW + 91 * DAY)
    assert "version 2 made, because it is made anew every 90 days" in str(report.notices)
    assert "5 people (5.6%) are in another cluster because of it" in str(report.notices)
    assert {kind: (one["id"], one["name"]) for kind, one in shop.clusters().items()} == before
    assert {one["state"] for one in shop.clusters().values()} == {"accepted"}
    assert shop.written()["hunters"] == shop.of("hunters") | set(moved)
    shown = shop.asked("clusters show value")
    assert (shown["version"], shown["changed"], shown["retired"]) == (2, 5, [])


def test_a_cluster_that_a_refit_adds_waits_for_a_decision_while_the_others_go_on(running: Planted) -> None:
    shop = running
    shop.live_on(90)
    for number in shop.of("lapsed"):  # they are another kind of people by now
        shop.orders[number] = [(NOW + day * DAY, 100.0 + number) for day in range(60, 90)]
    shop.export()
    report = shop.run(NOW + 91 * DAY)
    assert "for a decision" in str(report.notices)
    ids = {one["id"]: one for one in shop.asked("clusters show value")["clusters"]}
    assert ids[shop.clusters()["hunters"]["id"]]["state"] == "accepted"
    fresh = [one for one in ids.values() if one["state"] == "proposed"]
    assert fresh
    assert min(one["id"] for one in fresh) > 3
    names = shop.facts("cluster.value")
    inside = shop.facts("cluster.value__id")
    assert {names[n] for n, id_ in inside.items() if id_ in {one["id"] for one in fresh}} == {None}
    assert shop.written()["hunters"] == shop.of("hunters")
    shop.told("clusters reject value --by me")
    assert {one["state"] for one in shop.asked("clusters show value")["clusters"]} == {"accepted", "rejected"}


def test_a_rejected_cluster_is_no_fact_any_more_and_its_members_are_to_leave(running: Planted) -> None:
    shop = running
    number = shop.clusters()["hunters"]["id"]
    shop.told(f"clusters reject value --cluster {number} --by me")
    assert 'no accepted cluster of value is called "bargain hunters"; there are' in shop.told("check")
    report = shop.run(NOW + 2 * DAY)
    assert report.segments["hunters"] == 0
    assert report.held == 30  # the brake for a segment that became empty


def test_people_who_change_are_noticed_where_only_few_are_asked(running: Planted) -> None:
    shop = running
    shop.become(moved := sorted(shop.of("spenders"))[:3], sorted(shop.of("hunters"))[:3])
    report = shop.run(NOW + 2 * DAY, whole=True)
    assert report.evaluation["differed"] == {}
    shown = shop.clusters()["hunters"]
    assert (shown["people"], shown["people_now"]) == (30, 33)
    assert shown["share_now"] == pytest.approx(33 / 90)
    text = "33 people by the last run, 36.7%; when found 30 people, 33.3%"
    assert text in shop.told("clusters show value")
    assert shop.written()["hunters"] == shop.of("hunters") | set(moved)


def test_the_same_shop_gives_the_same_clusters(proposed: Planted, tmp_path: Path) -> None:
    again = Planted(tmp_path, HUNTERS, each=EACH)
    again.orders = dict(reversed(again.orders.items()))
    again.export()
    again.run()
    assert again.asked("clusters show value") == proposed.asked("clusters show value")


def test_too_few_people_are_refused_with_how_many_are_missing(tmp_path: Path) -> None:
    shop = Planted(tmp_path, HUNTERS, each=15)
    report = shop.run()
    assert "3 clusters by 3 columns need 90 people; there are 45, 45 are missing." in str(report.notices)
    assert shop.asked("clusters show value")["status"] == "insufficient_data"
    assert "refused: not enough data" in shop.told("clusters show value")
    done = CliRunner().invoke(
        app, ["--config", str(shop.config), "clusters", "accept", "value", "--by", "me"]
    )
    assert "clustering value has no clusters to decide about: 3 clusters by 3 columns" in str(done.exception)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("clusters show valeu", 'there is no clustering valeu in the rule files; did you mean "value"?'),
        ("clusters show value", "clusters of value were never looked for; `segsync clusters fit value`"),
        ("clusters accept value --by me", "clustering value has no clusters to decide about: it was never"),
        ("clusters fit", "nothing has been pulled yet"),
    ],
)
def test_who_asks_for_what_is_not_there_is_told_what_to_do(
    tmp_path: Path, command: str, message: str
) -> None:
    shop = Planted(tmp_path, HUNTERS, each=2)
    done = CliRunner().invoke(app, ["--config", str(shop.config), *command.split()])
    assert message in str(done.exception)


def test_names_of_clusters_are_different_and_clusters_are_there(proposed: Planted) -> None:
    shop = proposed
    for options, message in (
        (["--name", "1=a", "--name", "2=A"], 'clusters 1 and 2 cannot both be called "A"'),
        (["--name", "9=a"], "there is no cluster 9; there are 1, 2, 3"),
        (["--name", "1= "], "cluster 1 needs a name"),
    ):
        command = ["--config", str(shop.config), "clusters", "accept", "value", "--by", "me", *options]
        assert message in str(CliRunner().invoke(app, command).exception)
    assert {one["state"] for one in shop.asked("clusters show value")["clusters"]} == {"proposed"}


def test_fitting_by_hand_makes_a_version(tmp_path: Path) -> None:
    shop = Planted(tmp_path, HUNTERS, each=EACH)
    shop.told("pull")
    (found,) = shop.asked("clusters fit")["clusterings"]
    assert (found["version"], found["why"], found["k"]) == (1, "it was asked for", 3)
    shop.told("models fit")
    assert shop.asked("clusters show value")["version"] == 2


def test_with_two_clusterings_each_has_a_fact_of_its_own(tmp_path: Path) -> None:
    other = VALUE.replace('"value"', '"other"').replace("k = 3", "k = 2")
    rule = "[[segment]]\nid = 'x'\nwhen = 'cluster.other = \"lapsed\"'\nto = ['shop']\n"
    shop = Planted(tmp_path, VALUE + other + rule, each=EACH)
    shop.run()
    assert [one["k"] for one in map(shop.asked, ("clusters show value", "clusters show other"))] == [3, 2]
    lapsed = shop.facts("cluster.other__id")[min(shop.of("lapsed"))]
    shop.told(f'clusters accept other --by me --name {lapsed}="Lapsed"')
    shop.run(NOW + DAY)
    assert shop.of("lapsed") <= shop.written()["x"]
    assert set(shop.facts("cluster.value").values()) == {None}
    assert "cluster.value " in shop.told("vocabulary")
