"""The layout that the design promises: three packages, imports one way, plain names free of rivals."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [p for top in ("connectors", "rules", "sync") for p in sorted((ROOT / top).rglob("*.py"))]


@cache
def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


def test_the_top_level_is_the_one_prescribed() -> None:
    for name in (
        "pyproject.toml",
        "README.md",
        "connectors",
        "sync",
        "rules",
        "tests",
        "config.example.toml",
    ):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("sqlalchemy", ("sync/store/", "connectors/tables/")),
        ("alembic", ("sync/store/",)),
        ("pyiceberg", ("sync/store/",)),
        ("apscheduler", ("sync/schedule.py",)),
        ("prometheus_client", ("sync/serve/",)),
        ("scipy", ("rules/models/",)),
        ("email_validator", ("sync/quality/",)),
        ("disposable_email_domains", ("sync/quality/",)),
        ("mailchimp_marketing", ("connectors/mailchimp/client.py",)),
    ],
)
def test_a_library_stays_where_it_belongs(library: str, allowed: tuple[str, ...]) -> None:
    users = [str(p.relative_to(ROOT)) for p in SOURCES if library in imported(p)]
    assert users, f"nobody imports {library}: is it still a dependency?"
    assert [user for user in users if not user.startswith(allowed)] == []


def test_no_clock_is_called_below_the_run() -> None:
    clocks = ("datetime.now(", "datetime.utcnow(", "time.time(", "date.today(", "dt.datetime.now(")
    allowed = (
        "sync/run",
        "sync/cli/",
        "sync/demo/",
        "connectors/pacing.py",  # the clock that is handed to everybody else
        "sync/store/store.py",  # compares with the age of files, which the file system's clock wrote
        "sync/store/recalled.py",  # as well
    )
    found = [
        f"{path.relative_to(ROOT)}: {clock}"
        for path in SOURCES
        for text in [path.read_text()]
        for clock in clocks
        if clock in text
        and not str(path.relative_to(ROOT)).startswith(allowed)
        # a platform simulator is the outside world: it has a clock of its own
        and "simulat" not in str(path)
    ]
    assert found == []


def test_no_other_distribution_installs_our_plain_names() -> None:
    owners = packages_distributions()
    for name in ("connectors", "rules", "sync"):
        assert set(owners.get(name, ["segsync"])) <= {"segsync"}, name


def test_help_loads_no_heavy_library() -> None:
    heavy = (
        "pyarrow",
        "duckdb",
        "pyiceberg",
        "sqlalchemy",
        "mailchimp_marketing",
        "pandas",
        "phonenumbers",
        "apscheduler",
        "prometheus_client",
        "scipy",
    )
    code = (
        "import sys; sys.argv=['segsync','--help']\n"
        "from sync.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('LOADED', [m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.rstrip().endswith("LOADED []"), done.stdout[-200:]


def test_a_run_without_models_loads_no_scipy() -> None:
    code = (
        "import sys\nimport sync.cli.running, sync.run.pipeline, sync.run.workspace\n"
        "print('LOADED', [m for m in ('scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.rstrip() == "LOADED []", done.stdout[-200:]


def test_no_index_address_and_no_machine_path_is_committed() -> None:
    files = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT)
    needles = ("/simple" + "/", "/wor" + "k/main", "/opt/py" + "pi")
    for name in files.stdout.split():
        path = ROOT / name
        if path.suffix in {".py", ".toml", ".md", ".txt", ".cfg", ""} and path.is_file():
            text = path.read_text(errors="replace")
            assert not [needle for needle in needles if needle in text], name
