"""The same rules in two libraries that ask one person at a time: `rule-engine` and `json-logic`.

Generously: every feature and threshold is worked out before, a row is a dict with no value missing, rules are
compiled once. Neither library has windows, ranks or other segments, so these stand in the row or in the rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
from pyroaring import BitMap

from tests.benchmarks.evaluation.banded import T, limits, prepared
from tests.benchmarks.evaluation.rules import names, numbers, suffix
from tests.benchmarks.generator import World

Row = dict[str, Any]
Found = tuple[dict[str, BitMap], float]
"""The members among the rows, and the CPU seconds it took."""
Asking = Callable[["Sample", int], Found]

_BOUGHT = ["b30", "b90", "b365", "b", "s30", "s90", "s365", "s", "k365", "m365", "cats", "shoes", "munich"]
_DONE = ["o30", "o90", "c30", "c90", "v7", "v30", "pricing", "a7", "a30"]
_NUMBERS = [*_BOUGHT, *_DONE, "ltv", "score", "employees"]
_TEXTS = ("country", "city", "moved", "store")
_AGES = ("first", "last_buy", "last_open", "last_view", "signed_up")
_TRUTHS = ("vip", "suppressed", "consented_email")


def _columns() -> str:
    columns = [f"coalesce({name}, -1) {name}" for name in _NUMBERS]
    columns += [f"coalesce({name}, '') {name}" for name in _TEXTS]
    columns += [f"coalesce(epoch_us({T}) - epoch_us({name}), -1) / 86400e6 {name}" for name in _AGES]
    columns += [f"coalesce({name}, false) {name}" for name in _TRUTHS]
    columns += ["coalesce(month(birthday) * 100 + day(birthday), 0) birthday"]
    columns += ["coalesce(interests, []) interests", "coalesce(in_lists, []) in_lists"]
    return ", ".join(columns)


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows of the first people, and by variant the numbers that rules are filled with."""

    rows: list[Row]
    limits: list[dict[str, Any]]


def sample(connection: duckdb.DuckDBPyConnection, world: World, people: int, variants: int) -> Sample:
    """Works out everything that the libraries cannot."""
    with prepared(connection, world):
        found = limits(connection, variants)
        rows = connection.sql(
            f"""SELECT p.person, tops, {_columns()} FROM wide p LEFT JOIN tops ON tops.land = p.country
            WHERE p.person < {people}"""
        ).to_arrow_table()
        bounds = connection.execute(
            f"SELECT {', '.join(_age(limit[b]) for limit in found for b in ('buy_bottom', 'buy_fifth'))}"
        ).fetchone()
    assert bounds is not None
    for variant, limit in enumerate(found):
        limit["buy_bottom"], limit["buy_fifth"] = bounds[2 * variant : 2 * variant + 2]
    listed = rows.to_pylist()
    for row in listed:
        for variant, top in enumerate(row.pop("tops") or [2**62] * variants):
            row[f"top{variant + 1}"] = top
    return Sample(listed, found)


def _age(instant: str | int) -> str:
    return f"(epoch_us({T}) - {instant}) / 86400e6"


TEXTS = {
    "buyers": "b >= {n}",
    "buyers-30": "b30 >= {n}",
    "buyers-90": "b90 >= {n}",
    "loyal": "b365 >= {n}",
    "big-30": "s30 >= {n_cents}",
    "big-90": "s90 >= {n_cents}",
    "big-365": "s365 >= {n_cents}",
    "big-ever": "s > {n_cents}",
    "lapsed-vip": "s365 >= {n_cents} and last_buy > {m}",
    "dearest": "m365 >= {n_cents}",
    "average": "k365 > 0 and s365 > {n_cents} * k365",
    "varied": "cats >= 3 and s >= {n_cents}",
    "shoes": "shoes >= {n}",
    "munich": "munich >= {n_cents}",
    "store": "store == 'munich' and ltv >= {n_cents}",
    "new": "first >= 0 and first < {n}",
    "quiet": "last_buy < 0 or last_buy >= {n}",
    "never": "last_buy < 0 and ltv >= {n_cents}",
    "openers": "o30 >= {n}",
    "openers-90": "o90 >= {n}",
    "clickers": "c30 >= {n}",
    "clickers-90": "c90 >= {n}",
    "asleep": "last_open > {n} and consented_email",
    "rate": "o90 > 0 and c90 / o90 > {n}",
    "visitors": "v7 >= {n}",
    "visitors-30": "v30 >= {n}",
    "pricing": "pricing >= {n}",
    "gone": "last_view > {n}",
    "carts": "a7 >= {n}",
    "abandoned": "a30 >= {n} and b30 == 0",
    "top-10": "s365 >= {s365_top}",
    "top-1": "s >= {s_top}",
    "top-500": "s >= {s_first}",
    "bottom-5": "last_buy >= 0 and last_buy <= {buy_bottom!r}",
    "recent": "last_buy >= 0 and last_buy <= {buy_fifth!r} and ltv >= {n_cents}",
    "frequent": "b365 > {b_fifth} and ltv >= {n_cents}",
    "ltv-top-7": "ltv >= {ltv_top}",
    "country-top": "ltv >= top{place}",
    "score-5": "score > {score_fifth} and ltv >= {n_cents}",
    "germans": "country in ['de', 'at'] and ltv >= {n_cents}",
    "moved": "country != '' and moved != country and ltv >= {n_cents}",
    "town": "(city =~ 'm.*' or 'stras' in city) and score >= {n_micros}",
    "birthday": "birthday >= 302 and birthday <= 301 + {n}",
    "joined": "signed_up >= 0 and signed_up < {n}",
    "firms": "employees >= {n_micros} and employees < {m_micros}",
    "sporty": "('sport' in interests or 'hats' in interests) and ltv >= {n_cents}",
    "campaign": "consented_email and not suppressed and not ('newsletter:spring' in in_lists)"
    " and score >= {n_micros}",
    "scored": "score >= {n_micros} and score <= {m_micros}",
    "best": "({top-10}) and not ({lapsed-vip}) and (vip or ({recent}))",
    "rest": "not ({best}) and not ({quiet}) and ({buyers})",
}


def by_rule_engine(given: Sample, variants: int) -> Found:
    """Each row, each rule, with `rule-engine`."""
    import rule_engine

    texts: dict[str, str] = {}
    for form, variant, id_ in names(variants):
        others = {name: texts[name + suffix(variant)] for name in TEXTS if name + suffix(variant) in texts}
        texts[id_] = TEXTS[form].format(**numbers(form, variant) | given.limits[variant] | others)
    compiled = {id_: rule_engine.Rule(text).matches for id_, text in texts.items()}
    return _asked(given.rows, compiled)


def by_json_logic(given: Sample, variants: int) -> Found:
    """Each row, each rule, with `json-logic`."""
    from json_logic import jsonLogic

    from tests.benchmarks.evaluation.json_rules import FORMS

    trees: dict[str, Any] = {}
    for form, variant, id_ in names(variants):
        others = {name: trees[name + suffix(variant)] for name in FORMS if name + suffix(variant) in trees}
        written = {
            name: float(value) if name in "nm" else value for name, value in numbers(form, variant).items()
        }
        trees[id_] = FORMS[form](written | given.limits[variant] | others)

    def asking(tree: Any) -> Callable[[Row], object]:
        return lambda row: jsonLogic(tree, row)

    return _asked(given.rows, {id_: asking(tree) for id_, tree in trees.items()})


def _asked(rows: list[Row], rules: dict[str, Callable[[Row], object]]) -> Found:
    found: dict[str, list[int]] = {id_: [] for id_ in rules}
    asked = [(rule, found[id_]) for id_, rule in rules.items()]
    before = time.process_time()
    for row in rows:
        for rule, members in asked:
            if rule(row):
                members.append(row["person"])
    spent = time.process_time() - before
    return {id_: BitMap(members) for id_, members in found.items()}, spent
