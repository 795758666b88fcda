"""Which models are on and how they are made, as settings: frozen values, no calculation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from typing import ClassVar

from rules.models.groups import Group

DAY_S = 86_400
QUARTER_S = 90 * DAY_S


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What every model is told. `refit_s`: it is made anew so often; between, it stays as it is.

    `force`: use it although it is no better than the naive guess.
    """

    refit_s: int = QUARTER_S
    force: bool = False

    name: ClassVar[str]
    of_fit: ClassVar[frozenset[str]] = frozenset({"refit_s", "force"})
    """What does not change what a fit finds."""
    came_later: ClassVar[frozenset[str]] = frozenset()
    """What changes nothing while it is empty, so that versions from before it existed stay in use."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits of all that decides what a fit finds: another one makes a fit due."""
        told = {key: value for key, value in asdict(self).items() if key not in self.of_fit}
        content = {key: value for key, value in told.items() if value or key not in self.came_later}
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class OrderModel(ModelSettings):
    """A model of orders. `activity`: which kind is an order, `amount`: which of its fields its value.

    `free_orders`: what cost nothing is an order, too. What cost less than nothing (a refund) never is.
    """

    activity: str = "purchase"
    amount: str = "amount"
    free_orders: bool = False


@dataclass(frozen=True, slots=True)
class RfmSettings(OrderModel):
    """`fixed_frequency`: 1, 2, 3, 4 to 6, and 7 or more orders instead of fifths. `groups`: the first that
    fits gives the name; none: the table that ships."""

    fixed_frequency: bool = True
    groups: tuple[Group, ...] = ()

    name: ClassVar[str] = "rfm"
    of_fit: ClassVar[frozenset[str]] = frozenset({"refit_s", "force", "groups"})


@dataclass(frozen=True, slots=True)
class LifecycleSettings(OrderModel):
    """Nothing of its own: the limits are those of the store's gaps."""

    name: ClassVar[str] = "lifecycle"


@dataclass(frozen=True, slots=True)
class ClvSettings(OrderModel):
    """`months`: how far ahead. `margin`: the share of revenue that is kept. `discount`: a month's."""

    months: int = 12
    margin: Decimal = Decimal(1)
    discount: Decimal = Decimal("0.01")

    name: ClassVar[str] = "clv"


@dataclass(frozen=True, slots=True)
class ChurnSettings(OrderModel):
    """`days`: who does not order within so many is one who left."""

    days: int = 90

    name: ClassVar[str] = "churn"


@dataclass(frozen=True, slots=True)
class ProductTable:
    """A CSV file with a row per item, and its columns. `margin`: what a sale leaves, `cost`: what one offer
    costs, both in the base currency; `stock`: pieces. Without a column offers cost nothing, or there is
    enough of everything."""

    file: str  # absolute
    item: str = "item"
    margin: str = "margin"
    cost: str | None = None
    stock: str | None = None


@dataclass(frozen=True, slots=True)
class ContactRules:
    """Who was `sent` as many as `most` within so long is offered nothing, like who must not be written to."""

    sent: str = "email_sent"
    most: int = 2
    within_s: int = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class OffersSettings(OrderModel):
    """`items`: the field of an order that names what was bought, a text or a list. `most`: so many items are
    offered at most, those that most people bought. `table`: what offers are worth, None: it is not asked.
    `contact`: who is offered nothing now."""

    items: str = "products"
    most: int = 2_000
    table: ProductTable | None = None
    contact: ContactRules | None = None

    name: ClassVar[str] = "offers"
    of_fit: ClassVar[frozenset[str]] = frozenset({"refit_s", "force", "contact"})


@dataclass(frozen=True, slots=True)
class EngagementSettings(ModelSettings):
    """`sent`, `open`, `click`: the activity that tells so, `message`: its field that tells what was sent.
    `points`: of one activity by its kind, None: the usual ones of those there are. `half_life_s`: None: the
    one that best tells who clicks next is looked for."""

    sent: str = "email_sent"
    click: str = "email_click"
    open: str = "email_open"
    message: str = "campaign"
    points: Mapping[str, Decimal] | None = None
    half_life_s: int | None = None

    name: ClassVar[str] = "engagement"


@dataclass(frozen=True, slots=True)
class LeadGroup:
    """`features` whose points together are `most` at most."""

    features: tuple[str, ...]
    most: int


@dataclass(frozen=True, slots=True)
class LeadSettings(ModelSettings):
    """`features`: text facts that were known before the outcome. `points`: set by hand, by feature and value.
    `converted`: the activity that makes a lead a customer, within so long after `created`, a fact of time.
    `filled`: feature → the fact of time that tells when it was filled. `fit_at_least`: from how many points
    on a lead is A, and B, None: as the fit finds; `engaged_at_least`: from which engagement on 1, and 2."""

    features: tuple[str, ...] = ()
    points: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    converted: str = "purchase"
    created: str = "signed_up"
    within_s: int = QUARTER_S
    groups: tuple[LeadGroup, ...] = ()
    filled: Mapping[str, str] = field(default_factory=dict)
    fit_at_least: tuple[int, int] | None = None
    engaged_at_least: tuple[int, int] = (75, 25)

    name: ClassVar[str] = "lead"
    of_fit: ClassVar[frozenset[str]] = frozenset({"refit_s", "force", "fit_at_least", "engaged_at_least"})
    came_later: ClassVar[frozenset[str]] = frozenset({"groups", "filled"})


@dataclass(frozen=True, slots=True)
class SendTimeSettings(ModelSettings):
    """`sent`, `click`, `message`: as for engagement. `within_s`: a click so long after its delivery counts.
    `zone`: the text fact that names a person's time zone, None: `timezone` if there is such a fact, "":
    everybody lives in `home`, the business's zone. `group`: a text fact, also of another model; people with
    the same value of it are a group whose hours the personal ones are held near."""

    sent: str = "email_sent"
    click: str = "email_click"
    message: str = "campaign"
    within_s: int = 3 * DAY_S
    zone: str | None = None
    group: str | None = None
    home: str = "UTC"

    name: ClassVar[str] = "send_time"


@dataclass(frozen=True, slots=True)
class ChannelKinds:
    """One channel by the activity that tells what went on there. Bounces count until a later answer."""

    name: str
    sent: str
    click: str
    reply: str
    open: str
    bounce: str
    unsubscribe: str
    complaint: str

    @classmethod
    def usual(cls, name: str) -> ChannelKinds:
        """As kinds are usually called: `sms_sent`, `sms_click` …"""
        return cls(name, *(f"{name}_{each.name}" for each in fields(cls)[1:]))


@dataclass(frozen=True, slots=True)
class ChannelSettings(ModelSettings):
    """`channels`: None: every one of which there is both something sent and an answer, by the usual names of
    kinds. `half_life_s`: answers and deliveries fade so. `message`, `within_s`: as for the send time."""

    channels: tuple[ChannelKinds, ...] | None = None
    half_life_s: int = 30 * DAY_S
    message: str = "campaign"
    within_s: int = 3 * DAY_S

    name: ClassVar[str] = "channel"
