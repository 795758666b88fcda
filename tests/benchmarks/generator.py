"""Synthetic customers and their activity at scale, the same for the same seed.

Two forms of the same world: the lake's physical layout (what the engine reads) and raw tables as a shop
would export them (what the `tables` connector loads). Activity is skewed: a few people do most of it;
two years long; 8 % purchases. Written in chunks, so that memory stays bounded.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rules.text import fold
from sync.store.arranging import make
from sync.store.by_person import Copy, Indexed, Part

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
ZONE = "Europe/Berlin"
SHARES = {"page_view": 0.60, "email_open": 0.20, "email_click": 0.07, "purchase": 0.08, "cart_add": 0.05}
COUNTRIES = ("DE", "FR", "IT", "ES", "AT", "PL", "NL", "SE", "DK", "US")
CITIES = ("München", "Köln", "Paris", "Roma", "Wien", "Straßburg", "Łódź", "Malmö")
CATEGORIES = ("Shoes", "Shirts", "Bags", "Hats", "Coats", "Sport")
STORES = ("Munich", "Berlin", "Online", "Paris", "Wien")
PAGES = ("/", "/pricing", "/pricing/teams", "/blog", "/help", "/product/1", "/product/2", "/cart")
CAMPAIGNS = tuple(f"Campaign {n}" for n in range(40))
INTERESTS = (["Shoes"], ["Shoes", "Sport"], ["Bags"], [], None, ["Hats", "Coats", "Sport"])
_CHUNK = 1_000_000
_US = pa.timestamp("us", tz="UTC")
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class World:
    """Where the files are."""

    folder: Path
    people: int
    events: int

    @property
    def people_file(self) -> str:
        """The lake's `people`."""
        return str(self.folder / "people.parquet")

    def activity_file(self, kind: str) -> str:
        """The lake's `activity` of one kind, ordered by time."""
        return str(self.folder / f"{kind}.parquet")

    @property
    def contacts_file(self) -> str:
        """The shop's contacts."""
        return str(self.folder / "contacts.parquet")

    @property
    def events_file(self) -> str:
        """The shop's events, ordered by time."""
        return str(self.folder / "events.parquet")

    def by_person(self) -> Indexed:
        """The lake's rows in order of persons."""
        files = {None: self.people_file, **{kind: self.activity_file(kind) for kind in SHARES}}
        columns = {kind: pq.read_schema(file) for kind, file in files.items()}
        parts = {}
        for kind, file in files.items():
            copy = Path(f"{file}.by-person")
            if not copy.exists():
                make(file, copy)
            parts[kind] = [Part(Copy.open(copy))]
        return Indexed(parts, {kind: dict(zip(s.names, s.types, strict=True)) for kind, s in columns.items()})


@contextmanager
def world(folder: Path | None, *, people: int, events: int) -> Iterator[World]:
    """The lake of such a world, in `folder` (made there if it is not yet) or for the time being."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        ready = (place / "people.parquet").exists()
        yield World(place, people, events) if ready else lake(place, people=people, events=events)


def lake(folder: Path, *, people: int, events: int, seed: int = 1) -> World:
    """Writes the lake's layout: `people.parquet` and one file per kind of activity."""
    folder.mkdir(parents=True, exist_ok=True)
    world, random = World(folder, people, events), np.random.default_rng(seed)
    pq.write_table(_people(people, random), world.people_file, row_group_size=122_880)
    who = random.permutation(people).astype(np.int32)
    for kind, share in SHARES.items():
        _write(world.activity_file(kind), _activity(kind, round(events * share), who, random))
    return world


def raw(folder: Path, *, people: int, events: int, seed: int = 1) -> World:
    """Writes `contacts.parquet` and `events.parquet` with addresses, and amounts in major units."""
    folder.mkdir(parents=True, exist_ok=True)
    world, random = World(folder, people, events), np.random.default_rng(seed)
    _write(world.contacts_file, _contacts(people, random))
    who = random.permutation(people).astype(np.int32)
    _write(world.events_file, _events(events, who, random))
    return world


def _write(path: str, chunks: Iterator[pa.Table]) -> None:
    first = next(chunks)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first, row_group_size=122_880)
        for chunk in chunks:
            writer.write_table(chunk, row_group_size=122_880)


def _picked(
    options: tuple[str, ...], random: np.random.Generator, count: int, missing: float = 0.0
) -> pa.Array:
    """Texts picked with falling frequency, a share of them missing."""
    weights = 1.0 / np.arange(1, len(options) + 1)
    codes = random.choice(len(options), size=count, p=weights / weights.sum()).astype(np.int32)
    mask = random.random(count) < missing if missing else None
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=mask), pa.array(options)).cast(pa.string())


def _texts(
    name: str, options: tuple[str, ...], random: np.random.Generator, count: int, missing: float = 0.0
) -> dict[str, pa.Array]:
    """A text column and its folded copy."""
    values = _picked(options, random, count, missing)
    encoded = values.dictionary_encode()
    folded = pa.array([fold(text) for text in encoded.dictionary.to_pylist()], pa.string())
    return {
        name: values,
        f"{name}__ci": pa.DictionaryArray.from_arrays(encoded.indices, folded).cast(pa.string()),
    }


def _people(count: int, random: np.random.Generator) -> pa.Table:
    now = int(AS_OF.timestamp() * 1_000_000)
    lists = [INTERESTS[n] for n in random.integers(0, len(INTERESTS), count)]
    in_lists = [["newsletter:spring"] if n == 0 else [] for n in random.integers(0, 20, count)]
    missing = random.random(count) < 0.2
    signed_up = now - random.integers(0, 5 * 365 * _DAY_US, count)
    return pa.table(
        {
            "person": pa.array(np.arange(count, dtype=np.int32)),
            **_texts("country", COUNTRIES, random, count, 0.1),
            **_texts("city", CITIES, random, count, 0.3),
            **_texts("last_order_country", COUNTRIES, random, count, 0.5),
            "birthday": pa.array(
                random.integers(-10_000, 13_000, count).astype(np.int32), pa.date32(), mask=missing
            ),
            "signed_up": pa.array(signed_up, _US),
            "ltv": pa.array((random.lognormal(8, 2, count)).astype(np.int64), pa.int64()),
            "score": pa.array(random.integers(0, 100_000_000, count), pa.int64(), mask=missing),
            "vip": pa.array(random.random(count) < 0.02),
            "company.employees": pa.array(
                random.integers(1, 5000, count) * 1_000_000, mask=random.random(count) < 0.6
            ),
            "interests": pa.array(lists, pa.list_(pa.string())),
            "interests__ci": pa.array(
                [None if v is None else [fold(t) for t in v] for v in lists], pa.list_(pa.string())
            ),
            "suppressed": pa.array(random.random(count) < 0.03),
            "consented_email": pa.array(random.random(count) < 0.7, mask=random.random(count) < 0.1),
            "in_lists": pa.array(in_lists, pa.list_(pa.string())),
        }
    )


def _times(count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Different instants of the last two years, ascending; a few after `AS_OF`."""
    now = int(AS_OF.timestamp() * 1_000_000)
    return np.unique(random.integers(now - 730 * _DAY_US, now + _DAY_US // 4, count + count // 1000 + 10))[
        :count
    ]


def _skewed(count: int, who: NDArray[np.int32], random: np.random.Generator) -> NDArray[np.int32]:
    """People, a few of them very often."""
    return who[(len(who) * random.random(count) ** 4).astype(np.int64)]


def _activity(
    kind: str, count: int, who: NDArray[np.int32], random: np.random.Generator
) -> Iterator[pa.Table]:
    times = _times(count, random)
    for start in range(0, count, _CHUNK):
        at = times[start : start + _CHUNK]
        n = len(at)
        yield pa.table(
            {
                "person": pa.array(_skewed(n, who, random), mask=random.random(n) < 0.001),
                "event_id": pa.array(np.arange(start, start + n)).cast(pa.string()),
                "at": pa.array(at, _US),
                **_fields(kind, n, random),
            }
        )


def _fields(kind: str, n: int, random: np.random.Generator) -> dict[str, pa.Array]:
    match kind:
        case "purchase":
            return {
                "amount": pa.array(
                    random.lognormal(8, 1, n).astype(np.int64) - 200, mask=random.random(n) < 0.01
                ),
                "quantity": pa.array(random.integers(1, 5, n) * 1_000_000),
                **_texts("category", CATEGORIES, random, n, 0.05),
                **_texts("store", STORES, random, n, 0.05),
            }
        case "page_view":
            return _texts("page", PAGES, random, n)
        case "cart_add":
            return _texts("sku", tuple(f"SKU-{n}" for n in range(200)), random, n)
        case _:
            return _texts("campaign", CAMPAIGNS, random, n)


def _addresses(numbers: NDArray[np.int32]) -> pa.Array:
    return pc.binary_join_element_wise("person", pa.array(numbers).cast(pa.string()), "@example.com", "")


def _contacts(count: int, random: np.random.Generator) -> Iterator[pa.Table]:
    for start in range(0, count, _CHUNK):
        numbers = np.arange(start, min(start + _CHUNK, count), dtype=np.int32)
        n = len(numbers)
        now = int(AS_OF.timestamp() * 1_000_000)
        yield pa.table(
            {
                "id": pa.array(numbers).cast(pa.string()),
                "email": _addresses(numbers),
                "first_name": _picked(("Anna", "José", "Zoë", "Łukasz", "Jürgen", "Mary"), random, n, 0.1),
                "country": _picked(COUNTRIES, random, n, 0.1),
                "city": _picked(CITIES, random, n, 0.3),
                "birthday": pa.array(random.integers(-10_000, 13_000, n).astype(np.int32), pa.date32()),
                "signed_up": pa.array(now - random.integers(0, 5 * 365 * _DAY_US, n), _US),
                "ltv": pa.array(random.lognormal(8, 2, n).round() / 100),
                "score": pa.array(random.random(n).round(4) * 100),
                "vip": pa.array(random.random(n) < 0.02),
                "email_consent": pa.array(random.random(n) < 0.7),
                "updated_at": pa.array(now - random.integers(0, 365 * _DAY_US, n), _US),
            }
        )


def _events(count: int, who: NDArray[np.int32], random: np.random.Generator) -> Iterator[pa.Table]:
    times, kinds = _times(count, random), tuple(SHARES)
    for start in range(0, count, _CHUNK):
        at = times[start : start + _CHUNK]
        n = len(at)
        codes = random.choice(len(kinds), size=n, p=list(SHARES.values())).astype(np.int32)
        bought = codes == kinds.index("purchase")
        yield pa.table(
            {
                "event_id": pa.array(np.arange(start, start + n)).cast(pa.string()),
                "email": _addresses(_skewed(n, who, random)),
                "kind": pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(kinds)).cast(pa.string()),
                "at": pa.array(at, _US),
                "amount": pa.array(random.lognormal(8, 1, n).round() / 100, mask=~bought),
                "category": _picked(CATEGORIES, random, n, 0.3),
                "page": _picked(PAGES, random, n, 0.4),
                "campaign": _picked(CAMPAIGNS, random, n, 0.7),
            }
        )
