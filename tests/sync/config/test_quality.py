"""`[quality]`: unknown rules are told with the nearest, in the place where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.config import ConfigError, load


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_rules_are_read_in_their_own_order(tmp_path: Path) -> None:
    path = written(tmp_path, '[quality]\nrefuse = ["country-unknown", "email-invalid"]\n')
    assert load(path).quality.refuse == ("email-invalid", "country-unknown")
    assert load(written(tmp_path, "")).quality.refuse == ()


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('refuse = ["email-invalit"]', 'did you mean "email-invalid"?'),
        ('refuse = ["email-shared"]', "no rule of that name can keep a record out"),  # takes two records
        ('refuse = ["email-typo", "email-typo"]', "twice"),
        ('refuses = ["email-typo"]', 'did you mean "refuse"?'),
    ],
)
def test_a_rule_that_cannot_refuse_is_told(tmp_path: Path, line: str, word: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(written(tmp_path, f"[quality]\n{line}\n"))
    (problem,) = raised.value.problems
    assert word in str(problem)
    assert problem.line == 2
