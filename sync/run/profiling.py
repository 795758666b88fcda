"""Profiles of segments over what the last run left, for `segsync profile` and `segsync report`. Changes no
data, and asks no platform."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from pyroaring import BitMap

from sync.config.problems import did_you_mean
from sync.engines import tables
from sync.errors import UserError
from sync.profiles.columns import columns
from sync.profiles.figures import Figures
from sync.profiles.page import GENERATOR, page
from sync.profiles.profile import Profile, Size, profile
from sync.run.workspace import Workspace
from sync.store.segments import Membership


def profiles(workspace: Workspace, wanted: Sequence[str] = ()) -> list[Profile]:
    """Of the segments `wanted`, or of all that the last run knew, in the order of their ids.

    UserError if no run has computed one of them.
    """
    chosen = _chosen(workspace, wanted)
    vocabulary, specs = workspace.vocabulary()
    store = workspace.store
    there = tables(store, vocabulary)
    as_of = max(one.as_of for one in chosen.values())
    looked_at = columns(
        vocabulary,
        specs,
        people=there.people,
        activity=there.activity,
        links=store.lake.relation("links"),
        there=store.lake.columns("people"),
        as_of=as_of,
    )
    with closing(store.lake.connect()) as database:
        figures = Figures(database, looked_at, there.people)
        return list(_made(workspace, chosen, figures))


def page_of(workspace: Workspace, made: Sequence[Profile]) -> str:
    """Profiles as one page, with what runs measured of these segments."""
    return page(
        made,
        made_at=workspace.clock.utc_now(),
        measured=workspace.store.kpis.series([one.segment for one in made]),
        currency=workspace.settings.business.currency,
    )


def write_report(text: str, to: Path, *, force: bool = False) -> None:
    """In one step: whoever opens the file sees the old one or the new one, whole. UserError, and nothing is
    written, if a file is there that is no report of ours (unless `force`), or the folder takes none."""
    real = to.resolve()
    fresh = real.with_name(f".{real.name}.{secrets.token_hex(4)}")
    try:
        if not (force and real.is_file()):
            check_place(to)
        with fresh.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(real)
    except OSError as error:
        raise UserError(f"the report could not be written to {to}: {error.strerror or error}") from error
    finally:
        fresh.unlink(missing_ok=True)


def check_place(to: Path, *, option: str = "--out", otherwise: str = ", or add --force") -> None:
    """UserError if no report can be written there: for whoever makes one for long. `option`: of the command;
    `otherwise`: what else helps where another file is there."""
    if to.is_dir():
        raise UserError(f"{to} is a folder; name a file in it with {option}")
    if not to.resolve().parent.is_dir():
        raise UserError(
            f"the report could not be written to {to}: its folder is not there; make it, or name another with"
            f" {option}"
        )
    if to.exists() and not _ours(to):
        raise UserError(f"{to} is no report of segsync; name another with {option}{otherwise}")


def _ours(file: Path) -> bool:
    try:
        with file.open("rb") as there:
            return GENERATOR.encode() in there.read(1000)
    except OSError:
        return False  # not to be read, so not known to be one


def _made(workspace: Workspace, chosen: dict[str, Membership], figures: Figures) -> Iterator[Profile]:
    segments = workspace.store.segments
    for segment, membership in chosen.items():
        members = BitMap(membership.members)
        sizes = segments.sizes(segment)
        trend = [
            Size(one.began, one.size, edited=place > 0 and one.version != sizes[place - 1].version)
            for place, one in enumerate(sizes)
        ]
        wordings = {one.version: one.name for one in segments.versions(segment)}
        yield profile(
            segment,
            wordings.get(membership.version) or segment,
            as_of=membership.as_of,
            size=len(members),
            trend=trend,
            inside=figures.of(members),
            everybody=figures.everybody,
            numbers=figures.numbers,
            levels=figures.levels,
        )


def _chosen(workspace: Workspace, wanted: Sequence[str]) -> dict[str, Membership]:
    latest = workspace.store.segments.latest()
    for segment in wanted:
        if segment not in latest:
            hint = did_you_mean(segment, latest) or "; `segsync run` makes them"
            raise UserError(f"no run has computed a segment {segment}{hint}")
    if not latest:
        raise UserError("no run has computed a segment yet; `segsync run` comes first")
    newest = max(one.last_run for one in latest.values())
    return {
        name: one
        for name, one in sorted(latest.items())
        if (name in wanted if wanted else one.last_run == newest)
    }
