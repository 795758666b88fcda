"""Nodes are values: fixed, equal and hashed by what is in them, told apart by their class."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import pytest

from rules import ir
from rules.fixed import Equal, Fixed, changed
from rules.language.syntax import tree
from rules.vocabulary import Type


class Point(Equal):
    x: int
    y: tuple[int, ...]


class Spot(Point):
    name: str


class Other(Equal):
    x: int
    y: tuple[int, ...]


class Place(Fixed):
    x: int


@dataclass(frozen=True, slots=True)
class AsDataclass:
    x: int
    y: tuple[int, ...]


def test_equality_and_hash_are_those_of_a_dataclass_and_know_the_class() -> None:
    assert Point(1, (2,)) == Point(x=1, y=(2,))
    assert Point(1, (2,)) != Point(1, (3,))
    assert Point(1, (2,)) != Other(1, (2,))
    assert Spot(1, (2,), "a") != Point(1, (2,))
    assert hash(Point(1, (2,))) == hash(AsDataclass(1, (2,)))
    assert repr(Point(1, (2,))) == repr(AsDataclass(1, (2,))).replace("AsDataclass", "Point")
    assert ir.Suppressed() == ir.Suppressed()
    assert ir.Suppressed() != ir.Ever()


def test_only_equal_ones_are_compared_by_their_fields() -> None:
    place = Place(1)
    assert place == place
    assert place != Place(1)
    assert tree.Name(0, "a") != tree.Name(0, "a")


def test_fields_come_in_order_those_of_the_base_first_and_are_matched_by_it() -> None:
    match Spot(1, (2,), "a"):
        case Spot(x, y, name):
            assert (x, y, name) == (1, (2,), "a")
    assert Spot.field_names == ("x", "y", "name")
    assert not hasattr(Spot(1, (2,), "a"), "__dict__")


@pytest.mark.parametrize("arguments", [(), (1,), (1, 2, 3)])
def test_all_fields_are_given_and_no_others(arguments: tuple[int, ...]) -> None:
    with pytest.raises(TypeError, match="argument"):
        Point(*arguments)


def test_nothing_can_be_changed_but_in_a_copy() -> None:
    point = Point(1, (2,))
    for name in ("x", "z"):
        with pytest.raises(AttributeError, match=f"Point.{name} is fixed"):
            setattr(point, name, 5)
    with pytest.raises(AttributeError, match=r"Point\.x is fixed"):
        del point.x
    assert changed(point, x=5) == Point(5, (2,))
    assert point == Point(1, (2,))
    fact = ir.Fact("country", Type.TEXT)
    for again in (pickle.loads(pickle.dumps(fact)), copy.deepcopy(fact)):
        assert again == fact
        assert hash(again) == hash(fact)
