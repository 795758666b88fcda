"""One rich vocabulary that the tests of the language and of the engines share."""

from __future__ import annotations

from types import MappingProxyType

from rules.vocabulary import Field, Kind, Place, Record, Type, Vocabulary


def _fields(**types: Type) -> dict[str, Field]:
    return {name: Field(name=name, type=type_) for name, type_ in types.items()}


PEOPLE_FIELDS: dict[str, Field] = {
    **_fields(
        country=Type.TEXT,
        city=Type.TEXT,
        first_name=Type.TEXT,
        birthday=Type.DATE,
        signed_up=Type.DATETIME,
        ltv=Type.MONEY,
        score=Type.NUMBER,
        vip=Type.BOOLEAN,
        interests=Type.TEXTS,
        last_order_country=Type.TEXT,
        cluster=Type.TEXT,
        latitude=Type.NUMBER,
    ),
    "shop.longitude": Field("shop.longitude", Type.NUMBER),
    "company.employees": Field("company.employees", Type.NUMBER),
    "company.revenue": Field("company.revenue", Type.MONEY),
    "hubspot-eu.lifecyclestage": Field("hubspot-eu.lifecyclestage", Type.TEXT),
}

KINDS: dict[str, Kind] = {
    "purchase": Kind(
        "purchase",
        _fields(
            amount=Type.MONEY,
            sku=Type.TEXT,
            category=Type.TEXT,
            store=Type.TEXT,
            quantity=Type.NUMBER,
            gift=Type.BOOLEAN,
        ),
    ),
    "email_open": Kind("email_open", _fields(campaign=Type.TEXT)),
    "email_click": Kind("email_click", _fields(campaign=Type.TEXT, url=Type.TEXT)),
    "page_view": Kind("page_view", _fields(page=Type.TEXT)),
    "cart_add": Kind("cart_add", _fields(sku=Type.TEXT)),
}

_DEAL = _fields(deal=Type.TEXT, amount=Type.MONEY, stage=Type.TEXT, closes=Type.DATE)
DEAL_KINDS = ("deal_open", "deal_won", "deal_lost")
KINDS |= {name: Kind(name, _DEAL) for name in DEAL_KINDS}
RECORDS = {"deal": Record("deal", _DEAL, key="deal", kinds=DEAL_KINDS)}

VOCABULARY = Vocabulary(
    fields=MappingProxyType(PEOPLE_FIELDS),
    kinds=MappingProxyType(KINDS),
    places=MappingProxyType({"location": Place("location", "latitude", "shop.longitude")}),
    records=MappingProxyType(RECORDS),
    lists=frozenset({"newsletter:Spring"}),
    currency="EUR",
    zone="Europe/Berlin",
    connections=MappingProxyType(
        {
            "hubspot-eu": frozenset({"list"}),
            "newsletter": frozenset({"tag", "field"}),
        }
    ),
)
