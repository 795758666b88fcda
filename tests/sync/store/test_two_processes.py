from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sync.store import Store
from sync.store.contacts import absorb_contacts
from tests.sync.store.records import MEMBERS, commit, read


def test_a_console_beside_a_run_never_meets_a_lock(database_url: str, store: Store, tmp_path: Path) -> None:
    """One process writes to both planes in a loop; this one reads and writes both all the while."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.sync.store.writer", database_url, str(tmp_path / "lake"), "loop"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    rounds = 0
    seen = set()
    while child.poll() is None:
        store.notes.set(f"console {rounds % 3}", rounds)
        seen.add(store.notes.get("round"))
        store.inbox.waiting()
        store.lake.rows("contacts")
        if rounds % 40 == 0:
            commit(store, MEMBERS, [{"external_id": str(rounds)}], connection="console")
            if rounds == 0:
                absorb_contacts(store, "console", MEMBERS)
        rounds += 1
    out, err = child.communicate()
    assert (out, child.returncode) == ("done\n", 0), err
    assert rounds > 10
    assert len(seen) > 5
    assert store.numbers.next("person") == 61
    loops = [row for row in read(store, "contacts", order="contact") if row["connection"] == "loop"]
    assert len(loops) == 10
