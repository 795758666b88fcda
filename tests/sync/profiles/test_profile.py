"""Profiles from counts: what is told, what is kept back for the sake of few people, and how it is said."""

from __future__ import annotations

import datetime as dt

import pytest

from rules.models.traits import Moments
from rules.vocabulary import Field, Type, Vocabulary
from sync.fields import FieldSpec
from sync.profiles.columns import Category, Number, Part, columns
from sync.profiles.figures import Counts, Level, Measure
from sync.profiles.persona import sentence
from sync.profiles.profile import Profile, document, profile

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
SPEND = Number("spend", "spend", Part.VALUE, "spend", "EUR")
AGE = Number("age", "age", Part.WHO, "age", "years")
COUNTRY = Category("country", "country", Part.WHO, "")


def made(
    inside: int, everybody: int = 1000, *, with_age: int = 100, german: int = 80, spend: float = 90.0
) -> Profile:
    mine = {
        "spend": Measure(Moments(inside, spend, 400.0), 85.0),
        "age": Measure(Moments(with_age, 41.0, 100.0), 40.0),
    }
    all_ = {
        "spend": Measure(Moments(everybody, 50.0, 900.0), 45.0),
        "age": Measure(Moments(everybody, 41.5, 110.0), 41.0),
    }
    return profile(
        "best",
        "Best",
        as_of=NOW,
        size=inside,
        trend=[],
        inside=Counts(inside, mine, (german,)),
        everybody=Counts(everybody, all_, (300,)),
        numbers=[SPEND, AGE],
        levels=[Level(COUNTRY, "DE", 300)],
    )


def test_a_profile_says_in_a_sentence_what_its_numbers_say() -> None:
    found = made(100)
    assert [(one.feature, one.level) for one in found.traits] == [("country", "DE"), ("spend", None)]
    assert found.traits[0].size == pytest.approx(80 / 100 / 0.3)
    assert found.traits[1].size == pytest.approx((90 - 50) / 30)
    assert sentence(found) == (
        "100 people, 10.0 % of 1,000. Set apart by: country DE, high spend."
        " Typical: age 40 (median), country DE (80.0 %). Total spend: 9,000 EUR, 18.0 % of everybody's."
    )


@pytest.mark.parametrize(("inside", "everybody"), [(29, 1000), (0, 1000), (971, 1000), (0, 0)])
def test_nothing_but_the_size_is_told_of_few_people_or_of_all_but_a_few(inside: int, everybody: int) -> None:
    told = document(made(inside, everybody), sentence="")
    assert told["size"] == inside
    assert str(30) in told["hidden"]
    assert sentence(made(1)).startswith("1 person, 0.1 % of 1,000.")
    assert not {"numbers", "levels", "apart"} & set(told)


def test_of_thirty_and_of_all_it_is_told() -> None:
    for inside in (30, 970, 1000):
        assert made(inside, with_age=30, german=30).hidden is None


def test_a_number_or_level_that_few_of_them_have_is_kept_back() -> None:
    told = document(made(100, with_age=29, german=29), sentence="")
    assert [one["fact"] for one in told["numbers"]] == ["spend"]
    assert told["levels"] == []


def test_a_level_that_few_others_have_is_kept_back() -> None:
    """300 have it in all: everybody's share minus the segment's would tell of the few who are not in it."""
    for german, told in ((270, True), (271, False), (299, False), (300, True)):
        found = document(made(400, german=german), sentence="")
        assert bool(found["levels"]) is told, german
        assert any(one["level"] == "DE" for one in found["apart"]) is told, german


def test_a_total_has_no_digits_that_its_mean_does_not_know() -> None:
    told = document(made(351, spend=98.2792877), sentence="")  # of 34,496.03 in all, to nine digits
    assert [one["total"] for one in told["numbers"] if one["fact"] == "spend"] == [34496.03]


def test_what_names_or_reaches_a_person_is_never_looked_at_whatever_a_platform_calls_it() -> None:
    text = ["email", "first_name", "postcode", "country", "crm.MailingStreet", "crm.FNAME", "crm.Tier"]
    text += ["crm.Id", "crm.Country", "crm.Nick", "crm.OwnerId", "crm.ReportsToID", "crm.Paid"]
    fields = {name: Field(name, Type.TEXT) for name in text}
    specs = [
        FieldSpec(name=name, type=Type.TEXT, sources=((name.split(".")[0], name.split(".")[1]),))
        for name in text
        if "." in name
    ]
    specs.append(FieldSpec(name="country", type=Type.TEXT, sources=(("crm", "Country"),)))
    specs.append(FieldSpec(name="first_name", type=Type.TEXT, sources=(("crm", "Nick"),)))
    found = columns(
        Vocabulary(fields, {}), specs, people="people", activity={}, links="links", there=text, as_of=NOW
    )
    assert [one.name for one in found.categories] == ["country", "crm.Tier", "crm.Paid", "connection"]
