"""Models in the config: read with their defaults, and every mistake told with its line and its mend."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.base import FieldType, StreamField
from rules.models.groups import Group
from rules.vocabulary import Type
from sync.config import ConfigError
from sync.config.modelling import (
    ChannelKinds,
    ChannelSettings,
    ClvSettings,
    ContactRules,
    EngagementSettings,
    LeadGroup,
    LeadSettings,
    LifecycleSettings,
    ModelSettings,
    OffersSettings,
    ProductTable,
    RfmSettings,
    SendTimeSettings,
)
from sync.vocabulary import build
from tests.sync.config.platforms import load_text, problems_of
from tests.sync.config.test_vocabulary import STREAMS, TWO, activity, contacts, text


def models(folder: Path, config: str) -> dict[str, ModelSettings]:
    return dict(load_text(folder, TWO + config).models)


def test_a_section_turns_a_model_on_and_needs_nothing_in_it(tmp_path: Path) -> None:
    assert models(tmp_path, "") == {}
    found = models(tmp_path, "[models.rfm]\n[models.lifecycle]\n[models.clv]\n")
    assert found == {"rfm": RfmSettings(), "lifecycle": LifecycleSettings(), "clv": ClvSettings()}
    assert found["rfm"].refit_s == dt.timedelta(days=90).total_seconds()
    assert (found["rfm"].force, RfmSettings().fixed_frequency, RfmSettings().activity) == (
        False,
        True,
        "purchase",
    )


def test_every_setting_is_read(tmp_path: Path) -> None:
    found = models(
        tmp_path,
        """
[models.rfm]
activity = "booking"
amount = "price"
free_orders = true
refit = "30 days"
force = true
fixed_frequency = false
[[models.rfm.group]]
name = "Best"
recency = [4, 5]
money = 5
[[models.rfm.group]]
name = "Others"
[models.engagement]
half_life = "14 days"
message = "letter"
[models.engagement.points]
email_click = 1.5
[models.lead]
within = "60 days"
fit_at_least = [8, 2]
engaged_at_least = [90, 50]
[models.lead.points.country]
DE = 10
[models.lead.filled]
country = "signed_up"
[[models.lead.group]]
features = ["country"]
most = 8
[models.clv]
months = 6
margin = 0.4
discount = 0.02
[models.offers]
items = "lines"
[models.offers.table]
file = "shop/products.csv"
margin = "kept"
stock = "pieces"
[models.offers.contact]
most = 3
within = "14 days"
[models.send_time]
within = "2 days"
zone = ""
group = "country"
[models.channel]
half_life = "60 days"
[models.channel.channels.email]
[models.channel.channels.sms]
sent = "text_out"
""",
    )
    assert found == {
        "rfm": RfmSettings(
            activity="booking",
            amount="price",
            free_orders=True,
            refit_s=30 * 86_400,
            force=True,
            fixed_frequency=False,
            groups=(Group("Best", recency=(4, 5), money=(5, 5)), Group("Others")),
        ),
        "engagement": EngagementSettings(
            half_life_s=14 * 86_400, message="letter", points={"email_click": Decimal("1.5")}
        ),
        "lead": LeadSettings(
            features=("country",),
            points={"country": {"de": 10}},
            within_s=60 * 86_400,
            groups=(LeadGroup(("country",), 8),),
            filled={"country": "signed_up"},
            fit_at_least=(8, 2),
            engaged_at_least=(90, 50),
        ),
        "clv": ClvSettings(months=6, margin=Decimal("0.4"), discount=Decimal("0.02")),
        "offers": OffersSettings(
            items="lines",
            table=ProductTable(str(tmp_path / "shop/products.csv"), margin="kept", stock="pieces"),
            contact=ContactRules(most=3, within_s=14 * 86_400),
        ),
        "send_time": SendTimeSettings(within_s=2 * 86_400, zone="", group="country"),
        "channel": ChannelSettings(
            half_life_s=60 * 86_400,
            channels=(ChannelKinds.usual("email"), replace(ChannelKinds.usual("sms"), sent="text_out")),
        ),
    }


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("[models.rmf]", 'models.rmf: there is no such model; did you mean "rfm"?; there are rfm, lifecycle'),
        ("[models.rfm]\nrefit = '90d'", 'models.rfm.refit: must be a time such as "15 minutes"'),
        ("[models.rfm]\nedges = 3", "models.rfm.edges: unknown key"),
        ("[models.clv]\nmargin = 1.5", "models.clv.margin: must be a share between 0 and 1"),
        ("[models.clv]\nmonths = 0", "models.clv.months: must be between 1 and 60"),
        (
            "[models.engagement.points]\nemail_click = -1",
            "models.engagement.points.email_click: must be 0 or",
        ),
        (
            "[models.channel.channels.sms]",
            "models.channel.channels: names one channel; a preferred one can only be found among two or more",
        ),
        (
            "[models.channel.channels.sms]\nsend = 'text_out'\n[models.channel.channels.email]",
            'models.channel.channels.sms.send: unknown key; did you mean "sent"?',
        ),
        ("[models.send_time]\nwithin = 'soon'", "models.send_time.within: must be a time such as"),
        ("[models.lead]", "models.lead: features names the facts that tell who somebody is"),
        (
            "[models.lead]\nfeatures = ['country']\n[models.lead.points.city]\nrome = 3",
            'models.lead.points: "city" has points, but is none of the features',
        ),
        (
            "[models.lead]\nfeatures = ['city']\nfit_at_least = [5, 5]",
            "models.lead.fit_at_least: must be two whole numbers, the higher one first, such as [20, 5]",
        ),
        (
            "[models.lead]\nfeatures = ['city']\nengaged_at_least = 7",
            "models.lead.engaged_at_least: must be two whole numbers, the higher one first",
        ),
        (
            "[models.lead]\nfeatures = ['city']\n[models.lead.filled]\ncounty = 'city_at'",
            'models.lead.filled.county: "county" is none of the features',
        ),
        (
            "[models.lead]\nfeatures = ['city']\n[[models.lead.group]]\nfeatures = ['county']\nmost = 1",
            'models.lead.group[0].features: "county" is none of the features',
        ),
        (
            "[models.lead]\nfeatures = ['city']\n[[models.lead.group]]\nfeatures = ['city']",
            "models.lead.group[0]: most says how many points the features of this group have together",
        ),
        (
            "[models.lead.points.city]\nrome = 'many'",
            "models.lead.points.city.rome: must be a whole number, not a text",
        ),
        ("[models.offers.table]\nmargin = 'kept'", "models.offers.table: file is missing"),
        ("[models.offers.contact]\nsends = 2", "models.offers.contact.sends: unknown key; did you mean"),
        ("[models]\nrfm = true", "models.rfm: must be a section, not true or false"),
        (
            "[[models.rfm.group]]\nname = 'Best'\nrecency = [5, 4]",
            "models.rfm.group[0].recency: must be one score, or the lowest and the highest, such as [4, 5]",
        ),
        (
            "[[models.rfm.group]]\nname = 'Best'\nrecency = 'high'",
            "models.rfm.group[0].recency: must be one score, or the lowest and the highest, such as [4, 5];"
            " scores are 1 to 5, not a text",
        ),
        (
            "[[models.rfm.group]]\nname = 'Best'\nrecency = 5",
            "models.rfm.group: no group fits recency 1, frequency 1, money 1 (100 of 125 combinations",
        ),
        (
            "[[models.rfm.group]]\nname = 'Best'\n[[models.rfm.group]]\nname = 'best'",
            "models.rfm.group[1].name: another group has this name",
        ),
    ],
)
def test_a_mistake_is_told_with_its_mend(tmp_path: Path, section: str, message: str) -> None:
    (problem,) = problems_of(tmp_path, TWO + section)
    assert message in problem
    assert problem.startswith("config.toml:")


def test_facts_of_models_are_names_with_type_unit_and_version(tmp_path: Path) -> None:
    settings = load_text(tmp_path, TWO + "[models.rfm]\n[models.clv]\nmonths = 6\n")
    vocabulary, specs = build(settings, STREAMS, models={"rfm": 3})
    assert vocabulary.fields["rfm.group"].type is Type.TEXT
    assert vocabulary.fields["rfm.group"].sources == ("model rfm, version 3",)
    worth = vocabulary.fields["clv_6m"]
    assert (worth.type, worth.unit, worth.model) == (Type.MONEY, "EUR", "clv")
    assert worth.sources == ("model clv, not in use",)
    assert "rfm.group" not in {spec.name for spec in specs}  # no contact tells it


@pytest.mark.parametrize(
    ("section", "messages"),
    [
        (
            "[models.rfm]\nactivity = 'purchases'",
            ('models.rfm.activity: no connection gives the activity "purchases"; did you mean "purchase"?',),
        ),
        (
            "[models.rfm]\namount = 'total'",
            ('models.rfm.amount: the activity "purchase" has no field "total"',),
        ),
        (
            "[models.rfm]\nactivity = 'email_click'\namount = 'url'",
            ("models.rfm.amount: email_click.url is text, not money",),
        ),
        (
            "[models.engagement]",
            ('models.engagement.sent: no connection gives the activity "email_sent"',),
        ),
        (
            "[models.engagement]\nsent = 'purchase'\n[models.engagement.points]\npage_visit = 2",
            ('models.engagement.points.page_visit: no connection gives the activity "page_visit"',),
        ),
        (
            "[models.offers.contact]\nsent = 'email_send'",
            ('models.offers.contact.sent: no connection gives the activity "email_send"',),
        ),
        (
            "[models.lead]\nfeatures = ['countri']\ncreated = 'first_name'\n"
            "[models.lead.filled]\ncountri = 'x'",
            (
                'models.lead.features[0]: there is no fact "countri"; did you mean "country"?',
                'models.lead.created: "first_name" is text; date or datetime is needed here',
                'models.lead.filled.countri: there is no fact "x"',
            ),
        ),
        (
            "[models.send_time]\nclick = 'purchase'\nzone = 'contry'\ngroup = 'rfm.group'",
            (
                'models.send_time.sent: no connection gives the activity "email_sent"',
                'models.send_time.zone: there is no fact "contry"; did you mean "country"?',
                'models.send_time.group: there is no fact "rfm.group"',
            ),
        ),
        (
            "[models.channel.channels.email]\nsent = 'purchase'\n"
            "[models.channel.channels.sms]\nclick = 'purchase'",
            ('models.channel.channels.sms.sent: no connection gives the activity "sms_sent"',),
        ),
        (
            "[models.lifecycle]\n[fields.lifecycle]\nfrom = ['shop.first']",
            ('models.lifecycle: it gives the fact "lifecycle", but that has another meaning already',),
        ),
    ],
)
def test_a_model_of_what_is_not_there_is_told_where_it_is_written(
    tmp_path: Path, section: str, messages: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        build(load_text(tmp_path, TWO + section), STREAMS)
    told = [str(problem) for problem in caught.value.problems]
    assert [message in one for message, one in zip(messages, told, strict=True)] == [True] * len(messages)


def test_hours_are_those_of_the_business_where_nothing_else_is_said(tmp_path: Path) -> None:
    config = TWO.replace("[business]\n", '[business]\nzone = "Europe/Vienna"\n') + "[models.send_time]\n"
    found = load_text(tmp_path, config).models
    assert found["send_time"] == SendTimeSettings(home="Europe/Vienna")


def test_a_group_may_be_the_fact_of_another_model_that_is_on(tmp_path: Path) -> None:
    config = "[models.send_time]\nsent = 'purchase'\nclick = 'purchase'\ngroup = 'rfm.group'\n[models.rfm]\n"
    vocabulary, _ = build(load_text(tmp_path, TWO + config), STREAMS)
    assert vocabulary.fields["send_hour"].type is Type.NUMBER


def test_a_column_with_the_name_of_a_models_fact_is_told(tmp_path: Path) -> None:
    streams = {
        "rfm": contacts(text("group")),
        "shop": activity("purchase", StreamField("amount", FieldType.MONEY)),
    }
    config = "[connections.rfm]\nplatform = 'files'\nurl = 'file:.'\n[models.rfm]\n"
    with pytest.raises(ConfigError) as caught:
        build(load_text(tmp_path, config), streams)
    assert ['it gives the fact "rfm.group"' in str(one) for one in caught.value.problems] == [True]
