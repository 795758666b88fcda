"""Schedules in the config: read with their defaults, and every mistake told with its line and its mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.config import Blackout, Missed, ScheduleSettings
from tests.sync.config.platforms import load_text, problems_of

BASE = """
[business]
zone = "Europe/Berlin"
[connections.shop]
platform = "files"
destination = false
url = "file:exports"
[connections.newsletter]
platform = "letters"
api_key = "env:LETTERS_KEY"
list = "a36b032126"
[connections.sink]
platform = "letters"
source = false
api_key = "env:LETTERS_KEY"
list = "b"
"""


def schedules(folder: Path, text: str) -> dict[str, ScheduleSettings]:
    return dict(load_text(folder, BASE + text).schedules)


def test_schedules_are_read_with_their_defaults(tmp_path: Path) -> None:
    found = schedules(
        tmp_path,
        """
[schedules.nightly]
cron = "30 2 * * *"
[schedules.often]
every = "15 minutes"
zone = "America/New_York"
jitter = "2 minutes"
blackout = ["22:00-06:00", "12:00 – 13:30"]
missed = "skip"
pull = ["shop"]
segments = ["vip", "loyalty"]
push = false
[schedules.then]
after = "pull of newsletter"
[schedules.last]
after = "nightly"
pull = "all"
segments = []
""",
    )
    assert found["nightly"] == ScheduleSettings("nightly", cron="30 2 * * *", zone="Europe/Berlin")
    assert found["often"] == ScheduleSettings(
        "often",
        every_s=900,
        zone="America/New_York",
        jitter_s=120,
        blackout=(Blackout(22 * 60, 6 * 60), Blackout(12 * 60, 13 * 60 + 30)),
        missed=Missed.SKIP,
        pull=("shop",),
        segments=("vip", "loyalty"),
        push=False,
    )
    assert (found["then"].after_pull, found["then"].pull, found["then"].segments) == ("newsletter", (), None)
    assert (found["last"].after_schedule, found["last"].pull) == ("nightly", None)
    assert found["often"].when == "every 15 minutes"
    assert found["nightly"].when == "30 2 * * * (Europe/Berlin)"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "nothing says when it runs; write one of cron, every, after"),
        ('cron = "0 2 * * *"\nevery = "1 hour"', "every: cron and every are both there"),
        ('cron = "0 2 * *"', "cron: must have five fields"),
        ('cron = "0 25 * * *"', "cron: is not understood: Bad hour"),
        ('cron = "0 0 30 2 *"', "cron: is not understood"),
        ('every = "a quarter"', 'every: must be a time such as "15 minutes"'),
        ('every = "0 minutes"', 'every: must be a time such as "15 minutes"'),
        (
            'every = "1 hour"\nzone = "Europe/Berlln"',
            'zone: there is no such time zone; did you mean "Europe/Berlin"',
        ),
        ('every = "1 hour"\njitter = "2 days"', "jitter: must be a day at most"),
        ('every = "1 hour"\nblackout = ["22-6"]', 'blackout[0]: must be hours such as "22:00-06:00"'),
        ('every = "1 hour"\nblackout = ["22:00-22:00"]', "blackout[0]: begins when it ends"),
        ('every = "1 hour"\nblackout = ["06:00-18:00", "18:00-06:00"]', "blackout: leaves no hour"),
        (
            'every = "1 hour"\nmissed = "one"',
            'missed: there is no such way to treat missed slots; did you mean "once"',
        ),
        ('every = "1 hour"\npull = ["shopp"]', 'pull[0]: there is no such source; did you mean "shop"'),
        ('every = "1 hour"\npull = ["sink"]', "pull[0]: there is no such source; known: newsletter, shop"),
        ('every = "1 hour"\npull = []\nsegments = []', "it neither pulls nor plans anything"),
        ('every = "1 hour"\nsegment = ["a"]', 'segment: unknown key; did you mean "segments"'),
        ('after = "pull of shopp"', 'after: there is no such source; did you mean "shop"'),
        ('after = "nightli"', 'after: must be "pull of CONNECTION" or the name of another schedule'),
        (
            'after = "pull of shop"\npull = ["shop"]',
            "after: what it follows is started by it again and again",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_mend(tmp_path: Path, text: str, told: str) -> None:
    config = BASE + "[schedules.mine]\n" + text + "\n"
    (problem,) = problems_of(tmp_path, config)
    assert told in problem
    line = int(problem.split(":")[1])
    key = told.split(":")[0].split("[")[0]
    shown = config.split("\n")[line - 1]
    assert shown.startswith("[schedules.mine]") or shown.startswith(key), shown


def test_schedules_in_a_circle_are_all_named(tmp_path: Path) -> None:
    text = """
[schedules.a]
after = "pull of shop"
pull = ["newsletter"]
[schedules.b]
after = "pull of newsletter"
pull = ["shop"]
[schedules.c]
after = "a"
[schedules.d]
cron = "0 2 * * *"
"""
    found = problems_of(tmp_path, BASE + text)
    assert [problem.split(": ")[1] for problem in found] == [
        "schedules.a.after",
        "schedules.b.after",
    ]
