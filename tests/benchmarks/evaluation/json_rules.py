"""The fifty forms as trees of JsonLogic, over the rows that `per_row` makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Tree = Any
Given = dict[str, Any]


def _is(name: str, operator: str, value: Tree) -> Tree:
    return {operator: [{"var": name}, value]}


def _all(*parts: Tree) -> Tree:
    return {"and": list(parts)}


def _least(name: str, bound: str) -> Callable[[Given], Tree]:
    return lambda x: _is(name, ">=", x[bound])


def _worth(x: Given) -> Tree:
    return _is("ltv", ">=", x["n_cents"])


_CITY = {"or": [{"===": [{"substr": [{"var": "city"}, 0, 1]}, "m"]}, {"in": ["stras", {"var": "city"}]}]}
_SPORTY = {"or": [{"in": [name, {"var": "interests"}]} for name in ("sport", "hats")]}
_REACHABLE = _all(
    {"var": "consented_email"},
    {"!": [{"var": "suppressed"}]},
    {"!": [{"in": ["newsletter:spring", {"var": "in_lists"}]}]},
)

FORMS: dict[str, Callable[[Given], Tree]] = {
    "buyers": _least("b", "n"),
    "buyers-30": _least("b30", "n"),
    "buyers-90": _least("b90", "n"),
    "loyal": _least("b365", "n"),
    "big-30": _least("s30", "n_cents"),
    "big-90": _least("s90", "n_cents"),
    "big-365": _least("s365", "n_cents"),
    "big-ever": lambda x: _is("s", ">", x["n_cents"]),
    "lapsed-vip": lambda x: _all(_is("s365", ">=", x["n_cents"]), _is("last_buy", ">", x["m"])),
    "dearest": _least("m365", "n_cents"),
    "average": lambda x: _all(_is("k365", ">", 0), _is("s365", ">", {"*": [x["n_cents"], {"var": "k365"}]})),
    "varied": lambda x: _all(_is("cats", ">=", 3), _is("s", ">=", x["n_cents"])),
    "shoes": _least("shoes", "n"),
    "munich": _least("munich", "n_cents"),
    "store": lambda x: _all(_is("store", "===", "munich"), _worth(x)),
    "new": lambda x: _all(_is("first", ">=", 0), _is("first", "<", x["n"])),
    "quiet": lambda x: {"or": [_is("last_buy", "<", 0), _is("last_buy", ">=", x["n"])]},
    "never": lambda x: _all(_is("last_buy", "<", 0), _worth(x)),
    "openers": _least("o30", "n"),
    "openers-90": _least("o90", "n"),
    "clickers": _least("c30", "n"),
    "clickers-90": _least("c90", "n"),
    "asleep": lambda x: _all(_is("last_open", ">", x["n"]), {"var": "consented_email"}),
    "rate": lambda x: _all(_is("o90", ">", 0), {">": [{"/": [{"var": "c90"}, {"var": "o90"}]}, x["n"]]}),
    "visitors": _least("v7", "n"),
    "visitors-30": _least("v30", "n"),
    "pricing": _least("pricing", "n"),
    "gone": lambda x: _is("last_view", ">", x["n"]),
    "carts": _least("a7", "n"),
    "abandoned": lambda x: _all(_is("a30", ">=", x["n"]), _is("b30", "===", 0)),
    "top-10": _least("s365", "s365_top"),
    "top-1": _least("s", "s_top"),
    "top-500": _least("s", "s_first"),
    "bottom-5": lambda x: _all(_is("last_buy", ">=", 0), _is("last_buy", "<=", x["buy_bottom"])),
    "recent": lambda x: _all(_is("last_buy", ">=", 0), _is("last_buy", "<=", x["buy_fifth"]), _worth(x)),
    "frequent": lambda x: _all(_is("b365", ">", x["b_fifth"]), _worth(x)),
    "ltv-top-7": _least("ltv", "ltv_top"),
    "country-top": lambda x: _is("ltv", ">=", {"var": f"top{x['place']}"}),
    "score-5": lambda x: _all(_is("score", ">", x["score_fifth"]), _worth(x)),
    "germans": lambda x: _all({"in": [{"var": "country"}, ["de", "at"]]}, _worth(x)),
    "moved": lambda x: _all(_is("country", "!==", ""), _is("moved", "!==", {"var": "country"}), _worth(x)),
    "town": lambda x: _all(_CITY, _is("score", ">=", x["n_micros"])),
    "birthday": lambda x: _all(_is("birthday", ">=", 302), _is("birthday", "<=", 301 + x["n"])),
    "joined": lambda x: _all(_is("signed_up", ">=", 0), _is("signed_up", "<", x["n"])),
    "firms": lambda x: _all(_is("employees", ">=", x["n_micros"]), _is("employees", "<", x["m_micros"])),
    "sporty": lambda x: _all(_SPORTY, _worth(x)),
    "campaign": lambda x: _all(_REACHABLE, _is("score", ">=", x["n_micros"])),
    "scored": lambda x: _all(_is("score", ">=", x["n_micros"]), _is("score", "<=", x["m_micros"])),
    "best": lambda x: _all(x["top-10"], {"!": [x["lapsed-vip"]]}, {"or": [{"var": "vip"}, x["recent"]]}),
    "rest": lambda x: _all({"!": [x["best"]]}, {"!": [x["quiet"]]}, x["buyers"]),
}
