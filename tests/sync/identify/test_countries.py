"""Countries by name and by code, in the spellings that platforms and people use; and what is none."""

from __future__ import annotations

import phonenumbers
import pyarrow as pa
import pytest

from sync.identify.countries import country_code, country_column
from sync.identify.iso3166 import CODES


@pytest.mark.parametrize(
    ("code", "spellings"),
    [
        ("GB", ("UK", "U.K.", "England", "GBR", "826", "united  kingdom")),
        ("DE", ("de", "DEU", "276", "Deutschland", "GERMANY ", "Allemagne")),
        ("TR", ("Turkey", "Türkiye", "TURKIYE", "TUR", "792")),
        ("CI", ("Cote d'Ivoire", "Côte d'Ivoire", "CÔTE D’IVOIRE", "Ivory Coast", "CIV", "384")),
        ("KR", ("South Korea", "Korea, Republic of", "KOR", "410")),
        ("US", ("USA", "U.S.A.", "United States of America (the)", "840")),
        ("GM", ("The Gambia", "Gambia", "GMB")),
        ("CD", ("DR Congo", "Congo, The Democratic Republic of the", "COD")),
        ("CG", ("Congo", "Republic of the Congo")),
        ("MK", ("North Macedonia", "Macedonia", "MKD")),
        ("BA", ("Bosnia & Herzegovina", "Bosnia and Herzegovina")),
        ("GW", ("Guinea Bissau", "Guinea-Bissau")),
        ("RU", ("Россия", "RUS", "Russian Federation")),
        ("AT", ("040", "Österreich", "Osterreich")),
        ("XK", ("Kosovo", "XK")),
    ],
)
def test_a_country_is_known_by_its_names_and_codes(code: str, spellings: tuple[str, ...]) -> None:
    assert {text: country_code(text) for text in spellings} == dict.fromkeys(spellings, code)


@pytest.mark.parametrize(
    "text", ["XX", "EU", "AN", "Deutchland", "Atlantis", "n/a", "-", "the", "", "40", "999"]
)
def test_what_is_no_country_is_none_and_nothing_is_guessed(text: str) -> None:
    assert country_code(text) is None
    assert country_column(pa.array([text, None])).to_pylist() == [text, None]


def test_each_country_has_three_codes_of_its_own() -> None:
    assert len(CODES) == 249  # the number of entries of ISO 3166-1
    for each in zip(*CODES, strict=True):
        assert len(set(each)) == 249
    for two, *codes in CODES:
        assert {country_code(one) for one in (two, two.lower(), *codes)} == {two}
    dialled = set(phonenumbers.SUPPORTED_REGIONS) - {"AC", "TA"}  # islands of SH with a plan of their own
    assert dialled - {two for two, *_ in CODES} == {"XK"}
