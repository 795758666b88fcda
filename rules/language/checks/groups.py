"""People compared with people, and other groups: ranks, segments, tiers, lists, suppression, chance."""

from __future__ import annotations

from fractions import Fraction

from rules import ir
from rules.language.checks.scope import TYPE_WORDS, Scope
from rules.language.checks.values import check_value, type_of
from rules.language.problems import suggest
from rules.language.render import render
from rules.language.syntax import tree
from rules.ruleset import CLUSTER
from rules.text import clean, fold
from rules.vocabulary import Type

_PPM_PER_PERCENT = 10_000
_LONGEST = 100_000  # of any unit; the history ends long before


def check_ranked(node: tree.Ranked, scope: Scope) -> ir.Predicate | None:
    """`VALUE in top 10%`, `in bottom 500`, `in quintile 5`, with `by FACT`."""
    if not _of_person(node.at, "a rank", scope):
        return None
    value = check_value(node.value, scope)
    by = _group_by(node.by, scope)
    number = node.percent or node.count or node.quintile
    assert number is not None  # noqa: S101 - the grammar gives one of them
    amount = _rank_number(node, number, scope)
    if value is None or amount is None or (by is None and node.by is not None):
        return None
    if type_of(value) not in (Type.NUMBER, Type.MONEY):
        message = f"a rank needs a number or money, but {render(value)} is {TYPE_WORDS[type_of(value)]}"
        scope.report(node.at, message)
        return None
    if node.percent:
        return ir.RankShare(node.side, amount, value, by)
    if node.count:
        return ir.RankCount(node.side, amount, value, by)
    return ir.Quintile(amount, value, by)


def check_group(node: tree.InGroup, scope: Scope) -> ir.Predicate | None:
    """`in segment "x"`, `in tier "tiers/tier"`, `in list "connection:name"`."""
    if not _of_person(node.at, f"in {node.word}", scope):
        return None
    name = node.name.text
    if node.word in ("list", "cluster"):
        if node.held is not None:
            scope.report(node.held[0].at, f"for fits in segment and in tier, not in {node.word}")
            return None
        return _listed(node.name, scope) if node.word == "list" else _clustered(node.name, scope)
    if scope.segments is not None and name not in scope.segments:
        tier = node.word == "tier"
        known = [each for each in scope.segments if ("/" in each) == tier]
        scope.report(node.name.at, f'unknown {node.word} "{name}"{suggest(name, known or scope.segments)}')
        return None
    scope.used.append((name, node.name.at))
    if node.held is None:
        return ir.InSegment(name)
    number, unit = node.held
    if number.number != int(number.number) or not 1 <= number.number <= _LONGEST:
        scope.report(number.at, f"a membership lasts a whole number of {unit}s, 1 or more")
        return None
    return ir.HeldSegment(name, int(number.number), unit)


def check_share(node: tree.Suppressed | tree.Consented | tree.Random, scope: Scope) -> ir.Predicate | None:
    """`suppressed`, `consented to email`, `random 10% of "salt"`."""
    match node:
        case tree.Suppressed(at):
            return ir.Suppressed() if _of_person(at, "suppressed", scope) else None
        case tree.Consented(at, channel):
            if not _of_person(at, "consented to", scope):
                return None
            if channel.name.lower() != "email":
                scope.report(channel.at, f'unknown channel "{channel.name}"; so far there is only email')
                return None
            return ir.Consented("email")
        case tree.Random(at, percent, salt):
            if not _of_person(at, "random", scope):
                return None
            ppm = _ppm(percent, scope)
            if not salt.text:
                scope.report(salt.at, "random needs a name in quotes; equal names draw the same people")
                return None
            return None if ppm is None else ir.RandomShare(ppm, salt.text)


def _listed(name: tree.Text, scope: Scope) -> ir.Predicate | None:
    folded = fold(name.text)
    known = {fold(each): each for each in scope.vocabulary.lists}
    if folded not in known:
        scope.report(name.at, f'unknown list "{name.text}"{suggest(name.text, known.values())}')
        return None
    return ir.InList(folded)


def _clustered(name: tree.Text, scope: Scope) -> ir.Predicate | None:
    fact = scope.vocabulary.fields.get(CLUSTER)
    if clean(name.text) is None:
        scope.report(name.at, f"a cluster has a name; for people in none write {CLUSTER} is missing")
    elif fact is None and (several := _of_clusterings(scope)):
        written = " or ".join(f'{one} = "{name.text}"' for one in several)
        scope.report(name.at, f"there are several clusterings; write {written}")
    elif fact is None:
        message = f'there is no clustering yet: nothing gives the fact "{CLUSTER}"; a [[clustering]] does, '
        scope.report(name.at, message + f"or a column that [fields.{CLUSTER}] in the config names")
    elif fact.type is not Type.TEXT:
        scope.report(name.at, f'clusters have names, but the fact "{CLUSTER}" is {TYPE_WORDS[fact.type]}')
    else:
        cluster = ir.Literal(fold(name.text), Type.TEXT)
        return ir.Compare(ir.Comparison.EQ, ir.Fact(CLUSTER, Type.TEXT), cluster)
    return None


def _of_clusterings(scope: Scope) -> list[str]:
    fields = scope.vocabulary.fields.values()
    return sorted(one.name for one in fields if one.name == one.model and one.name.startswith(f"{CLUSTER}."))


def _of_person(at: int, what: str, scope: Scope) -> bool:
    if scope.kind is not None:
        scope.report(at, f"{what} cannot stand inside where; where sees one activity at a time")
        return False
    return True


def _group_by(name: tree.Name | None, scope: Scope) -> ir.Fact | None:
    if name is None:
        return None
    found = scope.fact(name)
    if found is None:
        return None
    if not isinstance(found, ir.Fact) or found.type not in (Type.TEXT, Type.NUMBER, Type.BOOLEAN):
        scope.report(name.at, f"by needs a fact that is text, a number or yes/no, not {name.name}")
        return None
    return found


def _rank_number(node: tree.Ranked, number: tree.Number, scope: Scope) -> int | None:
    if node.percent:
        return _ppm(node.percent, scope)
    whole = int(number.number)
    if number.number != whole or whole < 1:
        share = number.number * 100
        hint = f"; for a share of them write {share.normalize():f}%" if 0 < share < 100 else ""
        scope.report(number.at, f"a rank counts whole people, from 1{hint}")
        return None
    if node.quintile and whole > 5:
        scope.report(number.at, "there are five quintiles: 1 (lowest) to 5 (highest)")
        return None
    if whole > 2**32:
        scope.report(number.at, f"{whole} is too large")
        return None
    return whole


def _ppm(percent: tree.Number, scope: Scope) -> int | None:
    """Percent → parts per million."""
    ppm = Fraction(percent.number) * _PPM_PER_PERCENT
    if not 0 < ppm <= 100 * _PPM_PER_PERCENT:
        scope.report(percent.at, "a share lies above 0% and is at most 100%")
        return None
    if ppm.denominator != 1:
        scope.report(percent.at, "a share has at most 4 decimals")
        return None
    return ppm.numerator
