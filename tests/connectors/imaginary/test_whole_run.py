"""A folder is all it takes: a new platform in the registry, the config, and a whole run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.pacing import ManualClock
from connectors.registry import UnknownPlatform, platform, platforms
from connectors.simulation import serve
from tests.connectors.imaginary.rig import installed, simulated
from tests.scenarios.company import NOW, STORE, command, part, segment

PEOPLE = 120
CONFIG = """
[connections.club]
platform = "imaginary"
api_key = "env:IMAGINARY_KEY"
base_url = "ADDRESS"
"""


def test_the_folder_alone_makes_a_platform() -> None:
    assert "imaginary" not in platforms()
    with installed():
        assert "imaginary" in platforms()
        assert platform("imaginary").name == "imaginary"
    with pytest.raises(UnknownPlatform):
        platform("imaginary")


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The simulated account, with an installation in `tmp_path` whose only connection it is."""
    clock = ManualClock(NOW)
    monkeypatch.setattr("sync.run.workspace.SystemClock", lambda: clock)
    with installed():
        made = simulated(PEOPLE, clock)
        made.clock = clock
        monkeypatch.setenv("IMAGINARY_KEY", made.credentials["api_key"])
        with serve(made) as address:
            (tmp_path / "config.toml").write_text(STORE + CONFIG.replace("ADDRESS", address))
            (tmp_path / "rules").mkdir()
            rule = segment("germans", 'country = "DE"', to='["club"]')
            (tmp_path / "rules" / "segments.toml").write_text(rule)
            yield made


def run(folder: Path) -> dict[str, Any]:
    answer = command("run", "--format", "json", config=folder / "config.toml")
    assert answer.code == 0, answer.said
    return part(answer.document, "club")


def carriers(account: Any) -> set[str]:
    (found,) = [ids for name, ids in account.tags.values() if name == "segsync: germans"]
    return set(found)


def wanted(account: Any) -> set[str]:
    """Every German who has not opted out."""
    people = account.contacts.values()
    return {one["id"] for one in people if one["country"] == "DE" and one["consent"] != "no"}


def test_a_run_reads_from_it_and_tags_on_it_and_the_next_writes_nothing(account: Any, tmp_path: Path) -> None:
    first = run(tmp_path)
    assert first["read"] == PEOPLE
    assert carriers(account) == wanted(account)
    assert first["adds"] == len(wanted(account)) > 0
    assert (first["calls"], first["calls"]) == (first["minimum_calls"], -(-first["adds"] // 25))

    account.traffic.reset()
    second = run(tmp_path)
    assert (second["changes"], account.traffic.writes) == (0, 0)
    assert account.traffic.reads > 0

    moved = sorted(wanted(account))[0]
    account.contacts[moved].update(country="FR", changed=account.now().isoformat(timespec="microseconds"))
    account.add(PEOPLE)  # one more, from the first of the countries
    account.contacts[f"c{PEOPLE}"]["consent"] = "yes"
    account.clock.advance(60)
    third = run(tmp_path)
    assert (third["adds"], third["removes"]) == (1, 1)
    assert carriers(account) == wanted(account)


def test_the_config_knows_its_name_and_its_settings(account: Any, tmp_path: Path) -> None:
    config, broken = tmp_path / "config.toml", tmp_path / "broken.toml"
    told = command("connections", "check", config=config)
    assert told.code == 0, told.said
    assert "Imaginary Ltd" in told.out
    assert command("check", config=config).code == 0
    for right, wrong, said in (
        ('platform = "imaginary"', 'platform = "imaginery"', 'did you mean "imaginary"?'),
        ("base_url = ", "base_ulr = ", 'did you mean "base_url"?'),
        ('"env:IMAGINARY_KEY"', '"imaginary-key"', "api_key"),
    ):
        broken.write_text(config.read_text().replace(right, wrong))
        told = command("check", config=broken)
        assert told.code == 1
        assert said in told.said
        assert "imaginary-key" not in told.said
