"""The demo's people: real purchase histories, everything else made up, the same on every machine."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pandas as pd
import pytest

from connectors.mailchimp.simulator import MailchimpSimulator
from sync.demo import data, histories, newsletter
from sync.demo.accounts import seed_newsletter
from sync.demo.data import BAD_EMAILS, BAD_ORDERS, DUPLICATE_CUSTOMERS, DemoData, make
from sync.demo.elsewhere import HABITS, Wish
from sync.demo.files import write_tables
from sync.demo.histories import HistoriesMissing, Selection, chosen

AS_OF = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def demo() -> DemoData:
    return make(as_of=AS_OF)


def raw() -> pd.DataFrame:
    """The sample as pandas reads it: the second, independent way."""
    names = ["customer", "sample", "day", "items", "total"]
    text = {"customer": str, "day": str, "total": str}
    path = histories.path_of(Selection.SAMPLE)
    frame = pd.read_csv(path, sep=r"\s+", header=None, names=names, dtype=text)  # type: ignore[call-overload]
    frame["day"] = pd.to_datetime(frame["day"])
    assert isinstance(frame, pd.DataFrame)
    return frame


def test_the_orders_are_the_real_ones_with_their_days_moved(demo: DemoData) -> None:
    frame = raw()
    shift = pd.Timestamp(AS_OF.date()) - pd.Timedelta(days=1) - frame["day"].max()
    expected = Counter(
        (f"C{c}", (day + shift).date(), int(items), total)
        for c, day, items, total in zip(frame.customer, frame.day, frame["items"], frame.total, strict=True)
    )
    made = Counter((o.customer, o.at.date(), o.items, str(o.total)) for o in demo.orders)
    assert made == expected
    assert len(demo.orders) == 6919
    assert len({order.id for order in demo.orders}) == 6919


def test_the_last_order_is_on_the_day_before_the_run(demo: DemoData) -> None:
    assert max(order.at for order in demo.orders).date() == dt.date(2026, 3, 1)
    just_after_midnight = make(as_of=dt.datetime(2026, 3, 2, 0, 0, 1, tzinfo=dt.UTC))
    assert just_after_midnight.orders == demo.orders


def test_nothing_happens_after_the_run(demo: DemoData) -> None:
    for as_of in (AS_OF, AS_OF.replace(hour=0)):
        seen = make(as_of=as_of)
        assert max(a.at for c in seen.campaigns for a in c.activity) < as_of
        assert max(m.changed_at for m in seen.members) < as_of
        assert max(at for c in seen.campaigns for _, at in c.left) < as_of


def test_there_are_as_many_people_as_histories_each_with_an_address_of_its_own(demo: DemoData) -> None:
    assert len(demo.customers) == 2357
    good = [c.email for c in demo.customers if c.email not in BAD_EMAILS]
    assert len(set(good)) == 2357 - len(BAD_EMAILS)
    assert all(
        email.endswith("@example.com") and email.isascii() and email == email.lower() for email in good
    )


def test_all_of_them_are_23570_and_a_person_is_the_same_in_both_sets(demo: DemoData) -> None:
    everyone = make(as_of=AS_OF, people=Selection.ALL)
    assert (len(everyone.customers), len(everyone.orders)) == (23570, 69659)
    known = {customer.id: customer for customer in everyone.customers}
    same = [c for c in demo.customers if c.email not in BAD_EMAILS and known[c.id].email not in BAD_EMAILS]
    assert len(same) > 2340
    assert all(known[customer.id] == customer for customer in same)


def test_the_data_are_the_same_every_time_and_in_every_process(demo: DemoData) -> None:
    code = (
        "import datetime as dt, zlib; from sync.demo.data import make;"
        "print(zlib.crc32(repr(make(as_of=dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC))).encode()))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[3],
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_the_shares_of_consent_are_those_documented(demo: DemoData) -> None:
    counted = Counter(member.status for member in demo.members)
    share = {status: n / len(demo.customers) for status, n in counted.items()}
    assert share["subscribed"] == pytest.approx(0.70, abs=0.03)
    assert share["unsubscribed"] == pytest.approx(0.12, abs=0.02)
    assert all(share[status] > 0.01 for status in ("pending", "cleaned", "transactional"))
    assert len(demo.members) / len(demo.customers) == pytest.approx(0.90, abs=0.03)


def test_one_in_a_hundred_is_spelled_differently_on_the_newsletter(demo: DemoData) -> None:
    shop = {customer.email for customer in demo.customers}
    other = [m.address for m in demo.members if m.address not in shop]
    assert 10 <= len(other) <= 40
    assert all(address.lower() in shop for address in other)


def test_who_left_gets_nothing_afterwards_and_who_bought_lately_reads_more(demo: DemoData) -> None:
    left = {m.address: m.changed_at for m in demo.members if m.left_by}
    for campaign in demo.campaigns:
        assert all(campaign.sent_at <= left[a] for a in campaign.recipients if a in left)
        assert {a.address for a in campaign.activity} <= set(campaign.recipients)
        assert len(campaign.recipients) == len(set(campaign.recipients))
    last_order = {c.email: max(o.at for o in demo.orders if o.customer == c.id) for c in demo.customers[:800]}
    newest = demo.campaigns[-1]
    opened = {a.address for a in newest.activity if a.action == "open"}

    def rate(recently: bool) -> float:
        limit = AS_OF - dt.timedelta(days=90)
        group = [a for a in newest.recipients if a in last_order and (last_order[a] > limit) is recently]
        return len(opened & set(group)) / len(group)

    assert rate(True) > 2 * rate(False)


def test_the_files_hold_every_row_and_the_documented_bad_ones(demo: DemoData, tmp_path: Path) -> None:
    write_tables(demo, tmp_path)
    customers = pd.read_csv(tmp_path / "customers.csv", dtype=str, keep_default_na=False)
    orders = pd.read_csv(tmp_path / "orders.csv", dtype=str, keep_default_na=False)
    assert len(customers) == 2357 + DUPLICATE_CUSTOMERS
    assert customers.customer_id.duplicated().sum() == DUPLICATE_CUSTOMERS
    assert set(customers.email[~customers.email.str.contains("@example.com")]) == set(BAD_EMAILS)
    assert len(orders) == 6919 + BAD_ORDERS
    times = pd.to_datetime(orders.ordered_at, errors="coerce", utc=True)
    totals = pd.to_numeric(orders.total, errors="coerce")
    assert (times.isna() | totals.isna()).sum() == BAD_ORDERS
    assert round(totals[: len(demo.orders)].sum(), 2) == float(sum(o.total for o in demo.orders))


def test_the_newsletter_is_seeded_with_members_campaigns_and_what_they_did(demo: DemoData) -> None:
    simulator = MailchimpSimulator(now=lambda: AS_OF)
    seed_newsletter(simulator, demo)
    assert len(simulator.audience.members) == len(demo.members)
    status = Counter(m.status for m in simulator.audience.members.values())
    assert status == Counter(m.status for m in demo.members)
    did = sum(len(d) for c in simulator.campaigns.values() for d in c.recipients.values())
    assert did == sum(len(c.activity) for c in demo.campaigns)
    assert len(simulator.campaigns) == 12


def test_everybody_elsewhere_is_one_of_the_shops_people_with_the_documented_differences(
    demo: DemoData,
) -> None:
    shop = {customer.email: customer for customer in demo.customers if customer.email not in BAD_EMAILS}
    assert set(demo.elsewhere) == set(HABITS) == {"hub", "crm", "shop-mail"}
    for name, habits in HABITS.items():
        known = demo.elsewhere[name]
        assert {contact.address.lower() for contact in known} <= set(shop)
        assert len({contact.address.lower() for contact in known}) == len(known)
        assert len(known) / len(shop) == pytest.approx(habits.known / 100, abs=0.03)
        left = sum(contact.wish is Wish.LEFT for contact in known)
        assert left / len(known) == pytest.approx(habits.left / 100, abs=0.03)
        assert any(contact.address.isupper() for contact in known)
        names = [shop[contact.address.lower()].first_name != contact.first_name for contact in known]
        assert 0 < sum(names) < len(names) / 2
        cities = [shop[contact.address.lower()].city != contact.city for contact in known]
        assert 0 < sum(cities) < len(cities) / 4
    overlap: list[set[str]] = [{one.address.lower() for one in own} for own in demo.elsewhere.values()]
    assert set.intersection(*overlap)  # some are known everywhere
    assert set(shop).difference(*overlap)  # and some to the shop at most


def test_any_number_of_people_is_the_same_people_every_time() -> None:
    few, more = make(as_of=AS_OF, people=150), make(as_of=AS_OF, people=300)
    assert (len(few.customers), len(more.customers)) == (150, 300)
    known = {customer.id: customer for customer in more.customers}
    good = [customer for customer in few.customers if customer.email not in BAD_EMAILS]
    same = [customer for customer in good if known[customer.id] == customer]
    assert len(same) >= len(good) - len(BAD_EMAILS)  # whose address is none differs by the set
    assert make(as_of=AS_OF, people=150) == few


def test_more_people_than_histories_take_the_histories_of_others() -> None:
    read = list(histories.read(23_570 + 40))
    by_customer: dict[str, list[tuple[dt.date, int, str]]] = {}
    for one in read:
        by_customer.setdefault(one.customer, []).append((one.day, one.items, str(one.total)))
    assert len(by_customer) == 23_570 + 40
    assert read[:69_659] == list(histories.read(Selection.ALL))
    real = {tuple(own) for customer, own in by_customer.items() if int(customer) <= 23_570}
    copies = [tuple(own) for customer, own in by_customer.items() if int(customer) > 23_570]
    assert set(copies) <= real
    assert len(set(copies)) > 30  # drawn from everybody


def test_many_people_get_fewer_campaigns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newsletter, "MANY_PEOPLE", 100)
    assert len(make(as_of=AS_OF, people=99).campaigns) == 12
    assert len(make(as_of=AS_OF, people=100).campaigns) == 3


@pytest.mark.parametrize("written", ["none", "-5", "0", "1e5", ""])
def test_what_is_no_number_of_people_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="sample or all or a number above 0"):
        chosen(written)


def test_without_the_histories_the_message_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(histories, "distribution", absent)
    with pytest.raises(HistoriesMissing, match=r"pip install --no-deps lifetimes==0\.11\.3"):
        make(as_of=AS_OF)


def test_reading_the_histories_imports_nothing_of_their_package() -> None:
    code = (
        "import sys, datetime as dt; from sync.demo.data import make;"
        "make(as_of=dt.datetime(2026, 3, 2, tzinfo=dt.UTC));"
        "assert not {'lifetimes', 'pandas', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        data.make(as_of=dt.datetime(2026, 3, 2))  # noqa: DTZ001
