"""What is measured over time in the config: read with its defaults, every mistake told with its mend."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.base import FieldType, StreamField
from sync.config import ConfigError, load
from sync.config.measuring import Campaign, CampaignSettings, Each, MeasuringSettings, ScaleSettings
from sync.vocabulary import build
from tests.sync.config.platforms import load_text, problems_of
from tests.sync.config.test_example import EXAMPLE
from tests.sync.config.test_vocabulary import STREAMS, TWO, activity, contacts, text

SPRING = """
[[campaigns.campaign]]
name = "spring"
started = 2026-03-02
segment = "vip"
holdout = "quiet"
cost = 67.20
"""


def test_every_setting_is_read_and_times_are_those_of_the_zone(tmp_path: Path) -> None:
    assert load_text(tmp_path, "").measuring == MeasuringSettings()
    found = load_text(
        tmp_path,
        TWO.replace('currency = "EUR"', 'zone = "Europe/Berlin"')
        + '[kpis]\neach = "run"\n[satisfaction.nps]\nfact = "shop.score"\n[satisfaction.csat]\n'
        + 'activity = "answered"\nfield = "stars"\nasked = "asked"\nwithin = "90 days"\n'
        + '[campaigns]\nmargin = 0.4\nsent = "email_sent"\nmessage = "mail"\ncost = "price"\n'
        + SPRING.replace("cost = 67.20", "share = 0.1\neach = 3\nwithin = '14 days'"),
    ).measuring
    started = dt.datetime(2026, 3, 1, 23, tzinfo=dt.UTC)
    spring = Campaign(
        "spring", started, "vip", "quiet", share=Decimal("0.1"), each=Decimal(3), within_s=14 * 86_400
    )
    assert found == MeasuringSettings(
        Each.RUN,
        {
            "nps": ScaleSettings(fact="shop.score"),
            "csat": ScaleSettings(None, "answered", "stars", "asked", 90 * 86_400),
        },
        CampaignSettings(Decimal("0.4"), "email_sent", "mail", "price", (spring,)),
    )
    assert spring.ends == started + dt.timedelta(days=14)


def test_the_example_that_is_commented_out_can_be_used(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").split("\n")
    start = next(place for place, line in enumerate(lines) if line.startswith("# [satisfaction.nps]"))
    end = next(place for place, line in enumerate(lines) if line.startswith("# each = 0.03"))
    used = [re.sub(r"^# ", "", line) for line in lines[start : end + 1]]
    (tmp_path / "config.toml").write_text("\n".join(used), encoding="utf-8")
    found = load(tmp_path / "config.toml").measuring
    assert found.satisfaction["nps"].asked == "survey_sent"
    assert found.campaigns.campaigns[0].each == Decimal("0.03")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('[kpis]\neach = "hour"', "no such time to measure"),
        ("[satisfaction.nps]", "either fact"),
        ('[satisfaction.nps]\nfact = "a"\nactivity = "b"\nfield = "c"', "either fact"),
        ('[satisfaction.csat]\nactivity = "b"', "field is missing"),
        ('[satisfaction.npz]\nfact = "a"', 'did you mean "nps"?'),
        ('[campaigns]\ncost = "cost"', "say which activity that is"),
        (SPRING.replace('holdout = "quiet"', ""), "nothing else tells what the campaign earned"),
        (SPRING.replace("cost = 67.20", ""), "the cost is missing"),
        (SPRING.replace("cost = 67.20", "cost = 0"), "must be more than 0"),
        (SPRING.replace("2026-03-02", '"2026-03-02"'), "without quotes"),
        (SPRING.replace("started = 2026-03-02", ""), "started is missing"),
        (SPRING + 'holdout_fact = "lot"', "belong together"),
        (SPRING + "share = 1", "somebody must be held out"),
        (SPRING + SPRING, "another campaign has this name"),
    ],
)
def test_a_mistake_is_told_with_its_mend(tmp_path: Path, written: str, words: str) -> None:
    assert any(words in problem for problem in problems_of(tmp_path, TWO + written))


def test_what_is_named_must_be_there_and_of_its_type(tmp_path: Path) -> None:
    settings = load_text(
        tmp_path,
        TWO + '[satisfaction.nps]\nfact = "cuntry"\n[satisfaction.csat]\nactivity = "email_click"\n'
        'field = "url"\nasked = "survey"\n[campaigns]\nsent = "sent"\ncost = "url"\n'
        + SPRING.replace('holdout = "quiet"', 'holdout_fact = "shop.first"\nholdout_value = "x"'),
    )
    streams = {
        **STREAMS,
        "newsletter": contacts(text("Land"))
        + activity("email_click", text("url"))
        + activity("sent", text("url"), StreamField("campaign", FieldType.NUMBER)),
    }
    with pytest.raises(ConfigError) as raised:
        build(settings, streams)
    told = {problem.key: problem.message for problem in raised.value.problems}
    assert told.keys() == {
        "satisfaction.nps.fact", "satisfaction.csat.field", "satisfaction.csat.asked",
        "campaigns.message", "campaigns.cost",
    }  # fmt: skip
    assert 'did you mean "country"?' in told["satisfaction.nps.fact"]
    assert "number is needed here" in told["satisfaction.csat.field"]
    assert "money is needed here" in told["campaigns.cost"]
