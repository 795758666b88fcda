"""The rules as somebody fluent in DuckDB would write them for these very files: the measure for the engine.

One pass per kind and band, FILTERs inside, percentiles by one pass, one projection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from pyroaring import BitMap

from tests.benchmarks.evaluation.rules import names, numbers, suffix
from tests.benchmarks.evaluation.sets import sets
from tests.benchmarks.generator import World

T = "TIMESTAMPTZ '2026-03-02 09:00:00+00'"


def _from(days: int) -> str:
    return f"e.at > {T} - INTERVAL {days * 24} HOUR"


FEATURES = {
    "buy_short": f"""
        SELECT person, count(*) FILTER (WHERE {_from(30)}) n30, count(*) n90,
            sum(amount) FILTER (WHERE {_from(30)}) s30, sum(amount) s90,
            count(*) FILTER (WHERE category__ci = 'shoes') shoes
        FROM '{{purchase}}' e WHERE {_from(90)} AND e.at <= {T} AND person IS NOT NULL GROUP BY person""",
    "buy_long": f"""
        SELECT person, count(*) n, count(*) FILTER (WHERE {_from(365)}) n365, sum(amount) s,
            sum(amount) FILTER (WHERE {_from(365)}) s365, count(amount) FILTER (WHERE {_from(365)}) k365,
            max(amount) FILTER (WHERE {_from(365)}) m365, min(e.at) first, max(e.at) last,
            count(DISTINCT category__ci) FILTER (WHERE {_from(365)}) cats,
            sum(amount) FILTER (WHERE {_from(365)} AND store__ci = 'munich') munich,
            arg_max(store__ci, e.at) store
        FROM '{{purchase}}' e WHERE e.at <= {T} AND person IS NOT NULL GROUP BY person""",
    "open_short": f"""
        SELECT person, count(*) FILTER (WHERE {_from(30)}) n30, count(*) n90
        FROM '{{email_open}}' e WHERE {_from(90)} AND e.at <= {T} AND person IS NOT NULL GROUP BY person""",
    "open_long": f"""
        SELECT person, max(e.at) last FROM '{{email_open}}' e
        WHERE e.at <= {T} AND person IS NOT NULL GROUP BY person""",
    "click_short": f"""
        SELECT person, count(*) FILTER (WHERE {_from(30)}) n30, count(*) n90
        FROM '{{email_click}}' e WHERE {_from(90)} AND e.at <= {T} AND person IS NOT NULL GROUP BY person""",
    "view_short": f"""
        SELECT person, count(*) FILTER (WHERE {_from(7)}) n7, count(*) n30,
            count(*) FILTER (WHERE starts_with(page__ci, '/pricing')) pricing
        FROM '{{page_view}}' e WHERE {_from(30)} AND e.at <= {T} AND person IS NOT NULL GROUP BY person""",
    "view_long": f"""
        SELECT person, max(e.at) last FROM '{{page_view}}' e
        WHERE e.at <= {T} AND person IS NOT NULL GROUP BY person""",
    "cart_short": f"""
        SELECT person, count(*) FILTER (WHERE {_from(7)}) n7, count(*) n30
        FROM '{{cart_add}}' e WHERE {_from(30)} AND e.at <= {T} AND person IS NOT NULL GROUP BY person""",
}

JOINED = "'{people}' p " + " ".join(f"LEFT JOIN {name} ON {name}.person = p.person" for name in FEATURES)

WIDE = f"""
    CREATE TEMP VIEW wide AS SELECT p.person, country__ci country, city__ci city,
        last_order_country__ci moved, birthday, signed_up, ltv, score, vip, "company.employees" employees,
        interests__ci interests, suppressed, consented_email, in_lists,
        coalesce(buy_short.n30, 0) b30, coalesce(buy_short.n90, 0) b90, coalesce(s30, 0) s30,
        coalesce(s90, 0) s90,
        coalesce(shoes, 0) shoes, coalesce(n, 0) b, coalesce(n365, 0) b365, coalesce(s, 0) s,
        coalesce(s365, 0) s365, buy_long.s365 avg_sum, k365, m365, first, buy_long.last last_buy, cats,
        coalesce(munich, 0) munich, store, coalesce(open_short.n30, 0) o30, coalesce(open_short.n90, 0) o90,
        open_long.last last_open, coalesce(click_short.n30, 0) c30, coalesce(click_short.n90, 0) c90,
        coalesce(view_short.n7, 0) v7, coalesce(view_short.n30, 0) v30, coalesce(pricing, 0) pricing,
        view_long.last last_view, coalesce(cart_short.n7, 0) a7, coalesce(cart_short.n30, 0) a30
    FROM {JOINED}"""

RANKED = """
    CREATE TEMP TABLE ranked AS SELECT country__ci country, ltv, coalesce(s365, 0) s365, score,
        coalesce(s, 0) s, coalesce(n365, 0) b365, last last_buy
    FROM '{people}' p LEFT JOIN buy_long ON buy_long.person = p.person"""

CONDITIONS = {
    "buyers": "b >= {n}",
    "buyers-30": "b30 >= {n}",
    "buyers-90": "b90 >= {n}",
    "loyal": "b365 >= {n}",
    "big-30": "s30 >= {n_cents}",
    "big-90": "s90 >= {n_cents}",
    "big-365": "s365 >= {n_cents}",
    "big-ever": "s > {n_cents}",
    "lapsed-vip": f"s365 >= {{n_cents}} AND last_buy < {T} - INTERVAL ({{m}} * 24) HOUR",
    "dearest": "m365 >= {n_cents}",
    "average": "avg_sum > {n_cents} * k365",
    "varied": "cats >= 3 AND s >= {n_cents}",
    "shoes": "shoes >= {n}",
    "munich": "munich >= {n_cents}",
    "store": "store = 'munich' AND ltv >= {n_cents}",
    "new": f"first > {T} - INTERVAL ({{n}} * 24) HOUR",
    "quiet": f"(last_buy IS NULL OR last_buy <= {T} - INTERVAL ({{n}} * 24) HOUR)",
    "never": "last_buy IS NULL AND ltv >= {n_cents}",
    "openers": "o30 >= {n}",
    "openers-90": "o90 >= {n}",
    "clickers": "c30 >= {n}",
    "clickers-90": "c90 >= {n}",
    "asleep": f"last_open < {T} - INTERVAL ({{n}} * 24) HOUR AND consented_email",
    "rate": "c90::DOUBLE / nullif(o90, 0)::DOUBLE > {n}::DOUBLE",
    "visitors": "v7 >= {n}",
    "visitors-30": "v30 >= {n}",
    "pricing": "pricing >= {n}",
    "gone": f"last_view < {T} - INTERVAL ({{n}} * 24) HOUR",
    "carts": "a7 >= {n}",
    "abandoned": "a30 >= {n} AND b30 = 0",
    "top-10": "s365 >= {s365_top}",
    "top-1": "s >= {s_top}",
    "top-500": "s >= {s_first}",
    "bottom-5": "last_buy >= make_timestamptz({buy_bottom})",
    "recent": "last_buy >= make_timestamptz({buy_fifth}) AND ltv >= {n_cents}",
    "frequent": "b365 > {b_fifth} AND ltv >= {n_cents}",
    "ltv-top-7": "ltv >= {ltv_top}",
    "country-top": "ltv >= tops[{place}]",
    "score-5": "score > {score_fifth} AND ltv >= {n_cents}",
    "germans": "country IN ('de', 'at') AND ltv >= {n_cents}",
    "moved": "country IS NOT NULL AND (moved IS NULL OR moved <> country) AND ltv >= {n_cents}",
    "town": "(starts_with(city, 'm') OR contains(city, 'stras')) AND score >= {n_micros}",
    "birthday": "month(birthday) = 3 AND day(birthday) BETWEEN 2 AND 1 + {n}",
    "joined": f"signed_up > {T} - INTERVAL ({{n}} * 24) HOUR AND signed_up <= {T}",
    "firms": "employees >= {n_micros} AND employees < {m_micros}",
    "sporty": "list_has_any(interests, ['sport', 'hats']) AND ltv >= {n_cents}",
    "campaign": "consented_email AND NOT suppressed AND NOT list_contains(in_lists, 'newsletter:spring')"
    " AND score >= {n_micros}",
    "scored": "score BETWEEN {n_micros} AND {m_micros}",
}
FORMS_OF_FORMS = {
    "best": "({top-10}) AND NOT coalesce({lapsed-vip}, false) AND (vip OR ({recent}))",
    "rest": "NOT coalesce({best}, false) AND NOT {quiet} AND ({buyers})",
}


def by_hand(connection: duckdb.DuckDBPyConnection, world: World, variants: int) -> dict[str, BitMap]:
    """The members of all segments."""
    with prepared(connection, world):
        written = conditions(connection, variants)
        columns = ", ".join(f'coalesce({sql}, false) AS "{id_}"' for id_, sql in written.items())
        table = connection.sql(
            f"SELECT p.person, {columns} FROM wide p LEFT JOIN tops ON tops.land = p.country"
        ).to_arrow_table()
        return sets(table["person"].to_numpy(), {id_: table[id_].to_numpy() for id_ in written})


@contextmanager
def prepared(connection: duckdb.DuckDBPyConnection, world: World) -> Iterator[None]:
    """The features, as the view `wide`, and `ranked` to find limits in."""
    files = {
        name: world.activity_file(name)
        for name in ("purchase", "email_open", "email_click", "page_view", "cart_add")
    }
    for name, select in FEATURES.items():
        connection.execute(f"CREATE TEMP TABLE {name} AS {select.format(**files)}")
    connection.execute(WIDE.format(people=world.people_file))
    connection.execute(RANKED.format(people=world.people_file))
    yield
    connection.execute("DROP VIEW wide")
    for name in (*FEATURES, "ranked"):
        connection.execute(f"DROP TABLE {name}")
    connection.execute("DROP TABLE IF EXISTS tops")


def conditions(connection: duckdb.DuckDBPyConnection, variants: int) -> dict[str, str]:
    """The WHERE of every segment over `wide` and `tops`."""
    found = limits(connection, variants)
    written: dict[str, str] = {}
    for form, variant, id_ in names(variants):
        if form in FORMS_OF_FORMS:
            others = {name: written[name + suffix(variant)] for name in CONDITIONS if name in WITHIN}
            if form == "rest":
                others["best"] = written["best" + suffix(variant)]
            written[id_] = FORMS_OF_FORMS[form].format(**others)
        else:
            written[id_] = CONDITIONS[form].format(**numbers(form, variant), **found[variant])
    return written


WITHIN = ("top-10", "lapsed-vip", "recent", "quiet", "buyers")


def limits(connection: duckdb.DuckDBPyConnection, variants: int) -> list[dict[str, str | int]]:
    """The thresholds of each variant, and the place of its own in `tops`, which is made here. quantile_disc
    takes a float: half a step off the rank keeps it from rounding."""
    counted = connection.execute(
        "SELECT count(*), count(last_buy), count(score), count(ltv) FROM ranked"
    ).fetchone()
    assert counted is not None
    everyone, buyers, scored, valued = counted

    def shares(form: str, population: int) -> list[int]:
        each = [int(numbers(form, variant)["n"]) for variant in range(variants)]
        return [population - -(-population * share // 100) for share in each]

    def ranks(column: str, indexes: list[int], population: int) -> str:
        within = [max(0, min(population - 1, index)) for index in indexes]
        return f"quantile_disc({column}, [{', '.join(f'{(i + 0.5) / population!r}' for i in within)}])"

    firsts = [everyone - int(numbers("top-500", variant)["n"]) for variant in range(variants)]
    asked = {
        "s365_top": ranks("s365", shares("top-10", everyone), everyone),
        "s_top": ranks("s", shares("top-1", everyone), everyone),
        "s_first": ranks("s", firsts, everyone),
        "buy_bottom": ranks("epoch_us(last_buy)", shares("bottom-5", buyers), buyers),
        "buy_fifth": ranks("epoch_us(last_buy)", [buyers - -(-buyers // 5)], buyers),
        "b_fifth": ranks("b365", [-(-4 * everyone // 5) - 1], everyone),
        "ltv_top": ranks("ltv", shares("ltv-top-7", valued), valued),
        "score_fifth": ranks("score", [-(-4 * scored // 5) - 1], scored),
    }
    row = connection.execute(f"SELECT {', '.join(asked.values())} FROM ranked").fetchone()
    assert row is not None
    places = ", ".join(
        f"ltvs[(n * {numbers('country-top', variant)['n']} + 99) // 100]" for variant in range(variants)
    )
    connection.execute(
        f"""CREATE TEMP TABLE tops AS SELECT land, [{places}] tops FROM (
            SELECT country land, list_sort(list(ltv), 'DESC') ltvs, count(ltv) n
            FROM ranked WHERE country IS NOT NULL GROUP BY country)"""
    )
    found = dict(zip(asked, row, strict=True))
    return [
        {name: values[min(variant, len(values) - 1)] for name, values in found.items()}
        | {"place": variant + 1}
        for variant in range(variants)
    ]
