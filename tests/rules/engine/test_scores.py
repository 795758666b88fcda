"""Scores: weights that halve exactly, so many activities a day, the same number in every engine."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import ir
from rules.engine import Tables, evaluate
from rules.engine.explain import explain
from rules.engine.periods import Clock
from rules.engine.person import Context, PersonFacts, observed
from rules.engine.points import weights
from rules.language import load, render
from rules.vocabulary import Type
from tests.benchmarks.generator import AS_OF as WORLD_AS_OF
from tests.benchmarks.generator import ZONE as WORLD_ZONE
from tests.benchmarks.generator import lake
from tests.rules.engine.agreement import members, rule_set
from tests.rules.vocabulary import VOCABULARY

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
BERLIN = ZoneInfo("Europe/Berlin")
DAY = dt.timedelta(days=1)
POINT = 1_000_000


def clicks(*instants: dt.datetime) -> PersonFacts:
    return PersonFacts(1, activity={"email_click": [{"at": at, "campaign": None} for at in instants]})


def earned(*, points: int = 5, per_day: int | None = None, half_life: int | None = None) -> ir.Earned:
    return ir.Earned("email_click", None, ir.Ever(), points * POINT, per_day, half_life)


def score_of(
    person: PersonFacts, *parts: ir.ScorePart, least: int | None = None, most: int | None = None
) -> int:
    """The score, which DuckDB must find to the millionth."""
    score = ir.Score("engagement", parts, least, most)
    value = observed(score, person, Context(Clock(AS_OF, "Europe/Berlin")))
    assert isinstance(value, int)
    same = ir.Compare(ir.Comparison.EQ, score, ir.Literal(value, Type.NUMBER))
    assert members(same, [person], as_of=AS_OF) == {1}
    return value


@settings(max_examples=60, deadline=None)
@given(st.integers(-(10**11), 10**11), st.integers(1, 400), st.data())
def test_a_weight_is_the_nearest_whole_millionth_in_exact_integers(
    points: int, half_life: int, data: st.DataObject
) -> None:
    """|w − points × 2^(−age/h)| <= 1/2, both sides raised to the h-th power: no root, no rounding."""
    found = weights(abs(points), half_life)
    age = data.draw(st.integers(0, len(found) + 2))
    weight = found[age] if age < len(found) else 0
    exact = (2 * abs(points)) ** half_life
    assert (2 * weight + 1) ** half_life * 2**age >= exact
    assert weight == 0 or (2 * weight - 1) ** half_life * 2**age <= exact
    assert weights(-points, half_life) == tuple(-each for each in weights(points, half_life))


def test_after_each_half_life_points_count_half() -> None:
    found = weights(8 * POINT, 30)
    assert [found[30 * n] for n in range(4)] == [8 * POINT, 4 * POINT, 2 * POINT, POINT]
    assert all(later <= earlier for earlier, later in pairwise(found))
    assert score_of(clicks(AS_OF - 60 * DAY), earned(half_life=30)) == 1_250_000


def test_points_of_a_day_are_capped_by_the_calendar_day_of_the_business_zone() -> None:
    late = dt.datetime(2026, 2, 28, 23, 59, tzinfo=BERLIN).astimezone(dt.UTC)
    early = dt.datetime(2026, 3, 1, 0, 1, tzinfo=BERLIN).astimezone(dt.UTC)
    assert early.date() == late.date()  # one day in UTC, two in Berlin
    assert score_of(clicks(late, early), earned(per_day=1)) == 10 * POINT
    assert score_of(clicks(early, early + 22 * dt.timedelta(hours=1)), earned(per_day=1)) == 5 * POINT
    assert score_of(clicks(*[early] * 7), earned(per_day=3)) == 15 * POINT


def test_points_fade_by_the_calendar_day_so_a_score_moves_at_midnight_only() -> None:
    midnight = dt.datetime(2026, 3, 2, tzinfo=BERLIN).astimezone(dt.UTC)
    part = earned(points=8, half_life=1)
    assert score_of(clicks(midnight), part) == 8 * POINT
    assert score_of(clicks(midnight - dt.timedelta(microseconds=1)), part) == 4 * POINT


def test_activity_after_as_of_earns_nothing() -> None:
    assert score_of(clicks(AS_OF + dt.timedelta(microseconds=1)), earned(), earned(per_day=1)) == 0
    assert score_of(clicks(AS_OF), earned(), earned(per_day=1)) == 10 * POINT


def test_a_score_is_known_of_everybody_and_held_between_its_bounds() -> None:
    nobody = PersonFacts(1)
    assert score_of(nobody, earned(), earned(half_life=7), earned(per_day=1)) == 0
    assert score_of(nobody, earned(), least=2 * POINT) == 2 * POINT
    assert score_of(clicks(*[AS_OF] * 9), earned(), most=20 * POINT) == 20 * POINT
    assert score_of(clicks(AS_OF), earned(points=-5), least=0) == 0


def test_points_for_a_condition_do_not_fade_and_are_given_once() -> None:
    large = ir.Granted(
        ir.Compare(
            ir.Comparison.GE, ir.Fact("company.employees", Type.NUMBER), ir.Literal(200 * POINT, Type.NUMBER)
        ),
        20 * POINT,
    )
    assert score_of(PersonFacts(1, facts={"company.employees": 200 * POINT}), large) == 20 * POINT
    assert score_of(PersonFacts(1, facts={"company.employees": 199 * POINT}), large) == 0
    assert score_of(PersonFacts(1), large) == 0  # missing is not enough


@pytest.fixture
def engagement(tmp_path: Path) -> ir.Score:
    (tmp_path / "score.toml").write_text(
        """
        [[score]]
        id = "engagement"
        half_life = "2 weeks"
        points = [
          { when = "email_click", points = 5, at_most_per_day = 1 },
          { when = "page_view where page starts with '/pricing' last 90 days", points = 3 },
          { when = "cart_add", points = 2, at_most_per_day = 2 },
          { if = "vip", points = 20 },
        ]
        at_most = 60
        [[segment]]
        id = "hot"
        when = "engagement in top 10%"
        """,
        "utf-8",
    )
    rules = load(tmp_path, VOCABULARY).ruleset
    assert rules is not None
    rank = rules.segments["hot"].when
    assert isinstance(rank, ir.RankShare)
    assert isinstance(rank.value, ir.Score)
    return rank.value


def test_scores_and_their_ranks_are_those_of_pandas(engagement: ir.Score, tmp_path: Path) -> None:
    """60,000 events of 3,000 people; weights by the float power function, which rounds to the same here."""
    world = lake(tmp_path / "lake", people=3_000, events=60_000, seed=11)
    people = pd.read_parquet(world.people_file).set_index("person")
    today = WORLD_AS_OF.astimezone(ZoneInfo(WORLD_ZONE)).replace(tzinfo=None, hour=0, minute=0)

    def days(kind: str) -> pd.DataFrame:
        rows = pd.read_parquet(world.activity_file(kind)).dropna(subset=["person"])
        rows = rows[rows["at"] <= WORLD_AS_OF]
        local = rows["at"].dt.tz_convert(WORLD_ZONE).dt.tz_localize(None).dt.normalize()
        return rows.assign(age=(today - local).dt.days)

    def points(rows: pd.DataFrame, each: int, most: int | None) -> pd.Series[int]:
        counts = rows.groupby(["person", "age"]).size().clip(upper=most).rename("n").reset_index()
        worth = (each * POINT * 2.0 ** (-counts["age"] / 14)).round().astype("int64")
        return (worth * counts["n"]).groupby(counts["person"]).sum()

    views = days("page_view")
    views = views[views["page"].str.startswith("/pricing") & (views["at"] > WORLD_AS_OF - 90 * DAY)]
    total = people["vip"].fillna(False).astype("int64") * 20 * POINT
    for each in (points(days("email_click"), 5, 1), points(views, 3, None), points(days("cart_add"), 2, 2)):
        total = total.add(each, fill_value=0)
    total = total.astype("int64").clip(upper=60 * POINT)
    above = total.rank(method="min", ascending=False) - 1
    threshold = ir.Literal(int(total.quantile(0.8)), Type.NUMBER)
    conditions: dict[str, ir.Predicate] = {
        "top": ir.RankShare(ir.Side.TOP, 100_000, engagement, None),
        "over": ir.Compare(ir.Comparison.GT, engagement, threshold),
        "exactly": ir.Compare(ir.Comparison.EQ, engagement, threshold),
    }
    tables = Tables(
        f"read_parquet('{world.people_file}')",
        {k: f"read_parquet('{world.activity_file(k)}')" for k in ("email_click", "page_view", "cart_add")},
    )
    found = evaluate(duckdb.connect(), rule_set(conditions), tables, as_of=WORLD_AS_OF, zone=WORLD_ZONE)
    expected = {
        "top": total.index[above * 10 < len(total)],
        "over": total.index[total > int(threshold.value)],  # type: ignore[arg-type]
        "exactly": total.index[total == int(threshold.value)],  # type: ignore[arg-type]
    }
    assert {id_: set(bitmap) for id_, bitmap in found.members.items()} == {
        id_: set(map(int, index)) for id_, index in expected.items()
    }
    assert total.nunique() > 300


def test_explain_shows_the_score_and_what_each_part_brought(engagement: ir.Score) -> None:
    condition = ir.Compare(ir.Comparison.GE, engagement, ir.Literal(10 * POINT, Type.NUMBER))
    person = clicks(AS_OF, AS_OF, AS_OF - 14 * DAY)
    tree = explain(condition, person, Context(Clock(AS_OF, "Europe/Berlin")), render=render)
    assert [(one.text, one.value) for one in tree.observed] == [
        ("engagement", "7.5"),
        ("5 points for email_click, at most 1 per day, halved in 14 days", "7.5"),
        ('3 points for page_view where (page starts with "/pricing") last 90 days, halved in 14 days', "0"),
        ("2 points for cart_add, at most 2 per day, halved in 14 days", "0"),
        ("20 points if vip", "0"),
    ]
    assert not tree.result
