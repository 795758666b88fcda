"""Country names and codes to ISO 3166-1 alpha-2, so that `country = "DE"` means the same on every platform.

The names come from the table that `phonenumbers` carries (many languages). A text that is no known country
stays as it is: nothing is guessed.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pyarrow as pa

from rules.text import fold
from sync.normalise import Column

_SPELLINGS = {
    "uk": "GB", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB",
    "northern ireland": "GB", "usa": "US", "u.s.a.": "US", "u.s.": "US", "united states of america": "US",
    "the netherlands": "NL", "holland": "NL", "eire": "IE", "czechia": "CZ", "czech republic": "CZ",
    "russian federation": "RU", "south korea": "KR", "korea": "KR", "viet nam": "VN", "uae": "AE",
    "brasil": "BR", "türkiye": "TR", "turkey": "TR", "ivory coast": "CI", "deutschland": "DE",
    "aut": "AT", "bel": "BE", "che": "CH", "deu": "DE", "dnk": "DK", "esp": "ES", "fin": "FI", "fra": "FR",
    "gbr": "GB", "irl": "IE", "ita": "IT", "nld": "NL", "nor": "NO", "pol": "PL", "prt": "PT",
    "swe": "SE", "can": "CA", "mex": "MX", "aus": "AU", "nzl": "NZ", "jpn": "JP", "chn": "CN", "ind": "IN",
    "bra": "BR", "zaf": "ZA",
}  # fmt: skip
"""What people write and no table has."""


def _locale_data() -> dict[str, dict[str, str]]:
    """`phonenumbers.geodata.locale.LOCALE_DATA`, without the towns of all numbers, which that package loads
    with it: they cost every start a third of a second."""
    package = find_spec("phonenumbers")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("phonenumbers is not installed", name="phonenumbers")
    place = Path(package.origin).parent / "geodata" / "locale.py"
    spec = spec_from_file_location("phonenumbers.geodata.locale", place)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{place} cannot be loaded", name="phonenumbers.geodata.locale")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, dict[str, str]] = module.LOCALE_DATA
    return found


@cache
def country_codes() -> dict[str, str]:
    """Folded name or code → alpha-2 code. Names that mean several countries are left out."""
    meanings: dict[str, set[str]] = {}
    locales = _locale_data()
    for code, named in locales.items():
        for name in named.values():
            if not name.startswith("*"):  # "*en": as in English
                meanings.setdefault(fold(name), set()).add(code)
    known = {name: codes.pop() for name, codes in meanings.items() if len(codes) == 1}
    known |= _SPELLINGS
    return known | {code.lower(): code for code in locales}


def country_column(column: Column) -> Column:
    """A column of texts (string) with every known country as its code; other texts stay as they are."""
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([country_column(chunk) for chunk in column.chunks], type=pa.string())
    known = country_codes()
    encoded = column.dictionary_encode()
    codes = [known.get(fold(text), text) for text in encoded.dictionary.to_pylist()]
    return pa.array(codes, type=pa.string()).take(encoded.indices)
