"""Numbers read a column at a time are what the library reads one by one."""

from __future__ import annotations

import random

import duckdb
import phonenumbers
import pyarrow as pa
import pytest

from sync.identify import dialling
from sync.identify.dialling import build_e164
from sync.identify.phones import e164


def read(asked: set[tuple[str, str | None]]) -> dict[tuple[str, str | None], str | None]:
    database = duckdb.connect()
    columns = list(zip(*sorted(asked, key=str), strict=True))
    told = {"said": pa.array(columns[0], pa.string()), "region": pa.array(columns[1], pa.string())}
    database.register("asked", pa.table(told))
    build_e164(database, "asked", into="numbers")
    rows = database.sql("SELECT said, region, number FROM numbers").fetchall()
    assert len(rows) == len(asked)
    return {(said, region): number for said, region, number in rows}


def spellings(chance: random.Random, regions: list[str]) -> set[tuple[str, str | None]]:
    """Example numbers of each region in every way they are written, and such with digits other or missing."""
    found: set[tuple[str, str | None]] = set()
    for region in regions:
        for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None:
                continue
            for style in range(4):
                written = phonenumbers.format_number(number, style)
                place = chance.randrange(len(written))
                wrong = written[:place] + str(chance.randrange(10)) + written[place + 1 :]
                found |= {
                    (text, where) for text in (written, wrong, written[:-1]) for where in (region, None)
                }
            found.add((f"00{number.country_code}{number.national_number}", region))
            found.add((f"{number.country_code}{number.national_number}", region))
            found.add((f"+{number.country_code} (0){number.national_number}", None))
    return found


@pytest.mark.parametrize(
    "share", [pytest.param(16, id="some"), pytest.param(1, marks=pytest.mark.long, id="all")]
)
def test_a_column_is_read_as_each_number_is_alone(share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of the countries of the world, right and wrong; most do not need the library."""
    regions = [*sorted(phonenumbers.SUPPORTED_REGIONS)[::share], "US", "GB", "DE", "IT", "AR", "RU"]
    asked = spellings(random.Random(11), regions) | {
        ("", None),
        ("+", None),
        ("call me", "DE"),
        ("(0)", "DE"),
    }
    slowly: list[str] = []

    def counted(said: str, region: str | None) -> str | None:
        slowly.append(said)
        return e164(said, region)

    monkeypatch.setattr(dialling, "e164", counted)
    found = read(asked)
    expected = {one: e164(*one) for one in asked}
    assert found == expected
    valid = [said for (said, _), number in expected.items() if number is not None]
    quick = len(asked) - len(slowly)
    assert quick > 0.5 * len(valid)
