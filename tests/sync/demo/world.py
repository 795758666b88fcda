"""The demo as its connectors see it: files in a folder, accounts served on loopback."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.base import Connector
from connectors.pacing import ManualClock
from connectors.registry import platform
from rules.vocabulary import Vocabulary
from sync.config import Settings, load
from sync.demo.accounts import NEWSLETTER, served, simulations
from sync.demo.data import DemoData, make
from sync.demo.files import CONFIG, write_config, write_tables
from sync.demo.histories import People, Selection
from sync.fields import FieldSpec
from sync.vocabulary import build


@dataclass(frozen=True, slots=True)
class World:
    """The demo, opened: nothing has been read yet."""

    data: DemoData
    folder: Path
    settings: Settings
    connectors: dict[str, Connector]
    vocabulary: Vocabulary
    fields: tuple[FieldSpec, ...]


@contextmanager
def opened(
    folder: Path,
    as_of: dt.datetime,
    *,
    accounts: Sequence[str] = NEWSLETTER,
    people: People = Selection.SAMPLE,
) -> Iterator[World]:
    """Write the demo into `folder`, serve its accounts, open all connections."""
    data = make(as_of=as_of, people=people)
    clock = ManualClock(as_of)
    write_tables(data, folder)
    with served(simulations(accounts, data, now=clock.utc_now)) as found:
        write_config(folder, found)
        settings = load(folder / CONFIG)
        connectors = {
            name: platform(connection.platform).open(connection.revealed(), clock)
            for name, connection in settings.connections.items()
        }
        streams = {name: connector.features.streams for name, connector in connectors.items()}
        audiences = {
            name: frozenset(kind.value for kind in connector.features.audiences)
            for name, connector in connectors.items()
        }
        vocabulary, fields = build(settings, streams, audiences=audiences)
        yield World(data, folder, settings, connectors, vocabulary, fields)
        for connector in connectors.values():
            connector.close()
