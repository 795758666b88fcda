"""The facts that models give: their names, types and meanings. Pure data; what they are is in the lake."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rules.ruleset import CLUSTER
from rules.vocabulary import Field, Type
from sync.config.modelling import ClvSettings, ModelSettings, OffersSettings


@dataclass(frozen=True, slots=True)
class ClusterNames:
    """How a fact of a clustering is read anew: of the cluster whose id is in `column` of the lake's table
    `facts`, its name; nobody has the fact by an id without one."""

    column: str
    names: Mapping[int, str]


def facts_of(model: ModelSettings, *, currency: str, source: str) -> tuple[Field, ...]:
    """The facts of one model, in order. `source`: where they are from, in words."""
    facts = _FACTS[model.name]
    if isinstance(model, ClvSettings):
        facts = (_clv(model), _P_ALIVE)
    if isinstance(model, OffersSettings) and model.table is not None:
        facts = (*facts, _OFFER_VALUE)
    return tuple(
        Field(
            name=fact.name,
            type=fact.type,
            meaning=fact.meaning,
            unit=currency if fact.type is Type.MONEY else fact.unit,
            sources=(source,),
            model=model.name,
        )
        for fact in facts
    )


def facts_of_clusterings(ids: Sequence[str], *, taken: Collection[str]) -> dict[str, Field]:
    """`cluster.ID` of each clustering; of an only one `cluster`, too, unless that name is `taken`."""
    found = {}
    for id_ in ids:
        name = f"{CLUSTER}.{id_}"
        alone = (CLUSTER,) if len(ids) == 1 else ()
        for fact in (name, *alone):
            meaning = f"The accepted cluster that the person is in, of the clustering {id_}"
            known = Field(fact, Type.TEXT, meaning, sources=(f"clustering {id_}",), model=name)
            if fact not in taken:
                found[fact] = known
    return found


def of_clusterings(column: str) -> bool:
    """Whether a column of the lake's table `facts` is told by clusterings, or kept for them."""
    return column in (CLUSTER, f"{CLUSTER}__ci") or column.startswith(f"{CLUSTER}.")


def told_by(model: str, version: int | None) -> str:
    """Where a fact is from."""
    return f"model {model}, not in use" if version is None else f"model {model}, version {version}"


def _clv(model: ClvSettings) -> Field:
    return Field(
        f"clv_{model.months}m",
        Type.MONEY,
        f"What the person is expected to be worth in the next {model.months} months",
    )


_P_ALIVE = Field(
    "p_alive",
    Type.NUMBER,
    "How likely it is that the person still buys at all; missing for who ordered on one day only",
    "0 to 1",
)
_OFFER_VALUE = Field(
    "next_offer_value",
    Type.MONEY,
    "What the next offer is expected to bring: how likely it is taken times the margin, less its cost",
)
_SCORE = "1 to 5, 5 the best"
_FACTS: Mapping[str, tuple[Field, ...]] = {
    "rfm": (
        Field(
            "rfm.recency", Type.NUMBER, "How recently the person ordered, compared with all buyers", _SCORE
        ),
        Field("rfm.frequency", Type.NUMBER, "How often the person ordered", _SCORE),
        Field("rfm.money", Type.NUMBER, "For how much the person ordered, compared with all buyers", _SCORE),
        Field("rfm.group", Type.TEXT, "The group that these scores have a name for, such as Champions"),
    ),
    "lifecycle": (
        Field(
            "lifecycle",
            Type.TEXT,
            "Prospect, New, Active, At risk, Lapsed or Reactivated, by the gaps between orders",
        ),
    ),
    "clv": (),
    "churn": (
        Field(
            "churn_risk",
            Type.NUMBER,
            "How likely it is that the person does not order within the model's days; who never did has none",
            "0 to 1",
        ),
    ),
    "offers": (
        Field(
            "next_offer",
            Type.TEXT,
            "What people with alike things have and the person does not; missing where nothing is known",
        ),
        Field(
            "next_offer_reason",
            Type.TEXT,
            "Why that is the next offer: what the person has that is often bought together with it",
        ),
        Field(
            "buy_again",
            Type.TEXT,
            "What the person bought on two days or more and is likeliest to buy once more",
        ),
    ),
    "lead": (
        Field(
            "fit",
            Type.NUMBER,
            "How well the person fits those who became customers, by who they are",
            "points",
        ),
        Field(
            "lead_grade",
            Type.TEXT,
            "A, B or C by fit, then 1, 2 or 3 by engagement, the best first; - in its place: not scored",
        ),
    ),
    "engagement": (
        Field(
            "engagement",
            Type.NUMBER,
            "How keenly the person answers what they are sent, compared with everybody who is scored",
            "1 to 100, 100 the keenest",
        ),
    ),
    "send_time": (
        Field(
            "send_hour",
            Type.NUMBER,
            "The hour of the person's own day at which what is sent to them is clicked most",
            "0 to 23",
        ),
    ),
    "channel": (
        Field(
            "preferred_channel",
            Type.TEXT,
            "The channel on which the person answers most of what they are sent, such as email; missing where"
            " nothing is known, and for who must not be written to",
        ),
    ),
}
