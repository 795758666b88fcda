"""Places: great circles against published and independent numbers; both evaluators alike to the last bit."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from rules import ir
from rules.engine import sphere
from rules.engine.person import PersonFacts
from rules.language import compile_expression, render
from rules.vocabulary import Type
from tests.rules.engine.agreement import by_duckdb, by_python, members
from tests.rules.vocabulary import VOCABULARY

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
FACTS = (ir.Fact("latitude", Type.NUMBER), ir.Fact("shop.longitude", Type.NUMBER))


def at(number: int, north: float | None, east: float | None) -> PersonFacts:
    scaled = [None if each is None else round(each * 1_000_000) for each in (north, east)]
    return PersonFacts(number, {"latitude": scaled[0], "shop.longitude": scaled[1]})


def who(expression: str, *people: PersonFacts) -> set[int]:
    condition = compile_expression(expression, VOCABULARY)
    assert not isinstance(condition, tuple), [str(problem) for problem in condition]
    return members(condition, people, as_of=AS_OF)


def test_a_published_distance_is_met_to_ten_metres() -> None:
    """Nashville to Los Angeles is 2887.2599 km on a sphere of 6372.8 km (Rosetta Code, haversine formula)."""
    expected = Decimal("2887.2599506071") / Decimal("6372.8") * Decimal("6371.0088")
    los_angeles = at(1, 33.94, -118.40)
    for metres, inside in ((10, {1}), (-10, set())):
        km = round(expected + Decimal(metres) / 1000, 6)
        assert who(f"location within {km} km of (36.12, -86.67)", los_angeles) == inside


def test_a_quarter_of_the_globe_is_its_exact_length_and_the_edge_is_inside() -> None:
    quarter = Decimal("10007.557221")  # π/2 × 6371.0088, cut to the millimetre
    pole, equator = at(1, 90, 77), at(2, 0, 90)
    assert who(f"location within {quarter + Decimal('0.000001')} km of (0, 0)", pole, equator) == {1, 2}
    assert who(f"location within {quarter - Decimal('0.000001')} km of (0, 0)", pole, equator) == set()
    assert who("location within 0.000001 km of (48.14, 11.58)", at(1, 48.14, 11.58)) == {1}


def test_the_date_line_and_the_poles_are_no_borders() -> None:
    assert who("location within 3 km of (0, 179.99)", at(1, 0, -179.99), at(2, 0, 179.99)) == {1, 2}
    assert who("location within 3 km of (0, -180)", at(1, 0, 180)) == {1}
    assert who("location within 3 km of (90, 0)", at(1, 89.98, 140), at(2, 89.9, 140)) == {1}
    assert who("location within 20015.2 km of (48, 11)", at(1, -48, -169), at(2, 0, 0)) == {1, 2}


def test_a_mile_is_1609_344_metres() -> None:
    north = at(1, 1.609344 / 111.195080, 0)  # a degree of the meridian is π/180 × 6371.0088 km
    assert who("location within 1.0001 miles of (0, 0)", north) == {1}
    assert who("location within 0.9999 miles of (0, 0)", north) == set()


def test_missing_and_impossible_coordinates_are_missing() -> None:
    nowhere = [at(1, None, 11), at(2, 48, None), at(3, 90.000001, 0), at(4, 0, -180.000001)]
    nowhere.append(PersonFacts(5, {"latitude": -(2**63), "shop.longitude": 2**63 - 1}))
    assert who("location within 30000 km of (0, 0)", *nowhere, at(6, -90, 180)) == {6}
    assert who("location is known", *nowhere, at(6, -90, 180)) == {6}
    assert who("location within 50 km of (0, 0)", *nowhere) == set()
    assert who("not location within 50 km of (0, 0)", *nowhere) == {1, 2, 3, 4, 5}


def test_at_the_edge_both_evaluators_decide_alike_to_the_last_bit() -> None:
    """Every point is asked for with its own distance, rounded to the nearest millimetre, and one beside."""
    draw = random.Random(5)
    points = [
        (draw.randint(-90_000_000, 90_000_000), draw.randint(-180_000_000, 180_000_000)) for _ in range(30)
    ]
    centre = (48_140_000, 11_580_000)
    points += [(centre[0] + draw.randint(-9, 9), centre[1] + draw.randint(-9, 9)) for _ in range(20)]
    people = [PersonFacts(n, {"latitude": y, "shop.longitude": x}) for n, (y, x) in enumerate(points)]
    conditions: dict[str, ir.Predicate] = {}
    for number, point in enumerate(points):
        probe = ir.Near("location", *FACTS, 1, ir.DistanceUnit.KM, *centre)
        exact = round(sphere.distance(probe, *point) * 1_000_000)
        for beside in (-1, 0, 1):
            near = ir.Near("location", *FACTS, max(1, exact + beside), ir.DistanceUnit.KM, *centre)
            conditions[f"{number}{beside:+}"] = near
    found = by_duckdb(conditions, people, as_of=AS_OF).members
    assert {id_: set(bitmap) for id_, bitmap in found.items()} == by_python(conditions, people, as_of=AS_OF)


def test_away_from_the_edge_the_answer_is_that_of_vectors_in_extended_precision() -> None:
    """A second way: the angle between two unit vectors, in numpy's long doubles."""
    draw = random.Random(11)
    points = [
        (draw.randint(-90_000_000, 90_000_000), draw.randint(-180_000_000, 180_000_000)) for _ in range(500)
    ]

    def vector(north: int, east: int) -> np.ndarray:
        y, x = (np.longdouble(each) / 1_000_000 * np.longdouble(np.pi) / 180 for each in (north, east))
        return np.array([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)])

    centre = (-33_900_000, 151_200_000)
    for point in points:
        a, b = vector(*centre), vector(*point)
        km = float(2 * np.arcsin(np.sqrt(np.sum((a - b) ** 2)) / 2)) * 6371.0088
        for metre in (-0.001, 0.001):
            asked = ir.Near("location", *FACTS, round((km + metre) * 1_000_000), ir.DistanceUnit.KM, *centre)
            assert sphere.near(asked, *point) == (metre > 0)


def test_a_place_renders_as_it_is_written() -> None:
    for expression in (
        "location within 50 km of (48.14, 11.58)",
        "location within 2.5 miles of (-33.9, -18)",
        "location is known",
        "location is missing",
        'in segment "vip" for 30 days',
        'in tier "lifecycle/new" for 1 month',
    ):
        condition = compile_expression(expression, VOCABULARY)
        assert not isinstance(condition, tuple)
        assert render(condition) == expression


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "city within 50 km of (1, 2)",
            "1:1: city is text, not a place; [places.NAME] in the config makes one",
        ),
        ("locaton within 50 km of (1, 2)", '1:1: unknown place "locaton"; did you mean "location"?'),
        ("location within 0 km of (1, 2)", "1:17: a distance is more than 0"),
        (
            "location within 5 km of (91, 2)",
            "1:26: a latitude (degrees north, the first number) lies between -90",
        ),
        (
            "location within 5 km of (1, -181)",
            "1:29: a longitude (degrees east, the second number) lies between",
        ),
        ("location within 5 km of (1.0000001, 2)", "has more than 6 decimals"),
        (
            "location",
            "1:1: location is a place; write location within 50 km of (48.14, 11.58), or location is known",
        ),
        ("any(deal where location within 5 km of (1, 2))", "a place cannot stand inside where"),
        ("location within 5 parsec of (1, 2)", "expected a unit such as days or km or miles"),
        ('in cluster ""', "a cluster has a name; for people in none write cluster is missing"),
        ('in cluster "x" for 3 days', "for fits in segment and in tier, not in cluster"),
        ('in segment "x" for 1.5 days', "a membership lasts a whole number of days, 1 or more"),
        ('in segment "x" for 2 quarters', "a membership lasts hours, days, weeks, months or years"),
    ],
)
def test_a_misuse_says_what_to_write(expression: str, message: str) -> None:
    problems = compile_expression(expression, VOCABULARY)
    assert isinstance(problems, tuple)
    assert message in " | ".join(str(problem).removeprefix("expression:") for problem in problems)


def test_without_a_clustering_the_check_says_so() -> None:
    fields = {name: field for name, field in VOCABULARY.fields.items() if name != "cluster"}
    problems = compile_expression('in cluster "bargain hunters"', replace(VOCABULARY, fields=fields))
    assert isinstance(problems, tuple)
    assert 'there is no clustering yet: nothing gives the fact "cluster"' in str(problems[0])
