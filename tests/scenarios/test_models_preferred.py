"""From files through the command line: send hours and channels are learned, shown, and split people."""

from __future__ import annotations

import datetime as dt
import json
import shlex
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from typer.testing import CliRunner

from sync.cli.app import app
from sync.run.modelling import fit
from sync.run.pipeline import run
from sync.run.workspace import Workspace

NOW = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
PEOPLE, LETTERS, TEXTS = 240, 55, 30
ZONES = ["Europe/Berlin", "America/New_York"]
CONFIG = """\
rules_dir = "rules"
[store]
database = "sqlite:///segsync.db"
lake = "lake"
[models.send_time]
[models.channel]
[connections.shop]
platform = "tables"
url = "file:."
memberships = { to = "members.csv" }
[connections.shop.contacts]
from = "people.csv"
key = "id"
columns = { timezone = "timezone" }
"""
ACTIVITY = """\
[[connections.shop.activity]]
name = "{kind}"
kind = "{kind}"
from = "{kind}.csv"
key = "id"
contact = "contact"
at = "at"
columns = {{ campaign = "campaign" }}
"""
RULES = """
[[segment]]
id = "mornings"
when = "send_hour between 5 and 11"
to = ["shop"]
[[segment]]
id = "texters"
when = 'preferred_channel = "sms"'
to = ["shop"]
[[segment]]
id = "neither"
when = "send_hour is missing and preferred_channel is missing"
"""


def early(person: int) -> bool:
    """Who clicks at 8 of their own day; the others at 20."""
    return person // 2 % 2 > 0


def texts(person: int) -> bool:
    """Who answers text messages and hardly any letter."""
    return person % 5 == 0


class Shop:
    """The folder of an installation whose people have habits."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "config.toml"
        kinds = {**self._channel("email", LETTERS), **self._channel("sms", TEXTS)}
        people = pd.DataFrame({"id": range(1, PEOPLE + 1)})
        people["timezone"] = [ZONES[each % 2] for each in people["id"]]
        people.to_csv(folder / "people.csv", index=False)
        for kind, rows in kinds.items():
            rows.to_csv(folder / f"{kind}.csv", index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
        self.config.write_text(CONFIG + "".join(ACTIVITY.format(kind=kind) for kind in kinds))
        (folder / "rules").mkdir()
        (folder / "rules" / "rules.toml").write_text(RULES)

    def _channel(self, name: str, many: int) -> dict[str, pd.DataFrame]:
        """So many messages to each, at random instants of 120 days; clicks come an hour later."""
        draw = np.random.default_rng(many)
        person = np.repeat(np.arange(1, PEOPLE + 1), many)
        at = pd.Series(
            pd.Timestamp(NOW) - pd.to_timedelta(draw.integers(4 * 86_400, 120 * 86_400, len(person)), "s")
        )
        local = [at.dt.tz_convert(ZoneInfo(zone)).dt.hour for zone in ZONES]
        hour = np.where(person % 2, local[1], local[0])
        peak = np.where(person // 2 % 2 > 0, 8, 20)
        near = np.abs((hour - peak + 12) % 24 - 12) <= 2
        texter = person % 5 == 0
        rate = np.where(near, 0.6, 0.1) * np.where(texter, 0.2, 1.0)
        if name == "sms":
            rate = np.where(texter, 0.5, 0.03)
        clicked = draw.random(len(person)) < rate
        sent = pd.DataFrame({"id": np.arange(len(person)), "contact": person, "at": at})
        sent["campaign"] = name + (sent["id"] % many).astype(str)
        return {f"{name}_sent": sent, f"{name}_click": sent[clicked].assign(at=at + pd.Timedelta(hours=1))}

    def told(self, command: str) -> str:
        """What the command line prints."""
        done = CliRunner().invoke(app, ["--config", str(self.config), *shlex.split(command)])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    def members(self) -> dict[str, set[int]]:
        """Segment → who is in it since the last run."""
        with Workspace.open(self.config) as workspace:
            lake = workspace.store.lake
            with lake.connect() as database:
                query = f"SELECT person, external_id::BIGINT FROM {lake.relation('links')}"
                rows = database.sql(query).fetchall()
            latest = workspace.store.segments.latest()
        return {
            name: {customer for person, customer in rows if person in one.members}
            for name, one in latest.items()
        }


def test_hours_and_channels_are_learned_shown_and_split_people(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.told("pull")
    with Workspace.open(shop.config) as workspace:
        fitted = fit(workspace, [], as_of=NOW)
    assert [(one["model"], one["status"]) for one in fitted] == [
        ("send_time", "in_use"),
        ("channel", "in_use"),
    ]
    listed = json.loads(shop.told("models list --format json"))["models"]
    assert [one["facts"] for one in listed] == [["send_hour"], ["preferred_channel"]]
    when = shop.told("models show send_time")
    assert "send_time, version 1: in use" in when
    assert "of a person's own day: of what is sent around then" in when
    assert "was answered by the personal hour" in when
    which = shop.told("models show channel")
    assert "sms is preferred by" in which
    assert "was answered by the preferred channel" in which

    with Workspace.open(shop.config) as workspace:
        run(workspace, as_of=NOW)
    members, everybody = shop.members(), range(1, PEOPLE + 1)
    mornings, texters = ({each for each in everybody if of(each)} for of in (early, texts))
    assert len(members["texters"] ^ texters) < 0.05 * PEOPLE
    readers = set(everybody) - texters  # the others click hardly any letter
    assert len((members["mornings"] ^ mornings) & readers) < 0.1 * len(readers)
    assert members["neither"] == set()
    written = pd.read_csv(tmp_path / "members.csv")
    assert set(written.loc[written["segment"] == "texters", "external_id"]) == members["texters"]
