"""The same rules as a data analyst writes them in pandas: read what is needed, group once per window,
compare.

Whole columns all the way, no loop over rows. Windows are cut from one frame per kind, newest last.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pyroaring import BitMap

from tests.benchmarks.evaluation.rules import names, numbers, suffix
from tests.benchmarks.evaluation.sets import bitmap
from tests.benchmarks.generator import AS_OF, World

Frame = Any
Numbers = dict[str, Any]
TEXTS = ["country__ci", "city__ci", "last_order_country__ci", "interests__ci", "in_lists"]
TIMES = ["birthday", "signed_up"]
NUMBERS = ["ltv", "score", "company.employees"]
TRUTHS = ["vip", "suppressed", "consented_email"]
BOUGHT = ["person", "at", "amount", "category__ci", "store__ci"]


def _ago(days: int) -> pd.Timestamp:
    return pd.Timestamp(AS_OF - dt.timedelta(days=days))


def _read(world: World, kind: str, columns: list[str], days: int | None = None) -> Frame:
    """The rows up to now, or of so many days."""
    filters: list[tuple[str, str, object]] = [("at", "<=", AS_OF)]
    if days is not None:
        filters.append(("at", ">", AS_OF - dt.timedelta(days=days)))
    rows = pd.read_parquet(world.activity_file(kind), columns=columns, filters=filters)
    rows = rows.dropna(subset=["person"])
    return rows.assign(person=rows["person"].astype("int32"))


def features(world: World) -> Frame:
    """A row per person: its facts and what it did."""
    people = pd.read_parquet(
        world.people_file, columns=["person", *TEXTS, *TIMES, *NUMBERS, *TRUTHS]
    ).set_index("person")
    people.columns = people.columns.str.removesuffix("__ci")
    bought = _read(world, "purchase", BOUGHT)
    year = bought[bought["at"] > _ago(365)]
    quarter = year[year["at"] > _ago(90)]
    month = quarter[quarter["at"] > _ago(30)]
    wide: dict[str, Frame] = {}
    for name, rows in (("", bought), ("365", year), ("90", quarter), ("30", month)):
        grouped = rows.groupby("person")
        wide[f"b{name}"] = grouped.size()
        wide[f"s{name}"] = grouped["amount"].sum()
    of_year = year.groupby("person")["amount"]
    wide["k365"], wide["m365"] = of_year.count(), of_year.max()
    times = bought.groupby("person")["at"]
    wide["first"], wide["last_buy"] = times.min(), times.max()
    kinds = year.dropna(subset=["category__ci"]).drop_duplicates(["person", "category__ci"])
    wide["cats"] = kinds.groupby("person").size()
    wide["shoes"] = quarter[quarter["category__ci"] == "shoes"].groupby("person").size()
    wide["munich"] = year[year["store__ci"] == "munich"].groupby("person")["amount"].sum()
    stores = bought.dropna(subset=["store__ci"]).sort_values("at")
    wide["store"] = stores.drop_duplicates("person", keep="last").set_index("person")["store__ci"]
    opened = _read(world, "email_open", ["person", "at"])
    wide["last_open"] = opened.groupby("person")["at"].max()
    _counted(wide, "o", opened, 90, 30)
    _counted(wide, "c", _read(world, "email_click", ["person", "at"], 90), 90, 30)
    viewed = _read(world, "page_view", ["person", "at"])
    wide["last_view"] = viewed.groupby("person")["at"].max()
    _counted(wide, "v", viewed, 30, 7)
    pages = _read(world, "page_view", ["person", "at", "page__ci"], 30)
    wide["pricing"] = pages[pages["page__ci"].str.startswith("/pricing")].groupby("person").size()
    _counted(wide, "a", _read(world, "cart_add", ["person", "at"], 30), 30, 7)
    for name, column in wide.items():
        found = column.reindex(people.index)
        whole = found.dtype.kind == "f" and name not in ("m365",)
        people[name] = found.fillna(0) if whole else found
    return people


def _counted(wide: dict[str, Frame], name: str, rows: Frame, *windows: int) -> None:
    for days in windows:
        rows = rows[rows["at"] > _ago(days)]
        wide[f"{name}{days}"] = rows.groupby("person").size()


def _known(column: Frame) -> Frame:
    return column.fillna(False).astype(bool)


def _top(values: Frame, percent: int, by: Frame | None = None) -> Frame:
    """Of whom fewer than so many percent have a greater value; equal values together."""
    if by is None:
        known = values.dropna()
        place = len(known) - -(-len(known) * percent // 100)
        return values >= np.partition(known.to_numpy(), place)[place]
    above = values.groupby(by).rank(method="min", ascending=False) - 1
    return above * 100 < percent * values.groupby(by).transform("size")


def _last_fifth(values: Frame) -> Frame:
    known = values.dropna().to_numpy()
    place = -(-4 * len(known) // 5) - 1
    return values > np.partition(known, place)[place]


FORMS: dict[str, Callable[[Frame, Numbers], Frame]] = {
    "buyers": lambda f, x: f["b"] >= x["n"],
    "buyers-30": lambda f, x: f["b30"] >= x["n"],
    "buyers-90": lambda f, x: f["b90"] >= x["n"],
    "loyal": lambda f, x: f["b365"] >= x["n"],
    "big-30": lambda f, x: f["s30"] >= x["n_cents"],
    "big-90": lambda f, x: f["s90"] >= x["n_cents"],
    "big-365": lambda f, x: f["s365"] >= x["n_cents"],
    "big-ever": lambda f, x: f["s"] > x["n_cents"],
    "lapsed-vip": lambda f, x: (f["s365"] >= x["n_cents"]) & (f["last_buy"] < _ago(x["m"])),
    "dearest": lambda f, x: f["m365"] >= x["n_cents"],
    "average": lambda f, x: (f["k365"] > 0) & (f["s365"] > x["n_cents"] * f["k365"]),
    "varied": lambda f, x: (f["cats"] >= 3) & (f["s"] >= x["n_cents"]),
    "shoes": lambda f, x: f["shoes"] >= x["n"],
    "munich": lambda f, x: f["munich"] >= x["n_cents"],
    "store": lambda f, x: (f["store"] == "munich") & (f["ltv"] >= x["n_cents"]),
    "new": lambda f, x: f["first"] > _ago(x["n"]),
    "quiet": lambda f, x: ~(f["last_buy"] > _ago(x["n"])),
    "never": lambda f, x: f["last_buy"].isna() & (f["ltv"] >= x["n_cents"]),
    "openers": lambda f, x: f["o30"] >= x["n"],
    "openers-90": lambda f, x: f["o90"] >= x["n"],
    "clickers": lambda f, x: f["c30"] >= x["n"],
    "clickers-90": lambda f, x: f["c90"] >= x["n"],
    "asleep": lambda f, x: (f["last_open"] < _ago(x["n"])) & f["consented"],
    "rate": lambda f, x: (f["o90"] > 0) & (f["c90"] / f["o90"] > float(x["n"])),
    "visitors": lambda f, x: f["v7"] >= x["n"],
    "visitors-30": lambda f, x: f["v30"] >= x["n"],
    "pricing": lambda f, x: f["pricing"] >= x["n"],
    "gone": lambda f, x: f["last_view"] < _ago(x["n"]),
    "carts": lambda f, x: f["a7"] >= x["n"],
    "abandoned": lambda f, x: (f["a30"] >= x["n"]) & (f["b30"] == 0),
    "top-10": lambda f, x: _top(f["s365"], x["n"]),
    "top-1": lambda f, x: _top(f["s"], x["n"]),
    "top-500": lambda f, x: f["s"] >= f["s"].nlargest(x["n"]).min(),
    "bottom-5": lambda f, x: _top(f["last_buy"], x["n"]),
    "recent": lambda f, x: _top(f["last_buy"], 20) & (f["ltv"] >= x["n_cents"]),
    "frequent": lambda f, x: _last_fifth(f["b365"]) & (f["ltv"] >= x["n_cents"]),
    "ltv-top-7": lambda f, x: _top(f["ltv"], x["n"]),
    "country-top": lambda f, x: _top(f["ltv"], x["n"], by=f["country"]),
    "score-5": lambda f, x: _last_fifth(f["score"]) & (f["ltv"] >= x["n_cents"]),
    "germans": lambda f, x: f["country"].isin(["de", "at"]) & (f["ltv"] >= x["n_cents"]),
    "moved": lambda f, x: f["moved"] & (f["ltv"] >= x["n_cents"]),
    "town": lambda f, x: f["in_town"] & (f["score"] >= x["n_micros"]),
    "birthday": lambda f, x: f["day_of_year"].between(302, 301 + x["n"]),
    "joined": lambda f, x: (f["signed_up"] > _ago(x["n"])) & (f["signed_up"] <= _ago(0)),
    "firms": lambda f, x: (
        (f["company.employees"] >= x["n_micros"]) & (f["company.employees"] < x["m_micros"])
    ),
    "sporty": lambda f, x: f["sporty"] & (f["ltv"] >= x["n_cents"]),
    "campaign": lambda f, x: f["reachable"] & (f["score"] >= x["n_micros"]),
    "scored": lambda f, x: f["score"].between(x["n_micros"], x["m_micros"]),
}


def _conditions(f: Frame) -> None:
    """What several rules ask of the facts, worked out once."""
    f["consented"] = _known(f["consented_email"])
    f["moved"] = f["country"].notna() & ~_known(f["last_order_country"] == f["country"])
    f["in_town"] = _known(f["city"].str.startswith("m") | f["city"].str.contains("stras", regex=False))
    birthday = pd.to_datetime(f["birthday"])
    f["day_of_year"] = birthday.dt.month * 100 + birthday.dt.day
    lists = f["interests"].explode()
    sporty = lists[lists.isin(["sport", "hats"])].index
    f["sporty"] = f.index.isin(sporty)
    spring = f["in_lists"].explode()
    spring = spring[spring == "newsletter:spring"].index
    f["reachable"] = f["consented"] & ~f["suppressed"] & ~f.index.isin(spring)


def in_frames(world: World, variants: int) -> dict[str, BitMap]:
    """The members of all segments."""
    f = features(world)
    _conditions(f)
    people = f.index.to_numpy()
    masks: dict[str, Frame] = {}
    for form, variant, id_ in names(variants):
        of = {other: masks.get(other + suffix(variant)) for other in ("top-10", "lapsed-vip", "recent")}
        if form == "best":
            masks[id_] = of["top-10"] & ~of["lapsed-vip"] & (f["vip"] | of["recent"])
        elif form == "rest":
            quiet, buyers = masks["quiet" + suffix(variant)], masks["buyers" + suffix(variant)]
            masks[id_] = ~masks["best" + suffix(variant)] & ~quiet & buyers
        else:
            given = numbers(form, variant)
            whole = {name: int(text) for name, text in given.items() if str(text).isdecimal()}
            masks[id_] = FORMS[form](f, given | whole)
    return {id_: bitmap(people[mask.to_numpy(dtype=bool)]) for id_, mask in masks.items()}
