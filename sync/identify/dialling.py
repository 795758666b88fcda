"""Telephone numbers to E.164 a column at a time: what `phones.e164` answers, for the spellings that most use.

The numbering plans that `phonenumbers` carries become expressions of DuckDB, so that a million numbers take
a second instead of a minute. Whatever is not plainly valid by them is left to the library, one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import duckdb
import pyarrow as pa
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from sync.identify.phones import e164
from sync.identify.sql import text_literal

_PLAIN = r"\+?[0-9(][0-9 ().-]*"
"""Spellings of nothing but digits and what people put between them."""
_PLUS = re.compile("[+＋]")
"""Without one, and in no region, a number is none."""
_READ = pa.schema([("said", pa.string()), ("region", pa.string()), ("number", pa.string())])
_TYPES = (
    "premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail",
    "fixed_line", "mobile",
)  # fmt: skip


def build_e164(database: duckdb.DuckDBPyConnection, told: str, *, into: str) -> None:
    """Temp table `into`: said, region, number; `told` is a relation with distinct said, region.

    number: what `e164(said, region)` answers, NULL if that is None.
    """
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE dialled AS
        SELECT said, region, starts_with(said, '+') AS abroad, CASE
            WHEN regexp_full_match(said, {text_literal(_PLAIN)}) THEN regexp_replace(said, '[^0-9]', '', 'g')
            END AS digits
        FROM {told}"""
    )
    asked = "SELECT DISTINCT region FROM dialled WHERE region IS NOT NULL AND NOT abroad ORDER BY 1"
    regions = [str(region) for (region,) in database.sql(asked).fetchall()]
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE dialled_nationally AS
        SELECT said, region, abroad, code, substr(digits, length(code) + 1) AS rest
        FROM (SELECT *, {_code("digits")} AS code FROM dialled WHERE abroad AND digits <> '')
        UNION ALL
        SELECT said, region, abroad, {_by_region(regions, _own_code)}, {_by_region(regions, _national)}
        FROM dialled WHERE NOT abroad AND region IS NOT NULL AND digits <> ''"""
    )
    codes = [
        str(code)
        for (code,) in database.sql("SELECT DISTINCT code FROM dialled_nationally").fetchall()
        if code
    ]
    cases = " ".join(f"WHEN {text_literal(code)} THEN {_valid(int(code))}" for code in sorted(codes))
    valid = f"CASE code {cases} ELSE false END" if cases else "false"
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT said, region, CASE WHEN {valid} THEN '+' || code || rest END AS number
        FROM dialled_nationally"""
    )
    left = database.sql(
        f"""SELECT said, region FROM dialled AS asked
        ANTI JOIN (SELECT said, region FROM {into} WHERE number IS NOT NULL) AS known
            ON asked.said = known.said AND asked.region IS NOT DISTINCT FROM known.region
        ORDER BY 1, 2"""
    ).fetchall()
    read = [
        {
            "said": said,
            "region": region,
            "number": e164(said, region) if region or _PLUS.search(said) else None,
        }
        for said, region in left
    ]
    database.register("dialled_slowly", pa.Table.from_pylist(read, schema=_READ))
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT * FROM {into} WHERE number IS NOT NULL UNION ALL SELECT * FROM dialled_slowly"""
    )
    database.unregister("dialled_slowly")
    database.execute("DROP TABLE dialled")
    database.execute("DROP TABLE dialled_nationally")


def _code(digits: str) -> str:
    """SQL: the calling code that `digits` begin with; no code is the beginning of another."""
    by_length = {
        length: ", ".join(
            text_literal(str(code)) for code in COUNTRY_CODE_TO_REGION_CODE if len(str(code)) == length
        )
        for length in (1, 2)
    }
    return (
        f"left({digits}, CASE WHEN left({digits}, 1) IN ({by_length[1]}) THEN 1"
        f" WHEN left({digits}, 2) IN ({by_length[2]}) THEN 2 ELSE 3 END)"
    )


def _by_region(regions: Iterable[str], make: Callable[[str], str | None]) -> str:
    """SQL: what `make` says of the row's region; NULL where it says None."""
    made = [(region, sql) for region in regions if (sql := make(region)) is not None]
    cases = " ".join(f"WHEN {text_literal(region)} THEN {sql}" for region, sql in made)
    return f"CASE region {cases} END" if cases else "CAST(NULL AS VARCHAR)"


def _own_code(region: str) -> str | None:
    metadata = PhoneMetadata.metadata_for_region(region, None)
    return None if metadata is None else text_literal(str(metadata.country_code))


def _national(region: str) -> str | None:
    """SQL: `digits` as dialled in the region, without its trunk prefix; NULL if they may begin with more."""
    metadata = PhoneMetadata.metadata_for_region(region, None)
    prefix = metadata.national_prefix_for_parsing if metadata is not None else None
    if metadata is None or (prefix and not prefix.isdigit()):
        return None
    code = str(metadata.country_code)
    more = f"starts_with(digits, '{code}')"
    if metadata.international_prefix:
        more += f" OR regexp_matches(digits, {text_literal(f'^(?:{metadata.international_prefix})')})"
    rest = (
        f"CASE WHEN starts_with(digits, '{prefix}') THEN substr(digits, {len(prefix) + 1}) ELSE digits END"
        if prefix
        else "digits"
    )
    return f"CASE WHEN NOT ({more}) THEN {rest} END"


def _valid(code: int) -> str:
    """SQL: `rest` is a valid number behind this calling code, and does not begin like a prefix that may be
    dropped: those the library reads."""
    regions = COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    plans = [PhoneMetadata.metadata_for_region(region, None) for region in regions]
    known = [plan for plan in plans if plan is not None]
    if not known or len(known) < len(plans):
        return "false"
    if len(known) == 1:
        valid = _of_a_type(known[0])
    else:
        cases = []
        for metadata in known:
            of_a_type = _of_a_type(metadata)
            if metadata.leading_digits is not None:
                leading = f"regexp_matches(rest, {text_literal(f'^(?:{metadata.leading_digits})')})"
                cases.append(f"WHEN {leading} THEN {of_a_type}")
            else:
                cases.append(f"WHEN {of_a_type} THEN true")
        valid = f"CASE {' '.join(cases)} ELSE false END"
    prefix = known[0].national_prefix_for_parsing
    dropped = f"abroad AND regexp_matches(rest, {text_literal(f'^(?:{prefix})')})" if prefix else "false"
    return f"(NOT ({dropped}) AND {valid})"


def _of_a_type(metadata: PhoneMetadata) -> str:
    """SQL: `rest` is a number of the region, of any type."""
    types = dict.fromkeys(test for name in _TYPES if (test := _matches(getattr(metadata, name))) is not None)
    return f"({_matches(metadata.general_desc) or 'false'} AND ({' OR '.join(types) or 'false'}))"


def _matches(description: object) -> str | None:
    pattern = getattr(description, "national_number_pattern", None)
    if not pattern:
        return None
    test = f"regexp_full_match(rest, {text_literal(pattern)})"
    lengths = getattr(description, "possible_length", ())
    return f"(length(rest) IN ({', '.join(map(str, lengths))}) AND {test})" if lengths else test
