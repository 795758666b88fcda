"""The fifty rules as somebody fluent in DuckDB would write them for these very files: the measure for the
engine. One pass per kind and band, FILTERs inside, percentiles by one pass, one projection, bitmaps."""

from __future__ import annotations

import duckdb
import numpy as np
from pyroaring import BitMap

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
    CREATE TEMP TABLE ranked AS SELECT country__ci country, ltv, score, coalesce(s365, 0) s365,
        coalesce(s, 0) s, coalesce(n365, 0) b365, last last_buy
    FROM '{people}' p LEFT JOIN buy_long ON buy_long.person = p.person"""

_CLICKED, _OPENED = "(c90 * 1000000 / 1e6)", "nullif(o90 * 1000000 / 1e6, 0)"
CONDITIONS = {
    "buyers": "b >= 1",
    "buyers-30": "b30 >= 1",
    "buyers-90": "b90 >= 2",
    "loyal": "b365 >= 4",
    "big-30": "s30 >= 5000",
    "big-90": "s90 >= 10000",
    "big-365": "s365 >= 20000",
    "big-ever": "s > 49990",
    "lapsed-vip": f"s365 >= 15000 AND last_buy < {T} - INTERVAL 1440 HOUR",
    "dearest": "m365 >= 10000",
    "average": "avg_sum > 3999 * k365",
    "varied": "cats >= 3",
    "shoes": "shoes >= 2",
    "munich": "munich >= 10000",
    "store": "store = 'munich'",
    "new": f"first > {T} - INTERVAL 720 HOUR",
    "quiet": f"NOT coalesce(last_buy > {T} - INTERVAL 4320 HOUR, false)",
    "never": "last_buy IS NULL",
    "openers": "o30 >= 3",
    "openers-90": "o90 >= 5",
    "clickers": "c30 >= 1",
    "clickers-90": "c90 >= 2",
    "asleep": f"last_open < {T} - INTERVAL 4320 HOUR AND consented_email",
    "rate": f"{_CLICKED} / {_OPENED} > 0.5::DOUBLE",
    "visitors": "v7 >= 2",
    "visitors-30": "v30 >= 5",
    "pricing": "pricing >= 2",
    "gone": f"last_view < {T} - INTERVAL 2160 HOUR",
    "carts": "a7 >= 1",
    "abandoned": "a30 >= 1 AND b30 = 0",
    "top-10": "s365 >= {s365_top}",
    "top-1": "s >= {s_top}",
    "top-500": "s >= {s_500}",
    "bottom-5": "last_buy >= make_timestamptz({buy_bottom})",
    "recent": "last_buy >= make_timestamptz({buy_first})",
    "frequent": "b365 > {b_fifth}",
    "ltv-top-7": "ltv >= {ltv_top}",
    "country-top": "ltv >= country_top",
    "score-5": "score > {score_fifth}",
    "germans": "country IN ('de', 'at')",
    "moved": "country IS NOT NULL AND NOT coalesce(moved = country, false)",
    "town": "starts_with(city, 'm') OR contains(city, 'stras')",
    "birthday": "month(birthday) = 3 AND day(birthday) BETWEEN 2 AND 8",
    "joined": f"signed_up > {T} - INTERVAL 720 HOUR AND signed_up <= {T}",
    "firms": "employees >= 200000000 AND employees < 1000000000",
    "sporty": "list_has_any(interests, ['sport', 'hats'])",
    "campaign": "consented_email AND NOT suppressed AND NOT list_contains(in_lists, 'newsletter:spring')",
    "test-group": "md5('spring-test:' || p.person::VARCHAR) < '1999999a'",
}
_BEST = "({top-10}) AND NOT coalesce({lapsed-vip}, false) AND (vip OR ({recent}))"


def by_hand(connection: duckdb.DuckDBPyConnection, world: World) -> dict[str, BitMap]:
    """The members of all fifty segments."""
    files = {
        name: world.activity_file(name)
        for name in ("purchase", "email_open", "email_click", "page_view", "cart_add")
    }
    names = []
    for name, select in FEATURES.items():
        connection.execute(f"CREATE TEMP TABLE {name} AS {select.format(**files)}")
        names.append(name)
    connection.execute(WIDE.format(people=world.people_file))
    connection.execute(RANKED.format(people=world.people_file))
    limits = _limits(connection)
    conditions = dict(CONDITIONS)
    best = _BEST.replace("{", "{{").replace("}", "}}")
    for used in ("top-10", "lapsed-vip", "recent"):
        best = best.replace("{{" + used + "}}", conditions[used])
    conditions["best"] = best
    conditions["rest"] = f"NOT coalesce({best}, false) AND NOT ({conditions['quiet']}) AND b >= 1"
    columns = ", ".join(
        f'coalesce({sql.format(**limits)}, false) AS "{name}"' for name, sql in conditions.items()
    )
    table = connection.sql(
        f"SELECT p.person, {columns} FROM wide p LEFT JOIN tops ON tops.land = p.country"
    ).to_arrow_table()
    people = table["person"].to_numpy().astype(np.uint32)
    members = {name: BitMap(people[table[name].to_numpy()]) for name in conditions}
    connection.execute("DROP VIEW wide")
    for name in (*names, "ranked", "tops"):
        connection.execute(f"DROP TABLE {name}")
    return members


def _limits(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Thresholds. quantile_disc takes a float: half a step off the rank keeps it from rounding."""
    found = connection.execute(
        "SELECT count(*), count(last_buy), count(score), count(ltv) FROM ranked"
    ).fetchone()
    assert found is not None
    everyone, buyers, scored, valued = found

    def rank(index: int, population: int) -> str:
        return f"{(index + 0.5) / population!r}"

    row = connection.execute(
        f"""SELECT quantile_disc(s365, {rank(everyone - -(-everyone // 10), everyone)}),
            quantile_disc(s, [{rank(everyone - -(-everyone // 100), everyone)},
                {rank(everyone - 500, everyone)}]),
            quantile_disc(epoch_us(last_buy), [{rank(buyers - -(-buyers // 20), buyers)},
                {rank(buyers - -(-buyers // 5), buyers)}]),
            quantile_disc(b365, {rank(-(-4 * everyone // 5) - 1, everyone)}),
            quantile_disc(ltv, {rank(valued - -(-valued * 7 // 100), valued)}),
            quantile_disc(score, {rank(-(-4 * scored // 5) - 1, scored)}) FROM ranked"""
    ).fetchone()
    assert row is not None
    connection.execute(
        """CREATE TEMP TABLE tops AS SELECT country AS land,
            list_sort(list(ltv), 'DESC')[(count(*) + 9) // 10] AS country_top
        FROM ranked WHERE country IS NOT NULL GROUP BY country"""
    )
    (s_top, s_500), (buy_bottom, buy_first) = row[1], row[2]
    return {
        "s365_top": row[0],
        "s_top": s_top,
        "s_500": s_500,
        "buy_bottom": buy_bottom,
        "buy_first": buy_first,
        "b_fifth": row[3],
        "ltv_top": row[4],
        "score_fifth": row[5],
    }
