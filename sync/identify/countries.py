"""Country names and codes to ISO 3166-1 alpha-2, so that `country = "DE"` means the same on every platform.

The names come from the table that `phonenumbers` carries (many languages). A text that is no known country
stays as it is: nothing is guessed.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pyarrow as pa

from rules.text import fold
from sync.identify.iso3166 import CODES
from sync.normalise import Column

_SPELLINGS = {
    "uk": "GB", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB",
    "northern ireland": "GB", "usa": "US", "u.s.": "US", "united states of america": "US",
    "netherlands": "NL", "holland": "NL", "eire": "IE", "republic of ireland": "IE",
    "ireland, republic of": "IE", "czechia": "CZ", "czech republic": "CZ", "slovak republic": "SK",
    "russian federation": "RU", "south korea": "KR", "korea": "KR", "korea, republic of": "KR",
    "republic of korea": "KR", "north korea": "KP", "korea, democratic people's republic of": "KP",
    "viet nam": "VN", "uae": "AE", "brasil": "BR", "türkiye": "TR", "turkey": "TR", "ivory coast": "CI",
    "deutschland": "DE", "kosovo": "XK", "xk": "XK", "north macedonia": "MK", "burma": "MM",
    "east timor": "TL", "eswatini": "SZ", "cabo verde": "CV", "kyrgyz republic": "KG",
    "congo, democratic republic of the": "CD", "congo, the democratic republic of the": "CD",
    "democratic republic of the congo": "CD", "dr congo": "CD", "republic of the congo": "CG",
    "bolivia, plurinational state of": "BO", "brunei darussalam": "BN", "iran, islamic republic of": "IR",
    "lao people's democratic republic": "LA", "micronesia, federated states of": "FM",
    "moldova, republic of": "MD", "republic of moldova": "MD", "palestine, state of": "PS",
    "saint helena, ascension and tristan da cunha": "SH", "saint martin (french part)": "MF",
    "syrian arab republic": "SY", "taiwan, province of china": "TW",
    "tanzania, united republic of": "TZ", "united republic of tanzania": "TZ",
    "venezuela, bolivarian republic of": "VE", "holy see (vatican city state)": "VA", "holy see": "VA",
    "macau": "MO",
    "falkland islands (malvinas)": "FK", "virgin islands, british": "VG", "virgin islands, u.s.": "VI",
}  # fmt: skip
"""What people and other tables write, and that of `phonenumbers` has not. ISO has no XK; it is used."""


SPELLED = hashlib.sha256(repr((sorted(_SPELLINGS.items()), CODES)).encode()).hexdigest()[:16]
"""Another one when these tables are: people are then made anew."""


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


def country_code(text: str) -> str | None:
    """The alpha-2 code that a name or code means, or None. Case, accents, apostrophes, dots, hyphens and an
    article (`the Gambia`, `Philippines (the)`) do not matter; letters do."""
    exact, loosely = _known()
    return exact.get(fold(text)) or loosely.get(_loose(text))


def country_column(column: Column) -> Column:
    """A column of texts (string) with every known country as its code; other texts stay as they are."""
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([country_column(chunk) for chunk in column.chunks], type=pa.string())
    encoded = column.dictionary_encode()
    codes = [country_code(text) or text for text in encoded.dictionary.to_pylist()]
    return pa.array(codes, type=pa.string()).take(encoded.indices)


@cache
def _known() -> tuple[dict[str, str], dict[str, str]]:
    """(Folded, loosely spelled) name or code → alpha-2 code. What means several countries is left out."""
    three = {code: codes for code, *codes in CODES}
    meanings: dict[str, set[str]] = {}
    for code, named in _locale_data().items():
        for name in named.values():
            if code in three and not name.startswith("*"):  # "*en": as in English
                meanings.setdefault(fold(name), set()).add(code)
    exact = {name: codes.pop() for name, codes in meanings.items() if len(codes) == 1} | _SPELLINGS
    for code, codes in three.items():
        exact |= dict.fromkeys((code.lower(), *(one.lower() for one in codes)), code)
    spelled: dict[str, set[str]] = {}
    for name, code in exact.items():
        spelled.setdefault(_loose(name), set()).add(code)
    return exact, {name: codes.pop() for name, codes in spelled.items() if name and len(codes) == 1}


def _loose(text: str) -> str:
    bare = _ACCENTS.sub("", unicodedata.normalize("NFD", fold(text)))
    words = _APART.sub(" ", _NOTHING.sub("", bare.replace("&", " and "))).split()
    return " ".join(words[words[:1] == ["the"] : len(words) - (words[-1:] == ["the"])])


_ACCENTS = re.compile("[\u0300-\u036f]")
_NOTHING = re.compile("[.'’‘`´]")
_APART = re.compile(r"[\W_]+")
