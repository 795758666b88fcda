"""Notices on their way: none is lost, none is told twice under another name, and no run waits for them."""

from __future__ import annotations

import base64
import datetime as dt
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from sync.alerts.notices import told
from sync.alerts.telling import CLAIM, judge, send_due
from sync.config import Settings, load
from sync.config.alerting import AlertKind, AlertSettings, ChannelKind, ChannelSettings, HookSettings, Level
from sync.secrets import Secret
from sync.store import RunState, Store
from tests.databases import postgres_url, sqlite_url
from tests.sync.alerts.receivers import Hook, hook, trusted_certificate

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
CONFIG = """
[store]
database = "{database}"
lake = "lake"
[alerts]
internal = ["localhost:{port}"]
[[alerts.channel]]
name = "ops"
kind = "webhook"
url = "{url}"
secret = "env:HOOK_SECRET"
"""


@dataclass
class Place:
    """An installation with one channel, and who is told over it."""

    config: Path
    store: Store
    settings: Settings
    hook: Hook
    now: dt.datetime = NOW

    def ended(self, state: RunState = RunState.DONE, **stats: object) -> None:
        """A run comes to its end, and alerts are looked at."""
        self.now += dt.timedelta(hours=1)
        run = self.store.runs.claim("run", as_of=self.now, now=self.now)
        self.store.runs.finish(run, state, now=self.now, stats=stats)
        self.look()

    def broken(self) -> None:
        self.ended(RunState.FAILED, error="somebody@example.com is in this error")

    def look(self) -> None:
        judge(self.store, self.settings, now=self.now)
        send_due(self.store, self.settings, now=self.now)

    def channels(self, *channels: ChannelSettings) -> None:
        alerts = replace(self.settings.alerts, channels=channels)
        self.settings = replace(self.settings, alerts=alerts)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    url = sqlite_url(tmp_path) if request.param == "sqlite" else postgres_url()
    monkeypatch.setenv("HOOK_SECRET", "whsec_" + base64.b64encode(b"secret").decode())
    config = tmp_path / "config.toml"
    pair = trusted_certificate(tmp_path, monkeypatch)
    with hook(*pair) as made, Store.open(url, tmp_path / "lake") as store:
        config.write_text(CONFIG.format(database=url, port=made.port, url=made.url))
        yield Place(config, store, load(config), made)


def test_one_notice_per_change_and_one_on_recovery(place: Place) -> None:
    place.ended()
    for _ in range(3):
        place.broken()
    for _ in range(4):
        place.ended()
    assert place.hook.told == [("run_failed:", "critical"), ("run_failed:", "ok")]
    first, second = (post.document["data"] for post in place.hook.posts)
    assert (first["transition"], second["transition"]) == (1, 2)
    assert all(b"@" not in post.body for post in place.hook.posts)


def test_every_minute_looks_at_the_same_run_and_tells_nothing_more(place: Place) -> None:
    place.broken()
    place.ended()
    for _ in range(5):
        place.now += dt.timedelta(minutes=1)
        place.look()
    assert place.hook.told == [("run_failed:", "critical")]  # one good run is not two


def _look(config: Path, now: dt.datetime) -> None:
    settings = load(config)
    with Store.open(settings.store.url(), Path(settings.store.lake)) as store:
        send_due(store, settings, now=now)


def test_a_kill_between_sending_and_recording_repeats_the_notice_under_its_name(place: Place) -> None:
    channels = place.settings.alerts.channels
    place.channels()  # it is only noted down …
    place.channels(*channels)
    run = place.store.runs.claim("run", as_of=NOW, now=NOW)
    place.store.runs.finish(run, RunState.FAILED, now=NOW, stats={"error": "Boom"})
    judge(place.store, place.settings, now=NOW)
    child = multiprocessing.get_context("spawn").Process(target=_look, args=(place.config, NOW))
    place.hook.before = lambda: os.kill(child.pid or 0, signal.SIGKILL)
    child.start()
    child.join()
    assert (child.exitcode, len(place.hook.posts)) == (-signal.SIGKILL, 1)
    place.hook.before = lambda: None
    assert send_due(place.store, place.settings, now=NOW) == 0  # somebody may still be at it
    assert send_due(place.store, place.settings, now=NOW + CLAIM) == 1
    assert send_due(place.store, place.settings, now=NOW + 2 * CLAIM) == 0
    ids = {post.headers["webhook-id"] for post in place.hook.posts}
    assert (len(place.hook.posts), len(ids)) == (2, 1)
    assert place.hook.posts[0].body == place.hook.posts[1].body


def test_a_channel_that_does_not_answer_is_tried_again_later_and_in_order(place: Place) -> None:
    place.hook.status = 503
    place.broken()
    (stuck,) = place.store.alerts.stuck()
    assert (stuck.channel, stuck.notices, stuck.tries, stuck.failure) == ("ops", 1, 1, "answered 503")
    place.look()
    assert len(place.hook.posts) == 1  # its time has not come
    for _ in range(2):
        place.ended()
    place.hook.status = 200
    for _ in range(4):
        place.now += dt.timedelta(hours=2)
        place.look()
    told_well = place.hook.told[-2:]
    assert told_well == [("run_failed:", "critical"), ("run_failed:", "ok")]
    assert place.store.alerts.stuck() == []
    assert {post.headers["webhook-id"] for post in place.hook.posts[:-1]} == {
        place.hook.posts[0].headers["webhook-id"]
    }


def test_a_mute_channel_is_told_at_its_end_what_is_still_news(place: Place) -> None:
    (ops,) = place.settings.alerts.channels
    place.channels(replace(ops, mute_until=dt.date(2026, 3, 3)))
    place.broken()
    place.ended()
    place.ended()  # it came and went while nobody listened
    place.broken()
    assert place.hook.posts == []
    place.now = dt.datetime(2026, 3, 3, tzinfo=dt.UTC)
    place.look()
    assert [
        (post.document["data"]["level"], post.document["data"]["transition"]) for post in place.hook.posts
    ] == [("critical", 3)]


def test_what_came_and_went_while_a_channel_was_mute_is_not_told(place: Place) -> None:
    (ops,) = place.settings.alerts.channels
    place.channels(replace(ops, mute_until=dt.date(2026, 3, 3)))
    place.broken()
    place.ended()
    place.ended()
    place.now = dt.datetime(2026, 3, 3, tzinfo=dt.UTC)
    place.look()
    assert place.hook.posts == []


def test_frozen_writes_are_told_at_once_and_a_stopped_connection_is_not_its_fault(place: Place) -> None:
    place.store.decisions.freeze("", at=NOW, by="canary@example.com", reason="canary")
    place.look()
    assert place.hook.told == [("frozen:", "warning")]
    assert b"canary" not in place.hook.posts[0].body
    place.store.decisions.thaw("", at=NOW, by="canary@example.com")
    for _ in range(3):
        place.now += dt.timedelta(minutes=1)
        place.look()
    assert place.hook.told == [("frozen:", "warning"), ("frozen:", "ok")]


HOOK = HookSettings("https://example.org", Secret.parse("env:X", folder=Path()))


@limits(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([Level.WARNING, Level.CRITICAL]),
            st.none() | st.lists(st.sampled_from(list(AlertKind)), max_size=3).map(tuple),
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(list(AlertKind)),
)
def test_failures_always_reach_somebody(
    filters: list[tuple[Level, tuple[AlertKind, ...] | None]], kind: AlertKind
) -> None:
    channels = tuple(
        ChannelSettings(f"c{n}", ChannelKind.WEBHOOK, HOOK, minimum, triggers)
        for n, (minimum, triggers) in enumerate(filters)
    )
    found = told(AlertSettings(channels), kind, before=Level.OK, after=Level.WARNING)
    wanted = [
        c for c in channels if c.minimum is Level.WARNING and (c.triggers is None or kind in c.triggers)
    ]
    if kind in ("run_failed", "connection_failed", "rejected", "given_up") and not wanted:
        assert found == list(channels)
    else:
        assert found == wanted
