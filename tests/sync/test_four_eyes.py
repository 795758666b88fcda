"""Who may approve an edit: commits, owners of files, logins and names on a command line, told apart."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sync.authors import author_of, authors, unread_repository
from sync.config import ApprovalSettings, load
from sync.run.four_eyes import Edit, doubts, objection
from sync.store import Author

ME = pwd.getpwuid(os.getuid()).pw_name
ANN = Author("Ann Author", "ann@team.example", committed=True)
TEAM = ApprovalSettings(four_eyes=True, people={"ann": ("ANN@team.example", "al"), "bob": ("bobby",)})
ALONE = ApprovalSettings(four_eyes=True)


def edit(author: Author | None) -> Edit:
    return Edit("germans", "v1", "segments.toml:4", author)


@pytest.mark.parametrize(
    ("approval", "author", "by", "login", "why"),
    [
        (TEAM, ANN, "bob", "root", None),
        (TEAM, ANN, "Bobby", "bob", None),
        (TEAM, ANN, "Ann", "root", "Ann edited it"),
        (TEAM, ANN, "bob", "al", "bob is given with --by"),
        (TEAM, Author("al"), "ann", "", "ann edited it"),
        (TEAM, Author("Ann", "private@mail.example", committed=True), "ann", "", "ann edited it"),
        (TEAM, ANN, "bobb", "root", "bobb is nobody in"),
        (TEAM, Author("Eve", "eve@x.example", committed=True), "bob", "root", "who edited it is nobody in"),
        (TEAM, Author("Eve", "eve@x.example", committed=True), "eve", "root", "eve edited it"),
        (TEAM, Author("deploy"), "bob", "root", "who edited it is nobody in"),
        (TEAM, None, "bob", "root", "older version"),
        (ALONE, Author("carl"), "dora", "dora", None),
        (ALONE, Author("carl"), "dora", "carl", "carl edited it"),
        (ALONE, ANN, "dora", "dora", "who edited it is nobody in"),
    ],
)
def test_who_is_or_may_be_the_author_does_not_approve(
    approval: ApprovalSettings, author: Author | None, by: str, login: str, why: str | None
) -> None:
    told = objection(approval, edit(author), by=by, login=login)
    assert (told is None) if why is None else (told is not None and why in told), told


def git(folder: Path, *words: str, name: str = "Ann Author", email: str = "ann@team.example") -> None:
    known = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    who = ["-c", f"user.name={name}", "-c", f"user.email={email}"]
    subprocess.run(["git", *who, *words], cwd=folder, env=known, check=True, capture_output=True)


def test_the_author_of_a_file_is_who_committed_it_last_or_else_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    for name in ("a.toml", "b.toml", ":(top)c.toml", "ignored.toml"):
        (rules / name).write_text("1")
    assert author_of(rules / "a.toml") == Author(ME), "there is no repository"
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("ignored.toml")
    git(tmp_path, "add", "--", "rules/a.toml", "rules/b.toml")
    git(tmp_path, "commit", "-m", "all")
    (rules / "b.toml").write_text("2")
    git(tmp_path, "commit", "-a", "-m", "b", name="Bøb", email="bob@team.example")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))  # as inside a hook of another repository
    found = authors(rules, ["a.toml", "b.toml", ":(top)c.toml", "ignored.toml", "none.toml"])
    assert found == {
        "a.toml": ANN,
        "b.toml": Author("Bøb", "bob@team.example", committed=True),
        ":(top)c.toml": Author(ME),
        "ignored.toml": Author(ME),
        "none.toml": None,
    }
    (rules / "a.toml").write_text("1, and changed since the commit")
    assert author_of(rules / "a.toml") == Author(ME)
    git(tmp_path, "add", "rules/a.toml")
    assert author_of(rules / "a.toml") == Author(ME)
    (tmp_path / "linked").symlink_to(rules / "b.toml")
    assert author_of(tmp_path / "linked") == found["b.toml"]
    assert authors(rules / "b.toml", ["b.toml"]) == {"b.toml": found["b.toml"]}


def test_without_git_the_owner_counts_and_it_is_told_that_the_repository_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.toml").write_text("1")
    assert unread_repository(tmp_path) is None
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a.toml")
    git(tmp_path, "commit", "-m", "all")
    assert unread_repository(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert author_of(tmp_path / "a.toml") == Author(ME)
    assert "not installed" in (unread_repository(tmp_path) or "")


def test_doctor_names_the_rule_files_whose_author_is_nobody(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    rule = '[[segment]]\nid = "a"\nname = "a"\nwhen = "true"\nto = ["x"]\n'
    (tmp_path / "rules" / "a.toml").write_text(rule)
    (tmp_path / "config.toml").write_text("[approval.people]\nann = []\nbob = []\n")
    settings = load(tmp_path / "config.toml")
    assert list(doubts(settings)) == ["a.toml: its owner is nobody in [approval.people]"]
    known = ApprovalSettings(four_eyes=True, people={"ann": (ME,), "bob": ()})
    assert list(doubts(replace(settings, approval=known))) == []
