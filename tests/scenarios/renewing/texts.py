"""Rule files out of a seed: every form of the language, with windows in which things soon come and go."""

from __future__ import annotations

import random

SEGMENTS = 14
_PLAIN = (
    'country = "{country}"',
    'country != "{country}" or city is missing',
    "score >= {small} and not vip",
    "days since signed_up > {days}",
    "signed_up within last {days} days",
    "signed_up between 1 and {days} days ago",
    "signed_up this month",
    "birthday anniversary within next {few} days",
    "birthday before 1990-01-01 or birthday is today",
    "purchase within last {hours} hours",
    "never purchase last {days} days",
    "count(purchase) >= {few}",
    'count(purchase where sku = "{sku}", last {days} days) >= 1',
    "count(purchase, today) >= 1 or count(purchase, yesterday) >= 2",
    "count(purchase, last week) >= 1",
    "count(email_click, last {few} months) >= {few}",
    "sum(purchase.amount, last {days} days) >= {small}",
    "avg(purchase.amount, last {days} days) > {small}",
    "max(purchase.amount, this month) > {small}",
    "distinct(purchase.sku, last {days} days) >= 2",
    'list(purchase.sku, last {days} days) has any of ["{sku}", "cup"]',
    'latest(purchase.sku) = "{sku}"',
    'most frequent(purchase.sku, last {days} days) = "{sku}"',
    'earliest(email_click.link) = "/{sku}"',
    "days since purchase > {few}",
    "days since first purchase < {days}",
    'days since (purchase where sku = "{sku}") > {few}',
    "first purchase within last {days} days",
    "not last purchase within last {few} days",
    "last purchase today",
    "email_click then purchase within {few} days",
    'email_click then purchase where sku = "{sku}", last {days} days',
    "email_click not followed by purchase within {hours} hours, last {days} days",
    "purchase not followed by email_click",
    "purchase in at least {two} of the last 4 weeks",
    "purchase in at least 1 of the last 3 months",
    "stopped purchase for {few} days",
    "restarted purchase after {few} days",
    "restarted purchase after {few} days, last {days} days",
    "days since purchase > days since signed_up",
    "count(email_click, last {days} days) / count(purchase, last {days} days) > 0.5",
    "engagement >= {small}",
    "engagement > 5 and lasting_points >= 3",
    'any(contract where stage = "open")',
    'none(contract where stage = "open", last {days} days)',
    'count(contract where stage = "won") >= 1',
    'random 40% of "{sku}"',
    "suppressed",
)
_COMPARING = (
    "score in top {many}%",
    "score in bottom 3",
    "score in quintile {few5} by country",
    "sum(purchase.amount, last {days} days) in top {many}%",
    "sum(purchase.amount) in top {few}",
    "count(purchase, last {days} days) in quintile 5",
    "count(purchase) in top 20% by country",
    "avg(purchase.amount, last {days} days) in top {many}% by city",
    "days since purchase in bottom {many}%",
    "days since signed_up in top 4 by country",
    "days since email_click in quintile 1",
    "engagement in top {many}%",
)
_USING = (
    'in segment "{other}"',
    'not in segment "{other}" and score >= 2',
    'in segment "{other}" for {few} days',
    'in segment "{other}" for {hours} hours',
    'not in segment "{other}" for 1 month or vip',
    'in segment "{other}" and in segment "{another}" for 2 weeks',
    'in tier "life/{tier}" for {few} days',
    'not in tier "life/{tier}"',
)
_FIXED = """\
[[score]]
id = "engagement"
half_life = "7 days"
points = [
  { when = "email_click", points = 5, at_most_per_day = 1 },
  { when = "purchase where amount > 20 last 30 days", points = 8.5 },
  { if = "vip", points = 20 },
]
at_most = 60

[[score]]
id = "lasting_points"
points = [{ when = "purchase last 14 days", points = 3 }, { when = "email_click", points = 1 }]

[[tiers]]
id = "life"

[[tiers.tier]]
id = "fresh"
when = "signed_up within last 20 days"

[[tiers.tier]]
id = "buying"
when = "purchase within last 10 days"

[[tiers.tier]]
id = "others"
otherwise = true

"""


class Texts:
    """A rule file that is edited again and again."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.segments: dict[str, str] = {}  # id → its text, each after those it uses
        for _ in range(SEGMENTS):
            self._draw(f"s{len(self.segments)}")

    def file(self) -> str:
        """All of it."""
        return _FIXED + "\n".join(self.segments.values())

    def edit(self) -> None:
        """One rule becomes another, or the last one goes, or one comes."""
        what = self.chance.choice(("another", "another", "gone", "come"))
        if what == "gone" and len(self.segments) > 6:
            self.segments.popitem()
        elif what == "come" and len(self.segments) < SEGMENTS + 4:
            self._draw(f"s{len(self.segments)}")
        else:
            self._draw(self.chance.choice(list(self.segments)))

    def _draw(self, name: str) -> None:
        place = int(name[1:])
        lines = ["[[segment]]", f'id = "{name}"', f"when = '''{self._condition(place)}'''", "to = []"]
        if self.chance.random() < 0.2:
            lines.append(f"""leave_when = '''{self._filled(self.chance.choice(_PLAIN), place)}'''""")
        if self.chance.random() < 0.2:
            lines.append(f'stay = "{self.chance.choice((1, 2, 10))} days"')
        self.segments[name] = "\n".join(lines) + "\n"

    def _condition(self, place: int) -> str:
        forms = [_PLAIN, _PLAIN, _COMPARING] + ([_USING, _USING] if place else [])
        text = self._filled(self.chance.choice(self.chance.choice(forms)), place)
        if self.chance.random() < 0.4:
            joined = self.chance.choice((" and ", " or ", " and not "))
            text = f"({text}){joined}({self._filled(self.chance.choice(_PLAIN), place)})"
        return text

    def _filled(self, text: str, place: int) -> str:
        choose = self.chance.choice
        return text.format(
            country=choose(("DE", "FR", "IT")),
            sku=choose(("tea", "cup", "hat")),
            small=choose((1, 3, 10, 25)),
            two=choose((1, 2)),
            few=choose((1, 2, 3)),
            few5=choose((1, 3, 5)),
            hours=choose((1, 5, 24, 48)),
            days=choose((2, 7, 14, 30)),
            many=choose((10, 25, 60)),
            other=f"s{self.chance.randrange(max(place, 1))}",
            another=f"s{self.chance.randrange(max(place, 1))}",
            tier=choose(("fresh", "buying", "others")),
        )
