"""What every command has in common: one JSON document for scripts, exit codes, fast help."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.main

from tests.patience import PATIENCE_S
from tests.scenarios.company import Company, command, company, join, segment
from tests.sync.cli.conftest import Segsync


def leaves(group: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command under `group` with the words that call it."""
    for name, one in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(one, "commands"):
            yield from leaves(one, (*path, name))
        else:
            yield (*path, name), one


@cache
def commands() -> dict[str, object]:
    from sync.cli.app import app

    return {" ".join(words): one for words, one in leaves(typer.main.get_command(app))}


def test_the_commands_are_those_that_are_promised() -> None:
    assert set(commands()) >= {
        "init", "check", "test", "vocabulary", "connections check", "pull", "plan", "apply", "run",
        "approve", "status", "preview", "explain", "people", "demo", "simulate",
    }  # fmt: skip


SERVICES = {"serve", "worker"}
"""They print no result: they work until they are told to end, and `serve` logs JSON."""


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_a_json_format_and_says_what_it_is_for(name: str) -> None:
    one = commands()[name]
    options = {option for parameter in one.params for option in parameter.opts}  # type: ignore[attr-defined]
    assert "--format" in options or name in SERVICES
    assert one.help  # type: ignore[attr-defined]


JUDGING = ("models", "clusters", "quality", "profile", "report", "evaluate", "kpis", "packs")


@pytest.mark.parametrize("name", [one for one in sorted(commands()) if one.split()[0] in JUDGING])
def test_commands_that_judge_say_what_their_exit_codes_mean(name: str) -> None:
    told = commands()[name].help.partition("Exit codes: ")[2]  # type: ignore[attr-defined]
    assert re.fullmatch(r"0 [^;]+; 1 [^;]+(; [^;]+)*; 2 wrong usage\.", " ".join(told.split()))


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("test",),
        ("vocabulary",),
        ("connections", "check"),
        ("pull",),
        ("plan",),
        ("run",),
        ("status",),
        ("preview", "dach"),
        ("people", "dach"),
        ("explain", "1", "dach"),
    ],
    ids=" ".join,
)
def test_json_is_exactly_one_document_and_nothing_else(segsync: Segsync, words: tuple[str, ...]) -> None:
    answer = segsync(*words, "--format", "json")
    assert answer.code == 0, answer.said
    assert isinstance(json.loads(answer.out), dict)
    assert answer.err == ""
    text = segsync(*words)
    assert text.code == 0
    assert text.out.strip()
    assert not text.out.lstrip().startswith("{")


def test_decisions_say_when_there_is_nothing_to_decide(segsync: Segsync, tmp_path: Path) -> None:
    made = command("init", tmp_path / "new", "--format", "json").document["made"]
    assert all(Path(path).is_file() for path in made)
    assert "no plan yet" in command("apply", config=tmp_path / "new" / "config.toml").err
    segsync("plan")
    applied = segsync("apply", "--format", "json")
    assert applied.code == 0, applied.said
    assert "nothing is left to send" in applied.document["notices"][0]
    refused = segsync("approve", "1", "--format", "json")
    assert (refused.code, refused.out) == (1, "")
    assert "no plan waits" in refused.err or "holds nothing back" in refused.err or "waits now" in refused.err


def test_help_takes_well_under_a_second() -> None:
    """Of a processor's time: the machine may be busy with other things."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "import sys; sys.argv = ['segsync', '--help']; from sync.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "Exit codes" in done.stdout
    assert after.ru_utime - before.ru_utime < 0.9


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_simulate_serves_any_client_until_it_is_stopped(ending: signal.Signals) -> None:
    """Also from the background of a script, where shells have Ctrl-C ignored."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "import sys; sys.argv = ['segsync', 'simulate', 'mailchimp', '--people', '3', '--format', 'json'];"
        "from sync.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = []
    while not lines or lines[-1] != "}\n":
        lines.append(process.stdout.readline())
        assert lines[-1], "it ended before it said where it is"
    told = json.loads("".join(lines))
    request = urllib.request.Request(
        f"{told['address']}/3.0/lists/{told['list']}", headers={"Authorization": f"Bearer {told['api_key']}"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        assert json.load(answer)["id"] == told["list"]
    process.send_signal(ending)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """A company whose customers come from wherever strangers type."""
    with company(tmp_path, monkeypatch) as made:
        made.rules(segment("everyone", "country is known", to="[]"))
        made.orders([])
        yield made


FORMULAS = (
    '=HYPERLINK("http://evil.example","x")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "  =1+1",
    "＝1+1",
    "plain",
)


def test_an_exported_file_runs_nothing_in_a_spreadsheet(strange: Company) -> None:
    strange.customers([(f"c{n}", f"p{n}@example.org", text) for n, text in enumerate(FORMULAS)])
    join(strange.newsletter, [1])
    strange.run()
    answer = strange.segsync("people", "everyone", "--export", "csv")
    assert answer.code == 0, answer.said
    header, *rows = csv.reader(io.StringIO(answer.out, newline=""))
    country = header.index("country")
    cells = [row[country] for row in rows]
    assert {cell.removeprefix("'").strip() for cell in cells} == {text.strip() for text in FORMULAS}
    for row in rows:
        assert not any(re.match(r"\s*[=+\-@＝＋－＠]", cell) for cell in row)
    assert len(rows) == len(FORMULAS)
    limited = strange.segsync("people", "everyone", "--export", "csv", "--limit", "3")
    assert len(limited.out.strip().splitlines()) == 4


def test_messages_to_a_terminal_carry_no_escape_sequences_when_piped(segsync: Segsync) -> None:
    assert "\x1b" not in segsync("status").said
    assert os.environ.get("FORCE_COLOR") is None
