"""Places: `location within 50 km of (48.14, 11.58)`, `location is known`."""

from __future__ import annotations

from rules import ir
from rules.language.checks.scope import TYPE_WORDS, Scope
from rules.language.checks.values import millionths
from rules.language.problems import suggest
from rules.language.syntax import tree
from rules.vocabulary import Place, Type

_EXAMPLE = "location within 50 km of (48.14, 11.58)"


def place_of(node: tree.Tree, scope: Scope) -> Place | None:
    """The place that a tree names, if it does."""
    while isinstance(node, tree.Group):
        node = node.of
    if not isinstance(node, tree.Name) or scope.kind is not None:
        return None
    return scope.vocabulary.places.get(node.name)


def check_placed(place: Place) -> ir.Predicate:
    """Whether it is known where the person is."""
    return ir.Placed(place.name, *_coordinates(place))


def check_near(node: tree.Near, scope: Scope) -> ir.Predicate | None:
    """A place within a distance of a point."""
    place = place_of(node.place, scope)
    if place is None:
        _no_place(node, scope)
    distance = millionths(node.distance, scope)
    if distance is not None and distance <= 0:
        scope.report(node.distance.at, "a distance is more than 0")
        distance = None
    north = _degrees(node.north, 90, "a latitude (degrees north, the first number)", scope)
    east = _degrees(node.east, 180, "a longitude (degrees east, the second number)", scope)
    if place is None or distance is None or north is None or east is None:
        return None
    return ir.Near(place.name, *_coordinates(place), distance, node.unit, north, east)


def _coordinates(place: Place) -> tuple[ir.Fact, ir.Fact]:
    return ir.Fact(place.latitude, Type.NUMBER), ir.Fact(place.longitude, Type.NUMBER)


def _no_place(node: tree.Near, scope: Scope) -> None:
    of, places = node.place, scope.vocabulary.places
    if scope.kind is not None:
        scope.report(
            node.at, f"a place cannot stand inside where; where sees only fields of {scope.kind.name}"
        )
    elif not isinstance(of, tree.Name):
        scope.report(node.at, f"within … of needs the name of a place: {_EXAMPLE}")
    elif fact := scope.vocabulary.fields.get(of.name):
        what = TYPE_WORDS[fact.type]
        scope.report(of.at, f"{of.name} is {what}, not a place; [places.NAME] in the config makes one")
    elif places:
        known = suggest(of.name, places) or f" (known: {', '.join(sorted(places))})"
        scope.report(of.at, f'unknown place "{of.name}"{known}')
    else:
        message = (
            f'unknown place "{of.name}": [places.{of.name}] in the config names its latitude and longitude'
        )
        scope.report(of.at, message)


def _degrees(number: tree.Number, most: int, what: str, scope: Scope) -> int | None:
    if abs(number.number) > most:
        scope.report(number.at, f"{what} lies between -{most} and {most}")
        return None
    return millionths(number, scope)
