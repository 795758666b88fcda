"""The whole file → `Settings`, or one `ConfigError` with every problem. Warnings travel in the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath

from connectors.registry import Platform
from sync.config.alerts import read_alerts
from sync.config.approval import read_approval
from sync.config.connections import read_connections
from sync.config.document import Document, read
from sync.config.fields import read_fields, read_keys, read_trust
from sync.config.general import read_brakes, read_business, read_identity, read_prefix, read_rules, read_store
from sync.config.measures import read_measuring
from sync.config.models import read_models
from sync.config.problems import ConfigError, Path, Problem, Severity, spell
from sync.config.quality import read_quality
from sync.config.related import read_places, read_records
from sync.config.schedules import read_schedules
from sync.config.section import Report, Section
from sync.config.settings import Settings
from sync.config.tokens import advice, looks_like


def load(path: FilePath | str, *, platforms: Mapping[str, Platform] | None = None) -> Settings:
    """Read `path`; ConfigError with all problems, in the order of the file.

    `platforms` are the known ones by name; None: all that are installed.
    """
    document = read(FilePath(path))
    report = Report(document)
    top = Section(report, (), document.values)
    store = read_store(top.table("store"))
    rules = read_rules(top.table("rules"))
    business = read_business(top.table("business"))
    prefix = read_prefix(top.table("names"))
    brakes = read_brakes(top.table("brakes"))
    approval = read_approval(top.table("approval"))
    rules_dir = FilePath(top.text("rules_dir", "rules")).expanduser()
    connections = read_connections(top.table("connections"), platforms)
    trust = read_trust(top.table("trust"), connections)
    identity_section = top.table("identity")
    keys = read_keys(identity_section, connections)
    identity = read_identity(identity_section, keys)
    fields = read_fields(top.table("fields"), connections)
    places = read_places(top.table("places"))
    records = read_records(top.table("records"))
    models = read_models(top.table("models"), zone=business.zone)
    quality = read_quality(top.table("quality"))
    schedules = read_schedules(top.table("schedules"), connections, zone=business.zone)
    alerts = read_alerts(top.table("alerts"))
    measuring = read_measuring(
        top.table("kpis"), top.table("satisfaction"), top.table("campaigns"), zone=business.zone
    )
    top.close()
    problems = _in_order([*report.problems, *_pasted_secrets(document)])
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise ConfigError(problems)
    return Settings(
        path=document.folder / document.file,
        store=store,
        rules_dir=document.folder / rules_dir,
        rules=rules,
        business=business,
        audience_prefix=prefix,
        identity=identity,
        brakes=brakes,
        approval=approval,
        connections=connections,
        trust=trust,
        fields=fields,
        places=places,
        records=records,
        models=models,
        quality=quality,
        measuring=measuring,
        schedules=schedules,
        alerts=alerts,
        warnings=tuple(problems),
        lines={spell(key): line for key, line in document.lines.items()},
    )


def _in_order(problems: list[Problem]) -> list[Problem]:
    """By line; equal ones once. A place with a pasted secret in it is reported for that first."""
    return sorted(dict.fromkeys(problems), key=lambda p: (p.line or 0, p.key))


def _pasted_secrets(document: Document) -> Iterator[Problem]:
    """Whatever looks like a token, in values, keys and comments. Says where, never what."""
    lines: set[int | None] = set()
    for path, text in _texts(document.values):
        kind = looks_like(text)
        if kind is not None:
            problem = document.problem(path, advice(kind))
            lines.add(problem.line)
            yield problem
    for number, content in enumerate(document.text.split("\n"), start=1):
        kind = looks_like(content)
        if kind is not None and number not in lines:
            yield Problem(file=document.file, message=advice(kind), line=number)


def _texts(values: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text of the document with its path; a key counts as a text at its section's path."""
    if isinstance(values, dict):
        for key, value in values.items():
            if looks_like(key):
                yield path, key
            else:
                yield from _texts(value, (*path, key))
    elif isinstance(values, list):
        for position, value in enumerate(values):
            yield from _texts(value, (*path, position))
    elif isinstance(values, str):
        yield path, values
