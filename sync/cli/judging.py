"""The command about data quality: quality."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.output import Format, FormatOption, emit_json, say, table
from sync.cli.running import config_of
from sync.errors import UserError

if TYPE_CHECKING:
    from sync.quality.report import QualityReport
    from sync.run.findings import Looked

_SHOWN = 12


def register(app: typer.Typer) -> None:
    """Hang this module's commands under `app`."""
    app.command()(quality)


def quality(
    context: typer.Context,
    rows: Annotated[
        Path | None, typer.Option(help="write every finding to this CSV file; - : to standard output")
    ] = None,
    rule: Annotated[str | None, typer.Option(help="with --rows: only what this rule found")] = None,
    show_values: Annotated[
        bool,
        typer.Option(
            "--show-values",
            help="with --rows: also what stands there (addresses, names) and the platform's id",
        ),
    ] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """How good the data is: who can be mailed, what is wrong, what that blocks, and how to mend it.

    Shows no address and no name, unless --show-values asks for them.

    Exit codes: 0 reported, whatever was found; 1 nothing pulled yet, no such rule, or the file cannot be
    written; 2 wrong usage.
    """
    from sync.run.findings import looked
    from sync.run.quality import report
    from sync.run.workspace import Workspace

    if rows is None and (rule is not None or show_values):
        raise UserError("--rule and --show-values choose what --rows FILE.csv lists; give that, too")
    with Workspace.open(config_of(context)) as workspace, looked(workspace) as look:
        if rows is not None:
            _list(look, rows, rule=rule, values=show_values, output=output)
            return
        found = report(look)
    if output is Format.JSON:
        emit_json(found.document())
    else:
        _show(found)


def _list(look: Looked, to: Path, *, rule: str | None, values: bool, output: Format) -> None:
    from sync.run.findings import rows, write_file, write_rows

    found = rows(look, rule=rule, values=values)
    if str(to) != "-":
        count = write_file(found, to, values=values)
        if output is Format.JSON:
            emit_json({"file": str(to), "rows": count})
        else:
            say(f"{count:,} findings in {to}")
    elif output is Format.JSON:
        emit_json({"rows": list(found)})
    else:
        write_rows(found, sys.stdout, values=values)


def _show(found: QualityReport) -> None:
    from sync.quality.kept_out import records

    _numbers(found)
    shown = [one for one in found.issues if one.people or one.contacts][:_SHOWN]
    table(
        "What is wrong",
        ["contacts", "people", "", "what", "rule", "severity", "segments"],
        (
            [
                one.contacts,
                one.people,
                f"{one.share:.0%}",
                one.rule.fault,
                one.rule.id,
                one.rule.severity.value,
                len(one.segments),
            ]
            for one in shown
        ),
    )
    if len(found.issues) > _SHOWN:
        say(f"{len(found.issues) - _SHOWN} more: --format json")
    for one in shown[:3]:
        hints = ", ".join(f"{hint} ({count:,})" for hint, count in one.hints.items())
        say(f"{one.rule.id}: {one.rule.fix}{f'; most likely {hints}' if hints else ''}")
    table(
        "What it blocks",
        ["people", "", "cannot be used for", "because of"],
        ([one.people, f"{one.share:.0%}", one.feature.value, ", ".join(one.rules)] for one in found.blocked),
    )
    table(
        "Sources",
        [
            "connection",
            "contacts",
            "with errors",
            "with warnings",
            "rejected rows",
            "kept out",
            "most frequent",
        ],
        (
            [s.connection, s.contacts, s.errors, s.warnings, s.rejected, s.kept_out, s.worst]
            for s in found.sources
        ),
    )
    connections = {one.connection for one in found.sources}
    fields = [one for one in found.filled if one.field.split(".")[0] not in connections]
    table(
        "Filled",
        ["field", "people", "", "last filled"],
        (
            [f.field, f.people, f"{f.share:.0%}", f"{f.last:%Y-%m-%d}" if f.last else None]
            for f in fields
            if f.people
        ),
    )
    if empty := [one.field for one in fields if not one.people]:
        say(f"Nobody has: {', '.join(empty)}")
    _segments(found)
    if rejected := sum(one.rejected for one in found.sources):
        say(f"{rejected:,} rows or values were rejected: segsync status lists them")
    for rule, count in found.kept_out.items():
        if count:
            say(f"{records(count)} kept out of people: {rule} ([quality] refuse)")
    for warning in found.warnings():
        say(f"{warning.code}: {warning.message}")
    for notice in found.notices:
        say(notice)
    say("Every finding with its fix: segsync quality --rows FILE.csv")


def _segments(found: QualityReport) -> None:
    doubted = [one for one in found.trust if one.badge.value != "trusted"]
    say(f"{len(found.trust) - len(doubted):,} of {len(found.trust):,} segments are trusted")
    if doubted:
        table(
            "Do not rely on",
            ["segment", "badge", "members", "rest on a fault", "", "most of them"],
            (
                [
                    one.segment,
                    one.badge.value,
                    one.members,
                    one.faulty,
                    f"{one.share:.0%}",
                    one.worst and one.worst[0],
                ]
                for one in doubted
            ),
        )


def _numbers(found: QualityReport) -> None:
    moved = ""
    if found.mailable_before is not None:
        moved = (
            f" ({100 * (found.mailable - found.mailable_before):+.1f} points since run {found.compared_with})"
        )
    say(f"{found.mailable:.1%} of {found.people:,} people can be mailed{moved}")
    table("", ["step", "people", "lost"], ([one.name, one.people, one.lost] for one in found.steps))
    say(f"Score {_score(found.overall)} of 100, as of {found.as_of:%Y-%m-%d %H:%M} UTC")
    table(
        "",
        ["dimension", "score", "weight", "since then" if found.compared_with else "trend", "rules asked"],
        (
            [
                one.dimension.value,
                _score(one.score),
                one.weight,
                None if one.trend is None else f"{one.trend:+.1f}",
                ", ".join(f"{rule} ×{weight:g}" for rule, weight in one.weights.items()),
            ]
            for one in found.scores
        ),
    )


def _score(score: float | None) -> str:
    return "–" if score is None else f"{score:.1f}"
