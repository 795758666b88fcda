"""A query per rule, as a team keeps them in its warehouse: each reads only the kinds and windows it needs.

Segments of segments read what was found of the others, as a scheduler would run them one after the other.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from pyroaring import BitMap

from tests.benchmarks.evaluation.rules import names, numbers
from tests.benchmarks.evaluation.sets import bitmap
from tests.benchmarks.generator import SHARES, World

T = "TIMESTAMPTZ '2026-03-02 09:00:00+00'"


def _of(kind: str, days: int | None, having: str, where: str = "TRUE") -> str:
    """The people whose activity of a kind within so many days comes to something."""
    since = "TRUE" if days is None else f"e.at > {T} - INTERVAL {days * 24} HOUR"
    return (
        f"SELECT person FROM '{{{kind}}}' e WHERE person IS NOT NULL AND e.at <= {T} AND {since} AND {where}"
        f" GROUP BY person HAVING {having}"
    )


def _who(where: str) -> str:
    """The people of whom something is true."""
    return f"SELECT person FROM '{{people}}' WHERE {where}"


def _among(query: str, where: str) -> str:
    """Those of a query of whom something is true besides."""
    return _who(f"person IN ({query}) AND {where}")


def _without(query: str, where: str = "TRUE") -> str:
    return _who(f"person NOT IN ({query}) AND {where}")


_BOUGHT = f"""SELECT p.person, p.ltv, b.n, coalesce(b.total, 0) AS total FROM '{{people}}' p LEFT JOIN (
    SELECT person, count(*) AS n, sum(amount) AS total FROM '{{purchase}}' e
    WHERE person IS NOT NULL AND e.at <= {T} %s GROUP BY person) b ON b.person = p.person"""
_YEAR = _BOUGHT % f"AND e.at > {T} - INTERVAL {365 * 24} HOUR"
_EVER = _BOUGHT % ""
_LATEST = f"""SELECT person, max(e.at) AS latest FROM '{{purchase}}' e
    WHERE person IS NOT NULL AND e.at <= {T} GROUP BY person"""


def _top(source: str, order: str, by: str = "") -> str:
    """Those of whom fewer than {n} % have a greater value."""
    return (
        f"SELECT person FROM (SELECT *, rank() OVER ({by} ORDER BY {order}) - 1 AS above,"
        f" count(*) OVER ({by}) AS everyone FROM ({source})) WHERE above * 100 < {{n}} * everyone"
    )


def _fifth(source: str, order: str) -> str:
    """Those of whom at least four fifths have a lesser value."""
    return (
        f"SELECT person FROM (SELECT *, rank() OVER (ORDER BY {order}) - 1 AS below,"
        f" count(*) OVER () AS everyone FROM ({source})) WHERE below >= (4 * everyone + 4) // 5"
    )


QUERIES = {
    "buyers": _of("purchase", None, "count(*) >= {n}"),
    "buyers-30": _of("purchase", 30, "count(*) >= {n}"),
    "buyers-90": _of("purchase", 90, "count(*) >= {n}"),
    "loyal": _of("purchase", 365, "count(*) >= {n}"),
    "big-30": _of("purchase", 30, "sum(amount) >= {n_cents}"),
    "big-90": _of("purchase", 90, "sum(amount) >= {n_cents}"),
    "big-365": _of("purchase", 365, "sum(amount) >= {n_cents}"),
    "big-ever": _of("purchase", None, "sum(amount) > {n_cents}"),
    "lapsed-vip": _of(
        "purchase", 365, f"sum(amount) >= {{n_cents}} AND max(e.at) < {T} - INTERVAL ({{m}} * 24) HOUR"
    ),
    "dearest": _of("purchase", 365, "max(amount) >= {n_cents}"),
    "average": _of("purchase", 365, "sum(amount) > {n_cents} * count(amount)"),
    "varied": _of(
        "purchase",
        None,
        f"""count(DISTINCT category__ci) FILTER (WHERE e.at > {T} - INTERVAL {365 * 24} HOUR) >= 3
        AND sum(amount) >= {{n_cents}}""",
    ),
    "shoes": _of("purchase", 90, "count(*) >= {n}", "category__ci = 'shoes'"),
    "munich": _of("purchase", 365, "sum(amount) >= {n_cents}", "store__ci = 'munich'"),
    "store": _among(_of("purchase", None, "arg_max(store__ci, e.at) = 'munich'"), "ltv >= {n_cents}"),
    "new": _of("purchase", None, f"min(e.at) > {T} - INTERVAL ({{n}} * 24) HOUR"),
    "quiet": _without(_of("purchase", None, "TRUE", f"e.at > {T} - INTERVAL ({{n}} * 24) HOUR")),
    "never": _without(_of("purchase", None, "TRUE"), "ltv >= {n_cents}"),
    "openers": _of("email_open", 30, "count(*) >= {n}"),
    "openers-90": _of("email_open", 90, "count(*) >= {n}"),
    "clickers": _of("email_click", 30, "count(*) >= {n}"),
    "clickers-90": _of("email_click", 90, "count(*) >= {n}"),
    "asleep": _among(
        _of("email_open", None, f"max(e.at) < {T} - INTERVAL ({{n}} * 24) HOUR"), "consented_email"
    ),
    "rate": "SELECT c.person FROM ("
    + _of("email_click", 90, "TRUE").replace("SELECT person", "SELECT person, count(*) AS n")
    + ") c JOIN ("
    + _of("email_open", 90, "TRUE").replace("SELECT person", "SELECT person, count(*) AS n")
    + ") o ON o.person = c.person WHERE c.n::DOUBLE / o.n::DOUBLE > {n}::DOUBLE",
    "visitors": _of("page_view", 7, "count(*) >= {n}"),
    "visitors-30": _of("page_view", 30, "count(*) >= {n}"),
    "pricing": _of("page_view", 30, "count(*) >= {n}", "starts_with(page__ci, '/pricing')"),
    "gone": _of("page_view", None, f"max(e.at) < {T} - INTERVAL ({{n}} * 24) HOUR"),
    "carts": _of("cart_add", 7, "count(*) >= {n}"),
    "abandoned": _of("cart_add", 30, "count(*) >= {n}") + " EXCEPT " + _of("purchase", 30, "TRUE"),
    "top-10": _top(_YEAR, "total DESC"),
    "top-1": _top(_EVER, "total DESC"),
    "top-500": f"SELECT person FROM (SELECT person, rank() OVER (ORDER BY total DESC) r FROM ({_EVER}))"
    " WHERE r <= {n}",
    "bottom-5": _top(_LATEST, "latest DESC"),
    "recent": _among(
        f"SELECT person FROM (SELECT person, rank() OVER (ORDER BY latest DESC) - 1 AS above,"
        f" count(*) OVER () AS everyone FROM ({_LATEST})) WHERE above < (everyone + 4) // 5",
        "ltv >= {n_cents}",
    ),
    "frequent": _among(
        _fifth(_YEAR.replace("p.ltv, b.n,", "p.ltv, coalesce(b.n, 0) AS n,"), "n"), "ltv >= {n_cents}"
    ),
    "ltv-top-7": _top(_who("ltv IS NOT NULL").replace("SELECT person", "SELECT person, ltv"), "ltv DESC"),
    "country-top": _top(
        _who("country__ci IS NOT NULL").replace("SELECT person", "SELECT person, ltv, country__ci"),
        "ltv DESC",
        by="PARTITION BY country__ci",
    ),
    "score-5": _among(
        _fifth(_who("score IS NOT NULL").replace("SELECT person", "SELECT person, score"), "score"),
        "ltv >= {n_cents}",
    ),
    "germans": _who("country__ci IN ('de', 'at') AND ltv >= {n_cents}"),
    "moved": _who(
        "country__ci IS NOT NULL AND last_order_country__ci IS DISTINCT FROM country__ci AND ltv >= {n_cents}"
    ),
    "town": _who("(starts_with(city__ci, 'm') OR contains(city__ci, 'stras')) AND score >= {n_micros}"),
    "birthday": _who(
        "strftime(birthday, '%m%d') BETWEEN '0302' AND strftime(DATE '2026-03-01' + {n}::INTEGER, '%m%d')"
    ),
    "joined": _who(f"signed_up > {T} - INTERVAL ({{n}} * 24) HOUR AND signed_up <= {T}"),
    "firms": _who('"company.employees" >= {n_micros} AND "company.employees" < {m_micros}'),
    "sporty": _who("list_has_any(interests__ci, ['sport', 'hats']) AND ltv >= {n_cents}"),
    "campaign": _who(
        "consented_email AND NOT suppressed AND NOT list_contains(in_lists, 'newsletter:spring')"
        " AND score >= {n_micros}"
    ),
    "scored": _who("score BETWEEN {n_micros} AND {m_micros}"),
    "best": _who(
        'person IN (FROM "top-10{v}") AND person NOT IN (FROM "lapsed-vip{v}")'
        ' AND (vip OR person IN (FROM "recent{v}"))'
    ),
    "rest": 'SELECT person FROM "buyers{v}" EXCEPT (FROM "best{v}" UNION ALL FROM "quiet{v}")',
}


def one_by_one(connection: duckdb.DuckDBPyConnection, world: World, variants: int) -> dict[str, BitMap]:
    """The members of all segments."""
    files = {"people": world.people_file} | {kind: world.activity_file(kind) for kind in SHARES}
    members: dict[str, BitMap] = {}
    kept: list[str] = []
    for form, variant, id_ in names(variants):
        query = QUERIES[form].format(**files, **numbers(form, variant))
        people = connection.sql(query).to_arrow_table()["person"].to_numpy()
        members[id_] = bitmap(np.sort(people))
        if form in ("top-10", "lapsed-vip", "recent", "best", "quiet", "buyers"):
            connection.register(id_, pa.table({"person": people}))
            kept.append(id_)
    for id_ in kept:
        connection.unregister(id_)
    return members
