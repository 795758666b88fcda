"""Distances on the globe that every engine decides alike: a haversine of additions and multiplications only.

Sines come from a polynomial whose coefficients are fixed here, evaluated in IEEE doubles one operation at a
time, in Python and in SQL in the same order. Engines' own `sin` and `cos` differ in the last bit; additions
and multiplications are exactly rounded everywhere. All angles lie in the first quarter turn, where the
polynomial is as exact as a double: at most a few micrometres on the ground.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TypeAlias

from rules.engine.dialect import Dialect
from rules.ir import DistanceUnit, Near
from rules.vocabulary import NUMBER_SCALE

RADIUS_M = Fraction("6371008.8")
"""The mean radius of the earth (IUGG)."""
_METRES = {DistanceUnit.KM: Fraction(1000), DistanceUnit.MILES: Fraction("1609.344")}
_RIGHT, _STRAIGHT, _FULL = 90 * NUMBER_SCALE, 180 * NUMBER_SCALE, 360 * NUMBER_SCALE
_WHOLE_ANGLE, _HALF_ANGLE = math.pi / _STRAIGHT, math.pi / _FULL  # millionths of a degree → radians
_SINE = tuple(float(Fraction((-1) ** k, math.factorial(2 * k + 1))) for k in range(12))


def possible(north: int, east: int) -> bool:
    """Whether there is such a point."""
    return abs(north) <= _RIGHT and abs(east) <= _STRAIGHT


def near(node: Near, north: int, east: int) -> bool:
    """Whether a point, in millionths of degrees, is as near as the node says."""
    if not possible(north, east):
        return False
    limit = _limit(node)
    return limit is None or _haversine(node, north, east) <= limit


def distance(node: Near, north: int, east: int) -> float:
    """How far a possible point is from that of the node, in its unit; to look at, not to decide by."""
    angle = 2 * math.asin(min(1.0, math.sqrt(_haversine(node, north, east))))
    return angle * float(RADIUS_M / _METRES[node.unit])


def _limit(node: Near) -> float | None:
    """The haversine of the distance; None: no two points are farther apart."""
    half = float(Fraction(node.distance, NUMBER_SCALE) * _METRES[node.unit] / (2 * RADIUS_M))
    if half >= math.pi / 2:
        return None
    sine = _sine(half)
    return sine * sine


def _haversine(node: Near, north: int, east: int) -> float:
    along = abs(float(east) - float(node.east))
    if along > _STRAIGHT:
        along = float(_FULL) - along
    up = _sine(abs(float(north) - float(node.north)) * _HALF_ANGLE)
    across = _sine(along * _HALF_ANGLE)
    narrow = _sine((float(_RIGHT) - abs(float(north))) * _WHOLE_ANGLE)  # the cosine of the latitude
    return up * up + (narrow * _own_narrow(node)) * (across * across)


def _own_narrow(node: Near) -> float:
    return _sine((float(_RIGHT) - abs(float(node.north))) * _WHOLE_ANGLE)


def _sine(x: float) -> float:
    square, sum_ = x * x, _SINE[-1]
    for coefficient in reversed(_SINE[:-1]):
        sum_ = coefficient + square * sum_
    return x * sum_


# ── the same as SQL ──

Point: TypeAlias = tuple[str, str, int, int]
"""The facts of a place, and a point in millionths of degrees: what a haversine is computed for, once."""


def point_of(node: Near) -> Point:
    """Nodes with the same point differ in the distance alone."""
    return node.latitude.name, node.longitude.name, node.north, node.east


def possible_sql(north: str, east: str) -> str:
    """Whether there is such a point; missing if a coordinate is."""
    return f"({north} BETWEEN {-_RIGHT} AND {_RIGHT} AND {east} BETWEEN {-_STRAIGHT} AND {_STRAIGHT})"


def within_sql(node: Near, haversine: str, dialect: Dialect) -> str:
    """Whether a haversine, missing for impossible points, is as near as the node says."""
    limit = _limit(node)
    return f"{haversine} IS NOT NULL" if limit is None else f"{haversine} <= {dialect.double(limit)}"


def haversines_sql(node: Near, people: str, dialect: Dialect) -> str:
    """A SELECT of person and haversine for everybody whose coordinates are possible.

    Each step is a column of a selection of its own: as one expression, the polynomials would repeat their
    argument a hundred times. As doubles before anything is subtracted: no value of a column can overflow.
    """
    d = dialect.double
    north, east = (f"p.{dialect.name(fact.name)}" for fact in (node.latitude, node.longitude))
    points = (
        f"SELECT p.person AS person, {dialect.as_double(north, wide=False)} AS y,"
        f" abs({dialect.as_double(east, wide=False)} - {d(float(node.east))}) AS x"
        f" FROM {people} AS p WHERE {possible_sql(north, east)}"
    )
    along = f"CASE WHEN t.x > {d(float(_STRAIGHT))} THEN {d(float(_FULL))} - t.x ELSE t.x END"
    angles = (
        f"SELECT t.person AS person, abs(t.y - {d(float(node.north))}) * {d(_HALF_ANGLE)} AS a,"
        f" ({along}) * {d(_HALF_ANGLE)} AS b,"
        f" ({d(float(_RIGHT))} - abs(t.y)) * {d(_WHOLE_ANGLE)} AS c FROM ({points}) AS t"
    )
    squares = f"SELECT t.*, t.a * t.a AS aa, t.b * t.b AS bb, t.c * t.c AS cc FROM ({angles}) AS t"
    sines = ", ".join(f"{_sine_sql(angle, dialect)} AS {angle}" for angle in "abc")
    sines = f"SELECT t.person AS person, {sines} FROM ({squares}) AS t"
    haversine = f"t.a * t.a + (t.c * {d(_own_narrow(node))}) * (t.b * t.b)"
    return f"SELECT t.person AS person, {haversine} AS haversine FROM ({sines}) AS t"


def _sine_sql(angle: str, dialect: Dialect) -> str:
    sum_ = dialect.double(_SINE[-1])
    for coefficient in reversed(_SINE[:-1]):
        sum_ = f"({dialect.double(coefficient)} + t.{angle}{angle} * {sum_})"
    return f"t.{angle} * {sum_}"
