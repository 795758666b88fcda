"""People as a choice of hours asks for them: where they live, which group they are of, whether they may be
written to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.models.columns import Bools, Ints
from rules.models.local_hours import zone_of
from rules.text import fold
from sync.config.modelling import SendTimeSettings
from sync.models.log import Log
from sync.store.shapes import quoted

ZONE = "timezone"


@dataclass(frozen=True, slots=True)
class Whose:
    """People of one bucket, ascending. zone: the place in `zones`, -1: not known. group: "": in none, as
    everybody is while the model that tells the groups is not in use."""

    person: NDArray[np.int32]
    suppressed: Bools
    zone: Ints
    zones: list[str]
    group: list[str]


def zone_fact(log: Log, settings: SendTimeSettings) -> str | None:
    """The column of people that names their zones; None: everybody lives where the business does."""
    if settings.zone is None:
        return ZONE if ZONE in log.lake.columns("people") else None
    return settings.zone or None


def whose_of(log: Log, settings: SendTimeSettings, people: NDArray[np.int32]) -> Whose:
    """Of these people (ascending, of one bucket)."""
    fact = zone_fact(log, settings)
    column = f"{settings.group}__ci"
    group = quoted(column) if column in log.lake.columns("people") else "NULL::VARCHAR"
    zone = "NULL::VARCHAR" if fact is None else quoted(fact)
    table = log.database.sql(
        f"""SELECT coalesce(suppressed, false) AS suppressed, {zone} AS zone, coalesce({group}, '') AS named
        FROM {log.lake.relation("people")}
        WHERE person BETWEEN {int(people[0])} AND {int(people[-1])} ORDER BY person"""
    ).to_arrow_table()
    zones, place = [settings.home], np.zeros(len(people), np.int64)
    if fact is not None:
        coded = table["zone"].combine_chunks().dictionary_encode()
        known = [zone_of(each) for each in coded.dictionary.to_pylist()]
        zones = sorted({each for each in known if each is not None})
        places = np.array([-1 if each is None else zones.index(each) for each in known] + [-1])
        place = places[coded.indices.fill_null(len(known)).to_numpy()]
    named = table["named"].to_pylist()
    if settings.group in log.told:
        named = [fold(each or "") for each in log.told[settings.group](people).tolist()]
    return Whose(people, table["suppressed"].to_numpy(), place, zones, named)
