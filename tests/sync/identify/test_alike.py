"""Suggested pairs on records whose truth is known, and what must not be suggested."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from sync.identify.alike import WEIGHTS, Likeness, suggest_alike
from tests.shared import shared

PEOPLE = pa.schema(
    [
        ("person", pa.int32()),
        ("first_name", pa.string()),
        ("last_name", pa.string()),
        ("birthday", pa.date32()),
        ("postcode", pa.string()),
        ("city", pa.string()),
    ]
)


def suggested(rows: Sequence[Mapping[str, Any]], **more: Any) -> dict[tuple[int, int], float]:
    database = duckdb.connect()
    database.register("people", pa.Table.from_pylist([dict(row) for row in rows], schema=PEOPLE))
    table = suggest_alike(database, "people", there=PEOPLE.names, **more)
    return {(row["person"], row["other_person"]): row["likeness"] for row in table.to_pylist()}


def person(number: int, **more: Any) -> dict[str, Any]:
    ann = {
        "first_name": "Anna",
        "last_name": "Bergmann",
        "birthday": dt.date(1980, 5, 17),
        "postcode": "10115",
        "city": "Berlin",
    }
    return {"person": number, **ann, **more}


def day(text: object) -> dt.date | None:
    try:
        return dt.datetime.strptime(str(text), "%Y%m%d").date()  # noqa: DTZ007 - a day, in no zone
    except ValueError:
        return None


def febrl() -> pd.DataFrame:
    records = pd.read_csv(shared("data/febrl/febrl3.csv"), skipinitialspace=True, dtype=str)
    records["person"] = range(1, len(records) + 1)
    records["human"] = records["rec_id"].str.extract(r"rec-(\d+)-")[0]
    return records


def rows_of(records: pd.DataFrame) -> list[dict[str, Any]]:
    table = records.rename(columns={"given_name": "first_name", "surname": "last_name", "suburb": "city"})
    texts = ("first_name", "last_name", "postcode", "city")
    return [
        {name: row[name] if isinstance(row[name], str) else None for name in texts}
        | {"person": row["person"], "birthday": day(row["date_of_birth"])}
        for row in table.to_dict("records")
    ]


def test_most_of_febrl_s_duplicates_are_suggested_and_hardly_anything_else() -> None:
    records = febrl()
    human = dict(zip(records["person"], records["human"], strict=True))
    found = suggested(rows_of(records))
    right = sum(human[one] == human[other] for one, other in found)
    there = sum(n * (n - 1) // 2 for n in records["human"].value_counts())
    assert there == 6_538  # as the description of the data says
    assert right / len(found) > 0.998
    assert right / there > 0.70


def test_the_pairs_are_those_of_comparing_by_hand_who_shares_a_key() -> None:
    """The second way builds the blocks in plain Python, and asks another spelling of the similarity."""
    rows = rows_of(febrl())[:1_200]
    blocks: dict[str, set[int]] = {}
    by_number = {row["person"]: row for row in rows}
    for row in rows:
        first, last = (row[name].lower() if row[name] else None for name in ("first_name", "last_name"))
        if first and last:
            blocks.setdefault(f"n{first[:3]}:{last[:3]}", set()).add(row["person"])
        if row["birthday"]:
            blocks.setdefault(f"b{row['birthday']}", set()).add(row["person"])
        if last and row["postcode"]:
            blocks.setdefault(f"p{last[:4]}@{row['postcode']}", set()).add(row["person"])
    pairs = {pair for some in blocks.values() for pair in combinations(sorted(some), 2)}

    def likeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
        both = [name for name in WEIGHTS if one[name] and other[name]]
        weight = sum(WEIGHTS[name] for name in both)
        if weight < 0.75 - 1e-9:
            return 0.0
        same = sum(WEIGHTS[name] * similarity(name, one[name], other[name]) for name in both)
        return same / weight

    expected = {pair: value for pair in pairs if (value := likeness(*(by_number[n] for n in pair))) >= 0.85}
    found = suggested(rows)
    assert set(found) == set(expected)
    assert all(abs(found[pair] - expected[pair]) < 1e-9 for pair in expected)


def similarity(name: str, one: Any, other: Any) -> float:
    if name != "birthday":
        return jaro_winkler(one.lower(), other.lower())
    days = [f"{one:%Y%m%d}", f"{other:%Y%m%d}"]
    return 1.0 if days[0] == days[1] else 0.9 if one_slip(*days) else 0.0


def one_slip(one: str, other: str) -> bool:
    """Of two texts of one length: one letter is other, or two neighbours are swapped."""
    differ = [place for place in range(len(one)) if one[place] != other[place]]
    if len(differ) == 2 and differ[1] == differ[0] + 1:
        return one[differ[0]] == other[differ[1]] and one[differ[1]] == other[differ[0]]
    return len(differ) == 1


def jaro_winkler(one: str, other: str) -> float:
    """Winkler 1990, with his bonus for up to 4 common first letters where Jaro's similarity is above 0.7."""
    if one == other:
        return 1.0
    window = max(len(one), len(other)) // 2 - 1
    taken = [False] * len(other)
    matched = []
    for place, letter in enumerate(one):
        for near in range(max(0, place - window), min(len(other), place + window + 1)):
            if not taken[near] and other[near] == letter:
                taken[near] = True
                matched.append(letter)
                break
    if not matched:
        return 0.0
    theirs = [letter for letter, hit in zip(other, taken, strict=True) if hit]
    swapped = sum(a != b for a, b in zip(matched, theirs, strict=True)) // 2  # rounded down, as Winkler's
    count = len(matched)
    jaro = (count / len(one) + count / len(other) + (count - swapped) / count) / 3
    prefix = 0
    for a, b in zip(one[:4], other[:4], strict=False):
        if a != b:
            break
        prefix += 1
    return jaro + prefix * 0.1 * (1 - jaro) if jaro > 0.7 else jaro


def test_a_slip_of_the_pen_is_seen_and_another_person_is_not() -> None:
    rows = [
        person(1),
        person(2, first_name="Ana", last_name="BERGMAN"),
        person(3, first_name="Peter"),  # born the same day in the same house: the twin
        person(4, first_name="Anna", last_name="Schulz", postcode="80331", city="München"),
        person(5, birthday=dt.date(1951, 1, 2)),  # her mother, perhaps: told by the day
    ]
    assert set(suggested(rows)) == {(1, 2)}


def test_a_name_alone_suggests_nobody() -> None:
    rows = [person(n, birthday=None, postcode=None, city=None) for n in (1, 2)]
    assert suggested(rows) == {}
    assert suggested([person(n, birthday=None, postcode=None) for n in (1, 2)]) == {}


def test_what_everybody_shares_makes_no_pairs() -> None:
    rows = [person(n) for n in range(1, 12)]
    assert len(suggested(rows)) == 55
    assert suggested(rows, likeness=Likeness(most_per_key=10)) == {}
