"""`segsync packs` on the demo: what is added is right, is found by pandas as well, and is sent nowhere."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from rules.language import sent
from rules.packs import pack
from sync.run.workspace import Workspace
from tests.scenarios.company import Answer, command


@dataclass
class Shop:
    """The demo's store under a config of its own, with a fresh copy of the rules folder."""

    config: Path
    rules: Path

    def __call__(self, *words: str) -> Answer:
        return command(*words, config=self.config)


@pytest.fixture
def shop(demo_config: Path, tmp_path: Path) -> Iterator[Shop]:
    config, rules = demo_config.parent / f"{tmp_path.name}.toml", tmp_path / "rules"
    shutil.copytree(demo_config.parent / "rules", rules)
    text = demo_config.read_text()
    assert 'rules_dir = "rules"' in text
    config.write_text(text.replace('rules_dir = "rules"', f'rules_dir = "{rules}"'))
    yield Shop(config, rules)
    config.unlink()


@pytest.fixture(scope="module")
def orders(demo_config: Path) -> pd.DataFrame:
    """Every order of the demo, as the store has it."""
    with Workspace.open(demo_config) as workspace:
        lake = workspace.store.lake
        database = lake.connect()
        frame = database.sql(
            f'SELECT person, epoch_us("at") AS at, amount FROM {lake.relation("activity", "purchase")}'
        ).df()
        database.close()
    assert isinstance(frame, pd.DataFrame)
    return frame


def sizes(shop: Shop) -> dict[str, int]:
    found = shop("check", "--data", "--format", "json")
    assert found.code == 0, found.said
    return {one["segment"]: one["people"] for one in found.document["sizes"]}


def quintile(values: pd.Series[int]) -> pd.Series[int]:
    """1 to 5: equal values alike, by how many are smaller."""
    return ((values.rank(method="min") - 1).astype(int) * 5 // len(values) + 1).astype(int)


def test_the_rfm_pack_is_added_right_and_its_groups_are_what_pandas_finds(
    shop: Shop, orders: pd.DataFrame
) -> None:
    added = shop("packs", "add", "rfm", "--format", "json")
    assert added.code == 0, added.said
    assert added.document["file"] == str(shop.rules / "pack-rfm.toml")
    assert set(added.document["segments"]) == set(pack("rfm").segments)
    rows = next(one["rows"] for one in added.document["needs"] if one["name"] == "purchase")
    assert rows == len(orders)
    assert (shop.rules / "pack-rfm.toml").read_text() == pack("rfm").rules
    ran = shop("test")
    assert (ran.code, "0 failed" in ran.out) == (0, True)

    paid = orders[orders["amount"] > 0].groupby("person").agg(last=("at", "max"), count=("at", "size"))
    paid["spend"] = orders.groupby("person")["amount"].sum()
    r, m = 6 - quintile(-paid["last"]), quintile(paid["spend"])
    often, once = paid["count"] >= 4, paid["count"] == 1
    group = pd.Series("dormant", index=paid.index)
    group[~once] = "at-risk"
    group[often & (r == 1)] = "previously-loyal"
    group[once & r.isin([2, 3])] = "almost-lost"
    group[~once & (r == 3)] = "needs-attention"
    group[~once & (r >= 4)] = "active"
    group[once & (r == 4)] = "promising"
    group[once & (r == 5)] = "new"
    group[often & (r >= 4)] = "loyal"
    group[often & (r == 5) & (m >= 4)] = "champions"
    expected = group.value_counts().to_dict()
    found = sizes(shop)
    people = shop("preview", "rfm-group/prospects", "--format", "json").document["people"]
    assert found["rfm-group/prospects"] == people - len(paid) == 8
    for name in pack("rfm").segments:
        if name.startswith("rfm-group/") and name != "rfm-group/prospects":
            assert found[name] == expected.get(name.removeprefix("rfm-group/"), 0), name
    greater = paid["spend"].rank(method="min", ascending=False) - 1
    assert found["top-spenders"] == ((greater * 20 < len(paid)) & ~once).sum()


def test_an_added_pack_is_sent_nowhere_until_somebody_names_a_connection(shop: Shop) -> None:
    done = shop("packs", "add", "lifecycle")
    assert done.code == 0, done.said
    assert 'to = ["newsletter"]' in done.out
    mine = {one.segment for one in sent(shop.rules)[0] if one.file == "pack-lifecycle.toml"}
    assert mine == set()
    file = shop.rules / "pack-lifecycle.toml"
    file.write_text(file.read_text().replace("to = []", 'to = ["newsletter"]', 1))
    assert {one.segment for one in sent(shop.rules)[0] if one.file == file.name} == {"second-order-due"} or {
        one.segment.split("/")[0] for one in sent(shop.rules)[0] if one.file == file.name
    } == {"customer-stage"}
    assert shop("check").code == 0


def test_the_list_tells_what_each_pack_needs_and_what_is_missing(shop: Shop) -> None:
    found = {one["name"]: one for one in shop("packs", "list", "--format", "json").document["packs"]}
    assert found["rfm"]["ready"]
    assert len(found["rfm"]["segments"]) == 12
    lacking = {
        name: {need["name"] for need in one["at_hand"] if need["state"] == "missing"}
        for name, one in found.items()
    }
    assert lacking["demographic"] == {"gender"}
    assert lacking["behavioural"] == {"page_view", "cart_add"}
    assert lacking["cross-sell"] == {"purchase.category"}
    nobody = {need["name"] for need in found["geographic"]["at_hand"] if need["state"] == "nobody has it"}
    assert nobody == {"postcode", "timezone"}
    text = shop("packs", "list").out
    assert re.search(r"rfm .* 12 .*purchase \(amount\) +✓", text)
    assert re.search(r"demographic .* missing: gender", text)


def test_shares_in_the_list_are_those_of_the_store(shop: Shop, demo_config: Path) -> None:
    with Workspace.open(demo_config) as workspace:
        lake = workspace.store.lake
        database = lake.connect()
        people = database.sql(f"SELECT birthday FROM {lake.relation('people')}").df()
        database.close()
    packs = shop("packs", "list", "--format", "json").document["packs"]
    needs = next(one["at_hand"] for one in packs if one["name"] == "demographic")
    share = next(one["share"] for one in needs if one["name"] == "birthday")
    assert share == people["birthday"].notna().mean()


def test_a_missing_field_is_named_with_what_mends_it(shop: Shop) -> None:
    before = sorted(shop.rules.iterdir())
    refused = shop("packs", "add", "demographic")
    assert refused.code == 1
    assert "gender (fact, text" in refused.err
    assert "--partly" in refused.err
    assert sorted(shop.rules.iterdir()) == before
    mend = "\n".join(line.strip() for line in refused.err.splitlines() if line.startswith("        "))
    shop.config.write_text(
        f"{shop.config.read_text()}\n{mend.replace('CONNECTION.COLUMN', 'shop.language')}\n"
    )
    mended = shop("packs", "add", "demographic")
    assert mended.code == 0, mended.said
    assert shop("check").code == 0


def test_a_field_of_another_type_is_named_with_its_source(shop: Shop) -> None:
    fields = '[fields.gender]\ntype = "date"\nfrom = ["shop.birthday"]\n'
    shop.config.write_text(f"{shop.config.read_text()}\n{fields}")
    refused = shop("packs", "add", "demographic")
    assert refused.code == 1
    assert "is of another type:" in refused.err
    assert "it is date (shop.birthday), and the pack needs text" in refused.err
    assert "stated-gender" in shop("packs", "add", "demographic", "--partly").out


def test_the_nearest_columns_are_proposed_and_fit(shop: Shop) -> None:
    refused = shop("packs", "add", "geographic")
    assert refused.code == 1
    mend = "\n".join(line.strip() for line in refused.err.splitlines() if line.startswith("        "))
    assert tomllib.loads(mend)["places"]["location"] == {
        "latitude": "newsletter.latitude",
        "longitude": "newsletter.longitude",
    }
    shop.config.write_text(f"{shop.config.read_text()}\n{mend}\n")
    mended = shop("packs", "add", "geographic")
    assert mended.code == 0, mended.said
    assert re.search(r"timezone .* nobody has it", mended.out)
    german = sizes(shop)["market/home"]
    countries = pd.read_csv(shop.config.parent / "customers.csv").drop_duplicates("customer_id")["country"]
    assert german == (countries == "DE").sum() > 0


def test_what_is_missing_may_be_left_out(shop: Shop) -> None:
    done = shop("packs", "add", "behavioural", "--partly", "--format", "json").document
    assert set(done["segments"]) == {"regular-buyer", "large-baskets"}
    assert {*done["segments"], *done["left_out"]} == set(pack("behavioural").segments)
    assert shop("check").code == 0
    nothing = shop("packs", "add", "firmographic", "--partly")
    assert (nothing.code, "nothing of the pack firmographic can work" in nothing.err) == (1, True)
    assert not (shop.rules / "pack-firmographic.toml").exists()


def test_a_file_that_is_there_is_never_overwritten(shop: Shop) -> None:
    taken = shop.rules / "pack-rfm.toml"
    taken.write_text("# mine\n")
    refused = shop("packs", "add", "rfm")
    assert (refused.code, "is there already; nothing was changed" in refused.err) == (1, True)
    assert taken.read_text() == "# mine\n"
    taken.unlink()
    taken.symlink_to(shop.rules / "gone.toml")  # not there for whoever follows it, but its name is taken
    assert shop("packs", "add", "rfm").code == 1
    assert taken.is_symlink()
    assert not taken.exists()
    taken.unlink()
    assert [one.name for one in shop.rules.iterdir() if not one.name.endswith(".toml")] == []


def test_ids_that_are_taken_are_named_and_the_advice_works(shop: Shop) -> None:
    assert shop("packs", "add", "win-back").code == 0
    before = sorted(shop.rules.iterdir())
    refused = shop("packs", "add", "win-back", "--as", "second.toml")
    assert refused.code == 1
    assert re.search(
        r"^winback-mail: already used at pack-win-back\.toml:\d+:\d+$", refused.err, re.MULTILINE
    )
    assert re.search(
        r"^winback_quiet: already used at pack-win-back\.toml:\d+:\d+$", refused.err, re.MULTILINE
    )
    assert sorted(shop.rules.iterdir()) == before
    advice = re.search(r"segsync (packs add .+)$", refused.err.strip())
    assert advice is not None
    done = shop(*advice[1].split())
    assert done.code == 0, done.said
    assert "give them other names" in done.out
    assert shop("check").code == 0
    ran = shop("test", str(shop.rules / "second.toml"))
    assert (ran.code, "0 failed" in ran.out) == (0, True)


def test_a_name_of_the_vocabulary_is_taken_as_well(shop: Shop) -> None:
    shop.config.write_text(f'{shop.config.read_text()}\n[fields.rfm_days]\nfrom = ["shop.language"]\n')
    refused = shop("packs", "add", "rfm")
    assert (refused.code, "rfm_days: already a name of the vocabulary" in refused.err) == (1, True)
    assert shop("packs", "add", "rfm", "--prefix", "my").code == 0


def test_problems_that_other_files_had_before_do_not_stand_in_the_way(shop: Shop) -> None:
    (shop.rules / "broken.toml").write_text('[[segment]]\nid = "broken"\nwhen = "contry = 1"\n')
    done = shop("packs", "add", "rfm")
    assert done.code == 0, done.said
    assert "Other rule files have 1 errors, as before" in done.out


def test_mistakes_are_told_with_what_to_write(shop: Shop) -> None:
    unknown = shop("packs", "add", "lifecicle")
    assert (unknown.code, 'did you mean "lifecycle"?' in unknown.err) == (1, True)
    for wrong in ("../rfm.toml", "rfm", "sub/rfm.toml", ".rfm.toml"):
        refused = shop("packs", "add", "rfm", "--as", wrong)
        assert (refused.code, "--as takes the name of a file" in refused.err) == (1, True)
    refused = shop("packs", "add", "rfm", "--prefix", "My Shop")
    assert (refused.code, "--prefix takes small letters" in refused.err) == (1, True)
    shutil.rmtree(shop.rules)
    refused = shop("packs", "add", "rfm")
    assert (refused.code, "there is no rules folder" in refused.err) == (1, True)


def test_packs_can_be_looked_at_before_there_is_a_config(tmp_path: Path) -> None:
    nowhere = tmp_path / "config.toml"
    found = command("packs", "list", config=nowhere)
    assert found.code == 0, found.said
    assert "No connection is configured yet" in found.out
    assert command("packs", "show", "rfm", config=nowhere).out == pack("rfm").page
    assert command("packs", "show", "rfm", "--rules", config=nowhere).out == pack("rfm").rules
    assert (
        command("packs", "show", "rfm", "--format", "json", config=nowhere).document["page"]
        == pack("rfm").page
    )
    assert not nowhere.exists()


def test_a_place_in_a_file_is_printed_as_it_is(shop: Shop) -> None:
    """Line 100 is no picture: terminals' libraries know `:100:` as one."""
    (shop.rules / "long.toml").write_text("\n" * 97 + '[[segment]]\nid = "a"\nwhen = "contry = 1"\n')
    assert "long.toml:100:" in shop("check").out


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("purchase", "such as purchase=deal_won"),
        ("purchase=Deal Won", "such as purchase=deal_won"),
        ("order=deal_won", "asks for no activity order; it asks for purchase"),
    ],
)
def test_what_stands_for_an_activity_must_be_named_right(shop: Shop, wrong: str, said: str) -> None:
    answer = shop("packs", "add", "rfm", "--with", wrong)
    assert answer.code == 1
    assert said in answer.said
    assert not (shop.rules / "pack-rfm.toml").exists()
