"""The demo as its connectors see it: files in a folder, a newsletter account served on loopback."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.base import Connector
from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.simulation import serve
from rules.vocabulary import Vocabulary
from sync.config import Settings, load
from sync.demo.data import DemoData, make
from sync.demo.files import CONFIG, KEY_VARIABLE, demo_config, seed_newsletter, write_tables
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
def opened(folder: Path, as_of: dt.datetime) -> Iterator[World]:
    """Write the demo into `folder`, serve its newsletter, open both connections."""
    data = make(as_of=as_of)
    clock = ManualClock(as_of)
    write_tables(data, folder)
    simulator = MailchimpSimulator(now=clock.utc_now)
    seed_newsletter(simulator, data)
    with serve(simulator) as address, pytest.MonkeyPatch.context() as environment:
        environment.setenv(KEY_VARIABLE, simulator.key)
        demo_config(folder, address)
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
