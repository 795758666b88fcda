"""What the automaton made → `tree` nodes: numbers, dates and periods get their values, names stay names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

from rules import ir
from rules.language.problems import Finding
from rules.language.syntax import periods, sequences, tree
from rules.language.syntax.automaton import Child
from rules.language.syntax.parsed import as_name as _as_name
from rules.language.syntax.parsed import as_number as _as_number
from rules.language.syntax.parsed import as_text as _as_text
from rules.language.syntax.parsed import parts as _children
from rules.language.syntax.parsed import place as _at
from rules.language.syntax.parsed import rule as _rule
from rules.language.syntax.parsed import terminal as _type


class Builder:
    """Builds one expression; impossible dates and windows are collected in `findings`."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self.findings: list[Finding] = []

    def build(self, node: Child) -> tree.Tree:
        """The node under a rule of the grammar; the method has the name of the rule."""
        make: Callable[[list[Child]], tree.Tree] = getattr(self, f"_{_rule(node)}")
        return make(_children(node))

    # ── values ──

    def _name(self, children: list[Child]) -> tree.Name:
        return _as_name(children[0])

    def _mistake(self, children: list[Child]) -> tree.Tree:
        return tree.Broken(_at(children[0]))

    def _text(self, children: list[Child]) -> tree.Text:
        return _as_text(children[0])

    def _number(self, children: list[Child]) -> tree.Number:
        return _as_number(children[0])

    def _date(self, children: list[Child]) -> tree.Tree:
        at, text = _at(children[0]), str(children[0])
        try:
            day = dt.date.fromisoformat(text)
        except ValueError:
            return self._broken(at, f"there is no day {text}")
        if not 1000 <= day.year <= 9000:
            return self._broken(at, f"the year of {text} is out of range")
        return tree.Day(at, day)

    def _instant(self, children: list[Child]) -> tree.Tree:
        at, text = _at(children[0]), str(children[0])
        try:
            instant = dt.datetime.fromisoformat(text)
        except ValueError:
            return self._broken(at, f"there is no instant {text}")
        if not 1000 <= instant.year <= 9000:
            return self._broken(at, f"the year of {text} is out of range")
        aware = instant if instant.tzinfo else instant.replace(tzinfo=self.zone)
        return tree.Instant(at, aware.astimezone(dt.UTC))

    def _true(self, children: list[Child]) -> tree.Truth:
        return tree.Truth(_at(children[0]), True)

    def _false(self, children: list[Child]) -> tree.Truth:
        return tree.Truth(_at(children[0]), False)

    def _group(self, children: list[Child]) -> tree.Tree:
        return tree.Group(_at(children[0]), self.build(children[1]))

    def _call(self, children: list[Child]) -> tree.Tree:
        function = ir.AggregateFunction(str(children[0]).lower())
        return tree.Call(_at(children[0]), function, self._activity(_children(children[2])))

    def _most_frequent(self, children: list[Child]) -> tree.Tree:
        activity = self._activity(_children(children[3]))
        return tree.Call(_at(children[0]), ir.AggregateFunction.MOST_FREQUENT, activity)

    def _activity(self, children: list[Child]) -> tree.Activity:
        rest = [child for child in children[1:] if _type(child) not in ("WHERE", "COMMA")]
        where: tree.Tree | None = None
        period: tree.Period | None = None
        for child in rest:
            built = self.build(child)
            if isinstance(built, tree.Period):
                period = built
            else:
                where = built
        return tree.Activity(_at(children[0]), _as_name(children[0]), where, period)

    def _moment(self, children: list[Child]) -> tree.Moment:
        first = _type(children[0]) == "FIRST"
        function = ir.AggregateFunction.FIRST_AT if first else ir.AggregateFunction.LAST_AT
        return tree.Moment(_at(children[0]), function, _as_name(children[1]))

    def _since(self, children: list[Child]) -> tree.Tree:
        unit = str(children[0]).lower()
        if unit != "days":
            return self._broken(_at(children[0]), f'only "days since" exists, not "{unit} since"')
        return tree.Since(_at(children[0]), self.build(children[2]))

    def _arithmetic(self, children: list[Child]) -> tree.Arithmetic:
        left, operator, right = children
        return tree.Arithmetic(_at(operator), ir.Operator(str(operator)), self.build(left), self.build(right))

    def _minus(self, children: list[Child]) -> tree.Tree:
        of = self.build(children[1])
        if isinstance(of, tree.Number):
            return tree.Number(_at(children[0]), of.number.copy_negate())
        return tree.Minus(_at(children[0]), of)

    # ── conditions ──

    def _any_of(self, children: list[Child]) -> tree.Tree:
        parts = tuple(self.build(child) for child in children if _type(child) != "OR")
        return tree.AnyOf(parts[0].at, parts)

    def _all_of(self, children: list[Child]) -> tree.Tree:
        parts = tuple(self.build(child) for child in children if _type(child) != "AND")
        return tree.AllOf(parts[0].at, parts)

    def _negation(self, children: list[Child]) -> tree.Tree:
        return tree.Negation(_at(children[0]), self.build(children[1]))

    def _did(self, children: list[Child]) -> tree.Tree:
        return tree.Happened(_at(children[0]), self.build(children[1]))

    def _never(self, children: list[Child]) -> tree.Tree:
        return tree.Negation(_at(children[0]), self._did(children))

    def _comparison(self, children: list[Child]) -> tree.Tree:
        left, operator, right = children
        return tree.Comparison(_at(operator), str(operator), self.build(left), self.build(right))

    def _range(self, children: list[Child]) -> tree.Tree:
        children, negate = _without_not(children)
        test = tree.Range(
            _at(children[1]), self.build(children[0]), self.build(children[2]), self.build(children[4])
        )
        return negate(test)

    def _listed(self, children: list[Child]) -> tree.Tree:
        children, negate = _without_not(children)
        return negate(tree.Listed(_at(children[1]), self.build(children[0]), self._options(children[2])))

    def _ranked(self, children: list[Child]) -> tree.Tree:
        children, negate = _without_not(children)
        words = _children(children[2])
        kind, number = _type(words[0]), _as_number(words[1])
        percent = any(_type(word) == "PERCENT" for word in words)
        return negate(
            tree.Ranked(
                _at(words[0]),
                self.build(children[0]),
                ir.Side.BOTTOM if kind == "BOTTOM" else ir.Side.TOP,
                percent=number if percent else None,
                count=None if kind == "QUINTILE" or percent else number,
                quintile=number if kind == "QUINTILE" else None,
                by=_as_name(words[-1]) if _type(words[-2]) == "BY" else None,
            )
        )

    def _look(self, children: list[Child]) -> tree.Tree:
        children, negate = _without_not(children)
        word = _type(children[1]).lower()
        return negate(tree.Look(_at(children[1]), word, self.build(children[0]), _as_text(children[-1])))

    def _has_one(self, children: list[Child]) -> tree.Tree:
        value, has, text = children
        return tree.Has(_at(has), ir.ListTestKind.ANY, self.build(value), (_as_text(text),))

    def _has_some(self, children: list[Child]) -> tree.Tree:
        value, has, quantity, _, options = children
        word = _type(_children(quantity)[0])
        kind = ir.ListTestKind.ALL if word == "ALL" else ir.ListTestKind.ANY
        test = tree.Has(_at(has), kind, self.build(value), self._options(options))
        return tree.Negation(test.at, test) if word == "NONE" else test

    def _options(self, node: Child) -> tuple[tree.Tree, ...]:
        return tuple(
            self.build(child) for child in _children(node) if _type(child) not in ("LSQB", "RSQB", "COMMA")
        )

    def _known(self, children: list[Child]) -> tree.Tree:
        return tree.Known(_at(children[1]), self.build(children[0]))

    def _missing(self, children: list[Child]) -> tree.Tree:
        return tree.Negation(_at(children[1]), self._known(children))

    def _filtered(self, children: list[Child]) -> tree.Tree:
        return sequences.outside(self.build(children[0]), _at(children[1]), self.build(children[2]))

    def _filtered_during(self, children: list[Child]) -> tree.Tree:
        filtered = self._filtered(children)
        return self._during([filtered, children[3]])

    def _filtered_ago(self, children: list[Child]) -> tree.Tree:
        filtered = self._filtered(children)
        return self._with_period(filtered, self._ago(children[3:]))

    def _during(self, children: list[Child] | list[tree.Tree | Child]) -> tree.Tree:
        value = children[0] if isinstance(children[0], tree.Tree) else self.build(children[0])
        return self._with_period(value, self.build(children[1]))  # type: ignore[arg-type]

    def _during_is(self, children: list[Child]) -> tree.Tree:
        return self._during([children[0], children[2]])

    def _during_ago(self, children: list[Child]) -> tree.Tree:
        value, between, low, _, high, unit, ago = children
        bounds = [self.build(low), self.build(high)]
        for bound in bounds:
            if not isinstance(bound, tree.Number):
                return self._broken(bound.at, "a window needs plain numbers: between 3 and 10 days ago")
        period = periods.ago(_at(between), bounds[0], bounds[1], str(unit), str(ago))  # type: ignore[arg-type]
        return self._with_period(self.build(value), self._reported(period))

    def _yearly(self, children: list[Child]) -> tree.Tree:
        value, word, period = self.build(children[0]), children[1], self.build(children[-1])
        if isinstance(period, tree.Period):
            return tree.Yearly(_at(word), value, period)
        return tree.Broken(value.at)

    def _spanned(self, children: list[Child]) -> tree.Tree:
        span = tree.Span(_at(children[1]), _as_number(children[2]), str(children[3]))
        return tree.Spanned(span.at, self.build(children[0]), str(children[1]).lower(), span)

    def _sequence(self, children: list[Child]) -> tree.Tree:
        return sequences.sequence(children, self.build)

    _filtered_sequence = _sequence

    def _regular(self, children: list[Child]) -> tree.Tree:
        return sequences.regular(children, self.build)

    _filtered_regular = _regular

    def _stopped(self, children: list[Child]) -> tree.Tree:
        return sequences.pausing(children, self.build)

    _restarted = _stopped

    def _in_group(self, children: list[Child]) -> tree.Tree:
        word = _type(_children(children[1])[0]).lower()
        return tree.InGroup(_at(children[0]), word, _as_text(children[2]), None)

    def _in_group_for(self, children: list[Child]) -> tree.Tree:
        word = _type(_children(children[1])[0]).lower()
        unit = str(children[5]).lower().removesuffix("s")
        if unit not in set(ir.Unit):
            return self._broken(_at(children[5]), "a membership lasts hours, days, weeks, months or years")
        held = (_as_number(children[4]), ir.Unit(unit))
        return tree.InGroup(_at(children[0]), word, _as_text(children[2]), held)

    def _near(self, children: list[Child]) -> tree.Tree:
        unit = ir.DistanceUnit.MILES if str(children[3]).lower().startswith("mi") else ir.DistanceUnit.KM
        north, east = (_degrees(_children(children[place])) for place in (6, 8))
        return tree.Near(
            _at(children[1]), self.build(children[0]), _as_number(children[2]), unit, north, east
        )

    def _related(self, children: list[Child]) -> tree.Tree:
        word = _type(children[0]).lower()
        return tree.Related(_at(children[0]), word, self._activity(_children(children[2])))

    def _suppressed(self, children: list[Child]) -> tree.Tree:
        return tree.Suppressed(_at(children[0]))

    def _consented(self, children: list[Child]) -> tree.Tree:
        return tree.Consented(_at(children[0]), _as_name(children[2]))

    def _random(self, children: list[Child]) -> tree.Tree:
        return tree.Random(_at(children[0]), _as_number(children[1]), _as_text(children[-1]))

    # ── periods ──

    def _calendar(self, children: list[Child]) -> tree.Tree:
        return self._reported(periods.calendar(_at(children[0]), [str(word).lower() for word in children]))

    def _within_calendar(self, children: list[Child]) -> tree.Tree:
        return self.build(children[1])

    def _rolling(self, children: list[Child]) -> tree.Tree:
        direction, number, unit = children[-3:]
        return self._reported(
            periods.rolling(_at(direction), str(direction).lower(), _as_number(number), str(unit))
        )

    def _ever(self, children: list[Child]) -> tree.Tree:
        return tree.Period(_at(children[0]), ir.Ever())

    def _ago(self, children: list[Child]) -> tree.Tree:
        between, low, _, high, unit, ago = children
        return self._reported(
            periods.ago(_at(between), _as_number(low), _as_number(high), str(unit), str(ago))
        )

    def _bounded(self, children: list[Child]) -> tree.Tree:
        day = self.build(children[1])
        if isinstance(day, tree.Broken):
            return day
        return self._reported(periods.bounded(_at(children[0]), str(children[0]).lower(), day))

    def _from_to(self, children: list[Child]) -> tree.Tree:
        start, end = self.build(children[1]), self.build(children[3])
        if isinstance(start, tree.Broken) or isinstance(end, tree.Broken):
            return tree.Broken(start.at)
        return self._reported(periods.from_to(_at(children[0]), start, end))

    # ── findings ──

    def _with_period(self, value: tree.Tree, period: tree.Tree) -> tree.Tree:
        if isinstance(period, tree.Period):
            return tree.During(period.at, value, period)
        return tree.Broken(value.at)

    def _reported(self, result: tree.Period | Finding) -> tree.Tree:
        if isinstance(result, Finding):
            return self._broken(result.at, result.message)
        return result

    def _broken(self, at: int, message: str) -> tree.Tree:
        self.findings.append(Finding(at, message))
        return tree.Broken(at)


def _degrees(words: list[Child]) -> tree.Number:
    number = _as_number(words[-1])
    return number if len(words) == 1 else tree.Number(_at(words[0]), number.number.copy_negate())


def _without_not(children: list[Child]) -> tuple[list[Child], Callable[[tree.Tree], tree.Tree]]:
    """`x not in …` reads as `x in …`, negated."""
    if _type(children[1]) == "NOT":
        return [children[0], *children[2:]], lambda test: tree.Negation(test.at, test)
    return children, lambda test: test
