"""`[approval]`: four eyes are asked for when two people are named, unless the config says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.config import ConfigError, load

TWO = '[approval.people]\nann = ["ann@team.example"]\nbob = []\n'


@pytest.mark.parametrize(
    ("text", "four_eyes"),
    [
        ("", False),
        ("[approval.people]\nann = []\n", False),
        (TWO, True),
        ("[approval]\nfour_eyes = false\n" + TWO, False),
        ("[approval]\nfour_eyes = true\n", True),
    ],
)
def test_two_named_people_check_each_other_unless_told_otherwise(
    tmp_path: Path, text: str, four_eyes: bool
) -> None:
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    assert load(tmp_path / "config.toml").approval.four_eyes is four_eyes


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('[approval.people]\nann = ["x"]\nbob = ["X"]\n', "approval.people.bob[0]", "is called so, too"),
        ('[approval.people]\nann = ["bob"]\nbob = []\n', "approval.people.bob", "is called so, too"),
        ('[approval.people]\nann = "ann@x.example"\n', "approval.people.ann", "must be a list"),
        ("[approval]\nfour_eyes = true\n[approval.people]\nann = []\n", "approval.four_eyes", "nobody could"),
        ("[approval]\nfour_eye = true\n", "approval.four_eye", "four_eyes"),
    ],
)
def test_a_mistake_is_told_at_its_key_and_repeats_no_address(
    tmp_path: Path, text: str, key: str, words: str
) -> None:
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "config.toml")
    (problem,) = caught.value.problems
    assert (problem.key, words in problem.message) == (key, True), problem
    assert "@" not in str(problem)
