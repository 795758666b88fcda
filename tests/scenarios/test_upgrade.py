"""A store of the first release under today's program: a whole run, and its backup restored."""

from __future__ import annotations

from pathlib import Path

from sync.store.database import Database
from tests.scenarios.company import Company, emails, join, people, segment
from tests.sync.store.first_release import build


def test_a_run_goes_on_with_a_store_of_the_first_release_and_with_its_backup(
    firm: Company, tmp_path: Path
) -> None:
    join(firm.newsletter, range(4))
    firm.customers([*people(range(3)), *people([3], country="FR")])
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"'))
    firm.later(minutes=10)
    database = Database(f"sqlite:///{firm.folder / 'segsync.db'}")
    build(database)
    database.close()
    (firm.folder / "lake").mkdir()
    saved = firm.segsync("backup", tmp_path / "old.tar")
    assert saved.code == 0, saved.said

    def goes_on() -> None:
        report = firm.run()
        assert firm.tagged("germans") == emails(range(3))
        states = {
            one["run"]: one["state"] for one in firm.segsync("status", "--format", "json").document["runs"]
        }
        assert states == {1: "held", 2: "interrupted", 3: "done"}, report
        assert firm.segsync("plan", "--exit-code").code == 0

    goes_on()
    restored = firm.segsync("restore", tmp_path / "old.tar", "--force")
    assert restored.code == 0, restored.said
    goes_on()
