"""Names and places from which the demo makes up its people. Nobody is meant."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Home:
    """A country of the demo: ISO 3166 code, ISO 639 language, share in percent, cities big ones first."""

    country: str
    language: str
    percent: int
    cities: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


def _home(country: str, language: str, percent: int, *, cities: str, first: str, last: str) -> Home:
    places = tuple(city.strip() for city in cities.split(","))
    return Home(country, language, percent, places, tuple(first.split()), tuple(last.split()))


_ENGLISH = (
    "Alice Amelia Ben Charlotte Daniel Ella Grace Harry Isla Jack Leo Lucy Mia Noah Oliver Ruby Sam Zoe"
)

HOMES: tuple[Home, ...] = (
    _home(
        "US",
        "en",
        38,
        cities="New York, Chicago, Seattle, Austin, Denver",
        first=_ENGLISH,
        last="Baker Carter Cooper Diaz Foster Hayes Jenkins Kim Morgan Nguyen Parker Reed Walsh Young",
    ),
    _home(
        "GB",
        "en",
        12,
        cities="London, Manchester, Leeds, Bristol",
        first=_ENGLISH,
        last="Ashton Barlow Clarke Davies Ellis Hughes Khan Lloyd Patel Shaw Turner Wood",
    ),
    _home(
        "DE",
        "de",
        11,
        cities="Berlin, Hamburg, München, Köln",
        first="Anna Ben Clara Emil Finn Greta Jonas Jürgen Lena Lukas Marie Mia Paul Sophie",
        last="Bauer Brandt Fuchs Groß Huber Jäger Keller Krüger Lang Müller Schäfer Vogel",
    ),
    _home(
        "FR",
        "fr",
        8,
        cities="Paris, Lyon, Marseille, Lille",
        first="Chloé Émile Hugo Inès Jules Léa Louis Manon Zoé",
        last="Bernard Dubois Durand Fontaine Garnier Lefèvre Moreau Petit Roux",
    ),
    _home(
        "CA",
        "en",
        7,
        cities="Toronto, Montréal, Vancouver",
        first=_ENGLISH,
        last="Bouchard Campbell Fraser Gagnon Macdonald Singh Tremblay Wilson",
    ),
    _home(
        "NL",
        "nl",
        5,
        cities="Amsterdam, Rotterdam, Utrecht",
        first="Daan Eva Finn Julia Lotte Noor Sem Tess",
        last="Bakker Bos Jansen Meijer Smit Visser Vries",
    ),
    _home(
        "ES",
        "es",
        5,
        cities="Madrid, Barcelona, Sevilla",
        first="Álvaro Carmen Hugo Lucía Martín Noa Pablo Sofía",
        last="Castro García Jiménez Muñoz Romero Ruiz Torres",
    ),
    _home(
        "IT",
        "it",
        4,
        cities="Milano, Roma, Torino",
        first="Alessia Chiara Giulia Luca Matteo Nicolò",
        last="Bianchi Conti Esposito Greco Marino Ricci",
    ),
    _home(
        "AU",
        "en",
        3,
        cities="Sydney, Melbourne, Perth",
        first=_ENGLISH,
        last="Bennett Chapman Doyle Fletcher Grant Harding",
    ),
    _home(
        "SE",
        "sv",
        3,
        cities="Stockholm, Göteborg, Malmö",
        first="Alva Elsa Hugo Liam Märta Nils",
        last="Andersson Berg Lindström Nyström Sjöberg",
    ),
    _home(
        "AT",
        "de",
        2,
        cities="Wien, Graz, Linz",
        first="Anna Felix Jakob Lena Valentina",
        last="Gruber Hofer Moser Pichler Steiner",
    ),
    _home(
        "CH",
        "de",
        2,
        cities="Zürich, Basel, Bern",
        first="Elin Leandro Lina Mattia Nora Noé",
        last="Ammann Frei Graf Keller Meier Widmer",
    ),
)

CAMPAIGNS: Mapping[int, str] = {
    1: "New year, new records", 2: "Love songs", 3: "Spring releases", 4: "Live recordings",
    5: "Summer festivals", 6: "Road trip mixes", 7: "Half-price week", 8: "Back to school beats",
    9: "Autumn classics", 10: "Box sets", 11: "Gift guide", 12: "Best of the year",
}  # fmt: skip
"""Title of the campaign by the month in which it is sent."""

COUNTRIES: Mapping[str, str] = {
    "US": "United States", "GB": "United Kingdom", "DE": "Germany", "FR": "France", "CA": "Canada",
    "NL": "Netherlands", "ES": "Spain", "IT": "Italy", "AU": "Australia", "SE": "Sweden", "AT": "Austria",
    "CH": "Switzerland",
}  # fmt: skip
"""The homes' countries as people write them."""


def plain(name: str) -> str:
    """The name without accents, as some systems keep it."""
    letters = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    return "".join(letter for letter in letters if letter.isascii())
