"""Rule files: what they define, in which order, and every problem of all files at once with its place."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from rules import ir
from rules.language import Loaded, Severity, compile_expression, describe, load
from rules.ruleset import Expect, Mode, Place, Target
from rules.vocabulary import Vocabulary
from tests.rules.vocabulary import VOCABULARY


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, "utf-8", newline="")
    return folder


def loaded(folder: Path, **files: str) -> Loaded:
    return load(write(folder, **files), VOCABULARY)


def told(folder: Path, **files: str) -> list[str]:
    result = loaded(folder, **files)
    errors = [each for each in result.problems if each.severity is Severity.ERROR]
    assert (result.ruleset is None) == bool(errors)
    return [str(each) for each in result.problems]


FULL = """\
[[segment]]
id   = "lapsed-vip"
name = "Lapsed VIP"
why  = "Big spenders gone quiet."
owner = "lifecycle team"
when = \"""
    spend_1y >= 500
    and days since purchase > 60
    and not suppressed
\"""
mode = "append"
to = ["hubspot-eu", {connection="newsletter", as="tag", name="VIP!", include_suppressed=true, by="07:30"}]
expect = { min = 50, max_share = 0.2 }

[[field]]
id = "spend_1y"
why = "last year's money"
is = "sum(purchase.amount, last 365 days)"
"""

TIERS = """\
[[tiers]]
id = "lifecycle"
name = "Lifecycle"
to = ["newsletter"]
  [[tiers.tier]]
  id = "new"
  when = "first purchase within last 30 days"
  [[tiers.tier]]
  id = "active"
  name = "Active buyers"
  when = "not never purchase and vip"
  to = ["hubspot-eu", "newsletter"]
  [[tiers.tier]]
  id = "others"
  otherwise = true
"""


def test_a_segment_is_read_with_all_its_keys(tmp_path: Path) -> None:
    result = loaded(tmp_path, full=FULL)
    assert result.problems == ()
    assert result.ruleset is not None
    segment = result.ruleset.segments["lapsed-vip"]
    condition = "sum(purchase.amount, last 365 days) >= 500 and days since purchase > 60 and not suppressed"
    assert segment.when == compile_expression(condition, VOCABULARY)
    assert (segment.name, segment.why, segment.owner) == (
        "Lapsed VIP",
        "Big spenders gone quiet.",
        "lifecycle team",
    )
    assert segment.mode is Mode.APPEND
    assert segment.to == (
        Target("hubspot-eu"),
        Target("newsletter", "tag", "VIP!", include_suppressed=True, by=dt.time(7, 30)),
    )
    assert segment.expect == Expect(min=50, max_share=0.2)
    assert segment.place == Place("full.toml", 6, 8)
    assert "spend_1y >= 500" in segment.source
    assert describe(segment) == f"Lapsed VIP (lapsed-vip): {condition}"
    assert result.sources == {"full.toml": FULL}


def test_a_segment_needs_only_an_id_and_a_condition(tmp_path: Path) -> None:
    result = loaded(tmp_path, a='[[segment]]\nid = "a"\nwhen = "vip"')
    assert result.ruleset is not None
    segment = result.ruleset.segments["a"]
    assert (segment.name, segment.mode, segment.to, segment.expect) == ("a", Mode.MIRROR, (), None)


def test_tiers_exclude_the_earlier_ones(tmp_path: Path) -> None:
    result = loaded(tmp_path, tiers=TIERS)
    assert result.problems == ()
    assert result.ruleset is not None
    segments = result.ruleset.segments
    assert list(segments) == ["lifecycle/new", "lifecycle/active", "lifecycle/others"]
    new = "first purchase within last 30 days"
    assert segments["lifecycle/new"].when == compile_expression(new, VOCABULARY)
    assert segments["lifecycle/active"].when == compile_expression(
        f"not {new} and purchase and vip", VOCABULARY
    )
    assert segments["lifecycle/others"].when == compile_expression(
        f"not {new} and not (purchase and vip)", VOCABULARY
    )
    assert segments["lifecycle/active"].name == "Lifecycle: Active buyers"
    assert segments["lifecycle/new"].name == "Lifecycle: new"
    assert segments["lifecycle/active"].to == (Target("newsletter"), Target("hubspot-eu"))
    assert segments["lifecycle/others"].to == (Target("newsletter"),)
    assert segments["lifecycle/others"].place == Place("tiers.toml", 15, 15)


def test_tiers_take_over_what_the_group_says_unless_they_say_it_themselves(tmp_path: Path) -> None:
    shared = 'id = "lifecycle"\nwhy = "w"\nowner = "o"\nmode = "append"\nexpect = { min = 5 }'
    own = 'id = "active"\n  owner = "p"\n  mode = "mirror"\n  expect = { max = 9 }'
    text = TIERS.replace('id = "lifecycle"', shared).replace('id = "active"', own)
    ruleset = loaded(tmp_path, tiers=text).ruleset
    assert ruleset is not None
    new, active = ruleset.segments["lifecycle/new"], ruleset.segments["lifecycle/active"]
    assert (new.why, new.owner, new.mode, new.expect) == ("w", "o", Mode.APPEND, Expect(min=5))
    assert (active.why, active.owner, active.mode, active.expect) == ("w", "p", Mode.MIRROR, Expect(max=9))


@pytest.mark.means("Segments that use other segments are evaluated after them;")
def test_segments_come_after_those_they_use_across_files(tmp_path: Path) -> None:
    result = loaded(
        tmp_path,
        a='[[segment]]\nid = "a"\nwhen = "in segment \'b\' and of_c"',
        fields='[[field]]\nid="of_c"\nis="in segment \'c\'"',
        b="[[segment]]\nid = \"b\"\nwhen = \"in segment 'c' or in tier 'lifecycle/others'\"",
        c='[[segment]]\nid = "c"\nwhen = "vip"',
        tiers=TIERS,
    )
    assert result.problems == ()
    assert result.ruleset is not None
    order = list(result.ruleset.segments)
    for earlier, later in [("c", "b"), ("b", "a"), ("c", "a"), ("lifecycle/others", "b")]:
        assert order.index(earlier) < order.index(later)


@pytest.mark.means("a cycle is an error that names it.")
def test_a_circle_of_segments_is_named(tmp_path: Path) -> None:
    assert told(
        tmp_path,
        a='[[segment]]\nid = "a"\nwhen = "vip and in segment \'b\'"',
        b='[[segment]]\nid = "b"\nwhen = "named"\n[[field]]\nid = "named"\nis = "in segment \'a\'"',
    ) == ["a.toml:3:28: segments use each other in a circle: a → b → a"]


def test_a_segment_that_uses_itself_is_a_circle(tmp_path: Path) -> None:
    assert told(tmp_path, a='[[segment]]\nid = "a"\nwhen = "not in segment \'a\'"') == [
        "a.toml:3:24: segments use each other in a circle: a → a"
    ]


def test_a_tier_may_not_use_a_later_tier_that_excludes_it(tmp_path: Path) -> None:
    text = TIERS.replace("first purchase within last 30 days", "in tier 'lifecycle/others'")
    assert told(tmp_path, tiers=text) == [
        "tiers.toml:7:19: segments use each other in a circle: "
        "lifecycle/new → lifecycle/others → lifecycle/active → lifecycle/new"
    ]


def test_a_thousand_segments_in_a_chain_are_ordered(tmp_path: Path) -> None:
    chain = "".join(
        f'[[segment]]\nid = "s{n}"\nwhen = "in segment \'s{n + 1}\' or score > {n}"\n' for n in range(1500)
    )
    result = loaded(tmp_path, chain=chain + '[[segment]]\nid = "s1500"\nwhen = "vip"')
    assert result.problems == ()
    assert result.ruleset is not None
    assert next(iter(result.ruleset.segments)) == "s1500"


def test_ids_are_unique_over_all_files_and_kinds(tmp_path: Path) -> None:
    assert told(
        tmp_path,
        a="[[segment]]\nid = 'x'\nwhen = 'vip'\n[[segment]]\nid = 'x'\nwhen = 'score > 3'",
        b="[[field]]\nid = 'x'\nis = 'vip'",
        c="[[tiers]]\nid = 'x'\n[[tiers.tier]]\nid = 'y'\nwhen = 'not vip'",
    ) == [
        'a.toml:5:6: the id "x" is already used at a.toml:2:6',
        'b.toml:2:6: the id "x" is already used at a.toml:2:6',
        'c.toml:2:6: the id "x" is already used at a.toml:2:6',
    ]


def test_two_tiers_of_one_group_may_not_share_an_id(tmp_path: Path) -> None:
    text = TIERS.replace('id = "active"', 'id = "new"')
    assert told(tmp_path, t=text) == ['t.toml:9:8: the id "new" is already used at t.toml:6:8']


def test_connections_are_not_checked_where_none_are_known(tmp_path: Path) -> None:
    vocabulary = Vocabulary(VOCABULARY.fields, VOCABULARY.kinds)
    folder = write(
        tmp_path, a="[[segment]]\nid = 'a'\nwhen = 'vip'\nto = [{connection = 'any', as = 'thing'}]"
    )
    result = load(folder, vocabulary)
    assert result.problems == ()
    assert result.ruleset is not None
    assert result.ruleset.segments["a"].to == (Target("any", "thing"),)


def test_one_file_or_a_folder_with_folders_may_be_read(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    write(tmp_path / "more", b="[[segment]]\nid = 'b'\nwhen = 'contry'")
    write(tmp_path, a="[[segment]]\nid = 'a'\nwhen = 'vip'")
    assert [str(each) for each in load(tmp_path, VOCABULARY).problems] == [
        'more/b.toml:3:9: unknown fact "contry"; did you mean "country"?'
    ]
    only = load(tmp_path / "a.toml", VOCABULARY).ruleset
    assert only is not None
    assert list(only.segments) == ["a"]


def test_a_folder_without_rules_or_a_missing_one_is_an_error(tmp_path: Path) -> None:
    assert "no rule file" in str(load(tmp_path, VOCABULARY).problems[0])
    missing = load(tmp_path / "nowhere", VOCABULARY)
    assert "no such file" in str(missing.problems[0])
    assert missing.ruleset is None


def test_links_behind_which_rules_would_be_lost_are_errors(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "rules", tmp_path / "elsewhere"
    folder.mkdir(), elsewhere.mkdir()
    write(elsewhere, a="[[segment]]\nid = 'a'\nwhen = 'vip'")
    (folder / "linked.toml").symlink_to(elsewhere / "a.toml")
    good = load(folder, VOCABULARY)
    assert good.problems == ()
    assert good.ruleset is not None
    assert list(good.ruleset.segments) == ["a"]
    (folder / "lost.toml").symlink_to(elsewhere / "gone.toml")
    (folder / "team").symlink_to(elsewhere)
    wrong = load(folder, VOCABULARY)
    assert wrong.ruleset is None
    assert [(each.file, each.message.split(";")[0]) for each in wrong.problems] == [
        ("lost.toml", "this is a link to a file that is not there"),
        ("team", "this is a link to a folder, which is not followed"),
    ]


def test_a_folder_that_kubernetes_mounts_is_read_once_and_locks_of_editors_not_at_all(tmp_path: Path) -> None:
    dated = tmp_path / "..2026_11_30"
    dated.mkdir()
    write(dated, a="[[segment]]\nid = 'a'\nwhen = 'vip'")
    (tmp_path / "..data").symlink_to(dated.name)
    (tmp_path / "a.toml").symlink_to("..data/a.toml")
    (tmp_path / ".#a.toml").symlink_to("somebody@a-machine.4711")
    found = load(tmp_path, VOCABULARY)
    assert found.problems == ()
    assert found.ruleset is not None
    assert list(found.ruleset.segments) == ["a"]


def test_a_file_that_is_not_utf8_is_told_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes("# fine\n# Grö".encode() + "ß".encode("latin-1"))
    assert [str(each) for each in load(tmp_path, VOCABULARY).problems] == [
        "a.toml:2:6: this is not UTF-8; save the file as UTF-8"
    ]


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf[[segment]]\nid = 'a'\nwhen = 'vip'")
    assert load(tmp_path, VOCABULARY).problems == ()


def test_the_version_of_a_segment_changes_only_with_its_meaning(tmp_path: Path) -> None:
    def version(when: str) -> str:
        result = loaded(tmp_path, a=f"[[segment]]\nid = 'a'\nwhen = '''{when}'''")
        assert result.ruleset is not None
        return result.ruleset.segments["a"].version

    assert version('country="de"   # here') == version('( country = "DE" )')
    assert version('country = "DE"') != version('country = "AT"')


def test_reading_rules_imports_neither_the_maker_of_the_grammar_nor_an_engine() -> None:
    heavy = "any(name.split('.')[0] in ('lark', 'duckdb') for name in sys.modules)"
    code = (
        "import sys, rules.language\nfrom rules.vocabulary import Vocabulary\n"
        f"rules.language.compile_expression('not suppressed', Vocabulary({{}}, {{}}))\nsys.exit({heavy})"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_predicates_of_a_set_have_no_positions(tmp_path: Path) -> None:
    """Moving a rule in its file must not change what runs."""
    first = loaded(tmp_path, a="[[segment]]\nid = 'a'\nwhen = 'vip'").ruleset
    second = loaded(tmp_path, a="\n\n[[segment]]\nid = 'a'\nwhen = '   vip'").ruleset
    assert first is not None
    assert second is not None
    assert isinstance(first.segments["a"].when, ir.Node)
    assert first.segments["a"].when == second.segments["a"].when
