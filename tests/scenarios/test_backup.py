"""Backup and restore as commands: another folder, another database, and a bad file touches nothing."""

from __future__ import annotations

import gzip
import json
import os
import stat
import tarfile
from pathlib import Path

import pytest

from sync.run.workspace import Workspace
from tests.databases import postgres_url
from tests.scenarios.company import KEY, Company, email, join, people, segment

RULES = segment("germans", 'country = "DE"') + segment("buyers", "count(purchase) >= 1")


@pytest.fixture
def synced(firm: Company) -> Company:
    """A company whose run is done: two segments, ten people."""
    join(firm.newsletter, range(10))
    firm.customers([*people(range(6)), *people(range(6, 10), country="FR")])
    firm.orders([(f"o{n}", f"c{n}", "2026-01-05T10:00:00Z", "20.00") for n in range(4)])
    firm.rules(RULES)
    firm.later(minutes=10)
    firm.run()
    return firm


def use(firm: Company, store: str) -> None:
    """Write the config anew with another section [store]."""
    text = firm.config.read_text(encoding="utf-8")
    start, end = text.index("[store]"), text.index("[connections.shop]")
    firm.config.write_text(f"{text[:start]}{store}\n{text[end:]}", encoding="utf-8")


def in_words(firm: Company) -> dict[str, object]:
    """What the store can tell, without what depends on the moment."""
    found = {"explained": firm.segsync("explain", email(2), "--format", "json").document}
    found["people"] = firm.segsync("people", "buyers", "--format", "json").document
    return found


@pytest.mark.parametrize("target", ["folder", pytest.param("postgresql", marks=pytest.mark.long)])
def test_a_restored_store_goes_on_where_the_old_one_was(synced: Company, target: str, tmp_path: Path) -> None:
    told, state = in_words(synced), synced.tagged("germans")
    (tmp_path / "safe").mkdir()
    saved = synced.segsync("backup", tmp_path / "safe", "--format", "json")
    assert saved.code == 0, saved.said
    file = Path(saved.document["file"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    if target == "folder":
        moved = tmp_path / "elsewhere"
        restored = synced.segsync("restore", file, "--into", moved)
        assert restored.code == 0, restored.said
        use(synced, f'[store]\ndatabase = "sqlite:///{moved}/segsync.db"\nlake = "{moved}/lake"')
    else:
        use(synced, f'[store]\ndatabase = "{postgres_url()}"\nlake = "moved"')
        restored = synced.segsync("restore", file)
        assert restored.code == 0, restored.said
    (synced.folder / "lake").rename(tmp_path / "gone")  # nothing may lead back to the old folder
    assert in_words(synced) == told
    plan = synced.segsync("plan", "--exit-code", "--format", "json")
    assert plan.code == 0, plan.said
    synced.customers([*people(range(5)), *people(range(5, 10), country="FR")])
    synced.later(days=1)
    report = synced.run()
    assert report["changes"] == 1, "what we added before the backup is still ours to remove"
    assert synced.tagged("germans") == state - {email(5)}


def test_a_backup_of_postgresql_becomes_a_sqlite_store(synced: Company, tmp_path: Path) -> None:
    use(synced, f'[store]\ndatabase = "{postgres_url()}"\nlake = "other"')
    synced.run()
    told = in_words(synced)
    assert synced.segsync("backup", tmp_path / "b.tar").code == 0
    assert synced.segsync("restore", tmp_path / "b.tar", "--into", tmp_path / "new").code == 0
    use(synced, f'[store]\ndatabase = "sqlite:///{tmp_path}/new/segsync.db"\nlake = "{tmp_path}/new/lake"')
    assert in_words(synced) == told
    assert synced.segsync("plan", "--exit-code").code == 0


def test_a_store_in_use_is_not_overwritten_unless_forced(synced: Company, tmp_path: Path) -> None:
    assert synced.segsync("backup", tmp_path / "b.tar").code == 0
    synced.orders([(f"o{n}", f"c{n}", "2026-01-05T10:00:00Z", "20.00") for n in range(6)])
    synced.run()
    assert len(synced.tagged("buyers")) == 6
    refused = synced.segsync("restore", tmp_path / "b.tar")
    assert refused.code == 1
    assert "--force" in refused.err
    assert len(synced.segsync("people", "buyers", "--format", "json").document["people"]) == 6
    assert synced.segsync("restore", tmp_path / "b.tar", "--force").code == 0
    assert len(synced.segsync("people", "buyers", "--format", "json").document["people"]) == 4
    synced.run()  # whom it added after the backup are there already
    assert len(synced.tagged("buyers")) == 6


def test_what_was_added_after_the_backup_is_never_removed(synced: Company, tmp_path: Path) -> None:
    assert synced.segsync("backup", tmp_path / "b.tar").code == 0
    synced.customers([*people(range(7)), *people(range(7, 10), country="FR")])
    synced.run()
    assert email(6) in synced.tagged("germans")
    assert synced.segsync("restore", tmp_path / "b.tar", "--force").code == 0
    synced.customers([*people(range(6)), *people(range(6, 10), country="FR")])
    synced.later(days=1)
    synced.run()
    assert email(6) in synced.tagged("germans"), "the ledger that said it was ours is lost"


def test_a_damaged_or_cut_backup_is_refused_before_anything_is_touched(
    synced: Company, tmp_path: Path
) -> None:
    whole = tmp_path / "b.tar"
    assert synced.segsync("backup", whole).code == 0
    content = whole.read_bytes()
    with tarfile.open(whole) as tar:
        inside = next(m for m in tar.getmembers() if m.name.startswith("lake/people/"))
    flipped = bytearray(content)
    flipped[inside.offset_data + 10] ^= 0xFF
    for name, damaged in {
        "flipped": bytes(flipped),
        "cut": content[: len(content) // 2],
        "empty": b"",
    }.items():
        bad = tmp_path / f"{name}.tar"
        bad.write_bytes(damaged)
        answer = synced.segsync("restore", bad, "--into", tmp_path / name)
        assert answer.code == 1, name
        assert "Traceback" not in answer.said
        assert not (tmp_path / name).exists(), "the target was touched"
    missing = synced.segsync("restore", tmp_path / "none.tar", "--into", tmp_path / "x")
    assert missing.code == 1
    assert "there is no backup" in missing.err


def test_no_secret_and_no_config_is_in_a_backup(
    synced: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    assert synced.segsync("backup", tmp_path / "b.tar").code == 0
    with tarfile.open(tmp_path / "b.tar") as tar:
        for member in tar.getmembers():
            file = tar.extractfile(member)
            assert file is not None
            content = file.read()
            plain = gzip.decompress(content) if member.name.endswith(".gz") else content
            assert os.environ[KEY].encode() not in plain, member.name
            assert member.mode == 0o600
        names = tar.getnames()
    assert names[-1] == "manifest.json"
    assert not [name for name in names if "config" in name]


def test_a_backup_is_of_one_moment_while_a_run_is_at_work(synced: Company, tmp_path: Path) -> None:
    """Taken between the pull and the merge: the pages that wait are in it, and the claim is nobody's."""
    from sync.run.pipeline import begin

    synced.orders([(f"o{n}", f"c{n}", "2026-01-05T10:00:00Z", "20.00") for n in range(7)])
    with synced.open() as workspace, begin(workspace, "run") as pipeline:
        pipeline.pull()
        saved = synced.segsync("backup", tmp_path / "b.tar", "--format", "json")
        assert saved.code == 0, saved.said
        assert saved.document["pages"] >= 1
        busy = synced.segsync("restore", tmp_path / "b.tar", "--force")
        assert busy.code == 1
        assert "at work" in busy.err
        pipeline.identify()  # merges the pages and removes their files
    new = tmp_path / "new"
    assert synced.segsync("restore", tmp_path / "b.tar", "--into", new).code == 0
    use(synced, f'[store]\ndatabase = "sqlite:///{new}/segsync.db"\nlake = "{new}/lake"')
    synced.run()
    assert synced.tagged("buyers") == {email(n) for n in range(7)}
    states = {one["state"] for one in synced.segsync("status", "--format", "json").document["runs"]}
    assert "interrupted" in states
    assert "running" not in states


def test_a_backup_never_overwrites_and_leaves_nothing_half_done(synced: Company, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_text("mine")
    assert synced.segsync("backup", tmp_path / "b.tar").code == 1
    assert (tmp_path / "b.tar").read_text() == "mine"
    (synced.folder / "lake").rename(synced.folder / "away")
    answer = synced.segsync("backup", tmp_path / "c.tar")
    assert answer.code == 1
    assert "doctor" in answer.err
    assert [path.name for path in tmp_path.glob("c.tar*")] == []


def test_the_document_of_a_backup_is_json(synced: Company, tmp_path: Path) -> None:
    assert synced.segsync("backup", tmp_path / "b.tar").code == 0
    with tarfile.open(tmp_path / "b.tar") as tar:
        file = tar.extractfile("manifest.json")
        assert file is not None
        manifest, names = json.load(file), set(tar.getnames())
    assert manifest["format"] == 2
    assert set(manifest["files"]) == names - {"manifest.json"}
    with Workspace.open(synced.config) as workspace:
        for name in ("contacts", "activity", "people", "links"):
            rows = sum(count for _, count in manifest["lake"][name]["files"].values())
            assert rows == workspace.store.lake.rows(name)


def test_files_that_go_away_under_a_backup_do_not_make_it_wrong(
    synced: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first moment names a file that is removed before we hold on to it; held files outlive removal."""
    link, seen = os.link, []

    def quick(source: Path, target: Path) -> None:
        seen.append(source)
        if len(seen) == 2:
            raise FileNotFoundError(source)
        link(source, target)
        if len(seen) > 2:
            Path(source).unlink()  # a tidying run is quicker than our copying

    monkeypatch.setattr("sync.store.backup.take.os.link", quick)
    saved = synced.segsync("backup", tmp_path / "b.tar")
    assert saved.code == 0, saved.said
    assert len(seen) > 4
    assert not list((synced.folder / "lake" / "holding").iterdir())
    assert synced.segsync("restore", tmp_path / "b.tar", "--into", tmp_path / "new").code == 0
    use(synced, f'[store]\ndatabase = "sqlite:///{tmp_path}/new/segsync.db"\nlake = "{tmp_path}/new/lake"')
    assert synced.segsync("plan", "--exit-code").code == 0
