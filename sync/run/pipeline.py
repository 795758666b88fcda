"""The five steps tied together, under one lease. The only place below the command line that asks the clock.

Only one run is at work on a store at a time. Its lease is renewed by a thread; a process that dies loses it.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pyroaring import BitMap

from connectors.base import Audience, AudienceKind, ManagesAudiences
from connectors.errors import ConnectorError
from rules.ruleset import RuleSet
from sync.assign import assign, remember
from sync.errors import Busy, ExitCode
from sync.forecast import forecast
from sync.intend import Wanted, intend, save, wanted_audiences
from sync.persons import absorb, living_contacts, suppressed_people
from sync.plan import Plan, SourceCount
from sync.progress import SILENT, Progress
from sync.pull import Pulled, pull_all
from sync.push import Pushed, push, writes
from sync.run.consent import brake_limits, record_opt_outs, with_opt_outs
from sync.run.marking import mark_audiences
from sync.run.opened import Opened
from sync.run.report import Report
from sync.run.rulebook import known_rules, left_over, rules_of_matching
from sync.run.workspace import Workspace
from sync.store import RunInProgress, RunState
from sync.store.optouts import StoredOptOut
from sync.store.tidy import tidy
from sync.store.values import Money
from sync.whereabouts import Whereabouts


class Pipeline:
    """One run. Steps are called in order; each leaves the store consistent, so a run may end after any."""

    def __init__(
        self, workspace: Workspace, *, run_id: int, as_of: dt.datetime, progress: Progress = SILENT
    ) -> None:
        self.workspace = workspace
        self.store = workspace.store
        self.as_of = as_of
        self.progress = progress
        self.report = Report(run_id=run_id, as_of=as_of)
        self._pulled: dict[str, Pulled] = {}
        self._living: dict[str, int] = {}
        self._renames: dict[int, str] = {}

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────

    def pull(self) -> None:
        """Step 1: every source from its checkpoint. A source that fails is reported; the rest goes on."""
        with self._timed("pull"):
            # opened one after the other: a mistake in the config ends the run before anything is read
            opened = {name: self.workspace.connector(name) for name in self.workspace.sources}
            done = pull_all(
                self.store,
                opened,
                run_id=self.report.run_id,
                at=self.as_of,
                prepare=self.workspace.features,
                progress=self.progress,
            )
        for pulled in done:
            part = self.report.connection(pulled.connection)
            self._pulled[pulled.connection] = pulled
            part.read = sum(pulled.rows.values())
            part.stopped, part.unusable = pulled.stopped, pulled.unusable
            self.report.rejected += pulled.rejected

    def identify(self) -> None:
        """Step 2: absorb what was pulled; contacts become people."""
        settings = self.workspace.settings
        _, fields = self.workspace.vocabulary()
        rules = rules_of_matching(self.workspace, fields)
        rates = {currency: float(rate) for currency, rate in settings.business.rates.items()}
        own_names: dict[str, list[str]] = {}
        for row in self.store.ledger.audiences():
            own_names.setdefault(row.connection, []).append(row.name)
        with self._timed("identify"):
            done = absorb(
                self.store,
                {name: self.workspace.known(name)[0] for name in self.workspace.sources},
                fields=fields,
                rules=rules,
                money=Money(settings.business.currency, rates),
                own_names=own_names,
                run_id=self.report.run_id,
                at=self.as_of,
                progress=self.progress,
            )
            if done.changed_rows:
                tidy(self.store.lake, now=self.workspace.clock.utc_now())
        self._living = done.living
        self.report.people = done.people
        self.report.lake_rows_changed = done.changed_rows
        self.report.rejected += done.rejected
        self.report.merges, self.report.splits = done.merges, done.splits
        self.report.notices += done.blocked

    def assign(self) -> tuple[RuleSet, Mapping[str, BitMap]]:
        """Step 3: the members of every segment, stored with the version of its rule."""
        with self._timed("assign"):
            vocabulary, rules = known_rules(self.workspace)
            self.progress.step("assign")
            evaluation = assign(self.store, rules, vocabulary=vocabulary, as_of=self.as_of)
            remember(self.store, rules, evaluation, run_id=self.report.run_id, as_of=self.as_of)
        self.report.people = evaluation.people
        self.report.segments = {name: len(members) for name, members in evaluation.members.items()}
        return rules, evaluation.members

    def plan(self, rules: RuleSet, members: Mapping[str, BitMap]) -> Plan:
        """Step 4: what has to change where; stored whole before anything is sent."""
        with self._timed("plan"):
            plan, sources = self.look(rules, members)
            summary = {
                "changes": plan.changes,
                "held": plan.held,
                "sources": {source.connection: source.now for source in sources},
                "rules": {name: segment.version for name, segment in rules.segments.items()},
                "forecast": self.report.forecasts(),
            }
            self.report.plan_id = save(
                self.store, plan, run_id=self.report.run_id, as_of=self.as_of, summary=summary
            )
            self._keep_baselines(sources)
            self._tell_left_over(rules)
        return plan

    def look(
        self,
        rules: RuleSet,
        members: Mapping[str, BitMap],
        *,
        approved: bool = False,
        shown: Sequence[StoredOptOut] | None = None,
    ) -> tuple[Plan, list[SourceCount]]:
        """Read the destinations and make the plan, without storing it. `approved`: nothing stays held.

        `shown`: opt-outs of the plan that is carried out; no others are taken up.
        """
        wanted = self._wanted(rules)
        sources = self._source_counts()
        lake = self.store.lake
        database = lake.connect()
        try:
            done = intend(
                self.store,
                wanted,
                connectors=Opened(self.workspace),
                members=members,
                suppressed=suppressed_people(database, lake.relation("people")),
                people=lake.rows("people"),
                whereabouts=Whereabouts(
                    database, contacts=lake.relation("contacts"), links=lake.relation("links")
                ),
                sources=sources,
                limits=brake_limits(self.workspace.settings),
                progress=self.progress,
            )
        finally:
            database.close()
        self._renames = done.renames
        for audience, old in done.renames.items():
            row = self.store.ledger.get(audience)
            self.report.notices.append(f'"{old}" on {row.connection} gets the name "{row.name}"')
        for name, reason in done.failed.items():
            self.report.connection(name).stopped = reason
        self._tell_plan(done.plan, approved=approved)
        plan = with_opt_outs(
            self.workspace, self.store, done.plan, self.report, at=self.as_of, shown=shown, approved=approved
        )
        return plan, sources

    def remember_living(self) -> None:
        """Count the contacts of each source, for the brakes, when this run pulls nothing."""
        database = self.store.lake.connect()
        try:
            self._living = living_contacts(database, self.store.lake.relation("contacts"))
        finally:
            database.close()

    def push(self, plan_id: int) -> None:
        """Step 5: send what the plan has open."""
        self._rename_audiences()
        record_opt_outs(self.workspace, self.store, self.report, plan_id, at=self.as_of)
        open_batches = self.store.plans.open_batches(plan_id)
        if not open_batches:
            self.store.plans.settle(plan_id)
            return
        with self._timed("push"):
            rows = {row.id: row for row in self.store.ledger.audiences()}
            names = {rows[batch.audience_id].connection for batch in open_batches}
            opened = {name: self.workspace.connector(name) for name in names}
            lake = self.store.lake
            database = lake.connect()
            try:
                whereabouts = Whereabouts(
                    database, contacts=lake.relation("contacts"), links=lake.relation("links")
                )
                done = push(
                    self.store,
                    plan_id,
                    connectors=opened,
                    addresses=whereabouts.addresses,
                    at=self.as_of,
                    progress=self.progress,
                )
            finally:
                database.close()
            for part in done:
                self._tell_push(part)
                sent = {batch.audience_id for batch in open_batches}
                mark_audiences(self.store, part.connection, opened[part.connection], pushed=sent)

    def _rename_audiences(self) -> None:
        """A segment's audience follows its name; who is in it does not change."""
        for audience, _ in sorted(self._renames.items()):
            row = self.store.ledger.get(audience)
            connector = self.workspace.connector(row.connection)
            part = self.report.connection(row.connection)
            if isinstance(connector, ManagesAudiences) and not part.stopped:
                before = writes(connector)
                try:
                    connector.rename(Audience(row.segment, row.name, AudienceKind(row.kind), row.remote_id))
                    part.renamed += 1
                except ConnectorError as error:
                    part.stopped = str(error)
                part.preparing_calls += writes(connector) - before

    # ── inner ────────────────────────────────────────────────────────────────────────────────────────

    def _wanted(self, rules: RuleSet) -> tuple[Wanted, ...]:
        asked = {target.connection for segment in rules.segments.values() for target in segment.to}
        features, silent = {}, []
        for name in self.workspace.destinations:
            if name in asked:
                try:
                    features[name] = self.workspace.features(name)
                except ConnectorError as error:
                    self.report.connection(name).stopped = str(error)
                    silent.append(name)
        prefix = self.workspace.settings.audience_prefix
        return wanted_audiences(rules, features, prefix=prefix, without=silent)

    def _source_counts(self) -> list[SourceCount]:
        counts = []
        for name in self.workspace.sources:
            now = self._living.get(name, 0)
            good = self.store.notes.get(f"good:{name}")
            pulled = self._pulled.get(name)
            counts.append(
                SourceCount(
                    connection=name,
                    before=good if isinstance(good, int) else now,
                    now=now,
                    ended_early=pulled is not None and pulled.stopped is not None,
                )
            )
        return counts

    def _keep_baselines(self, sources: list[SourceCount]) -> None:
        """A source that shrank keeps its old count until a person has approved what follows from it."""
        limit = 1 - float(self.workspace.settings.brakes.shrink_share)
        for source in sources:
            if not source.ended_early and source.now >= source.before * limit:
                self.store.notes.set(f"good:{source.connection}", source.now)

    def _tell_left_over(self, rules: RuleSet) -> None:
        """Audiences that no rule fills any more stay as they are until a person decides; say so."""
        for row in left_over(self.store, rules):
            self.report.notices.append(
                f'no rule fills "{row.name}" on {row.connection} any more ({row.segment}); its '
                f"{len(row.actual)} members stay until you decide: segsync audiences leave {row.segment} "
                f"--connection {row.connection} --how keep|empty|delete"
            )

    def _tell_plan(self, plan: Plan, *, approved: bool) -> None:
        self.report.changes, self.report.held = plan.changes, plan.held
        self.report.brakes = [brake.message for brake in plan.brakes]
        if approved:
            self.report.changes, self.report.held, self.report.brakes = plan.changes + plan.held, 0, []
        for name in {audience.source.connection for audience in plan.audiences}:
            part = self.report.connection(name)
            theirs = [audience for audience in plan.audiences if audience.source.connection == name]
            rows = self.store.ledger.audiences(name)
            part.forecast = forecast(
                plan,
                rows,
                connector=self.workspace.connector(name),
                renames=sum(1 for row in rows if row.id in self._renames),
                with_held=approved,
            )
            part.unreachable = len(BitMap.union(BitMap(), *(a.unreachable for a in theirs)))
            part.withheld = len(BitMap.union(BitMap(), *(a.withheld for a in theirs)))
            held = sum(len(a.held_adds) + len(a.held_removes) for a in theirs)
            part.held = 0 if approved else held

    def _tell_push(self, pushed: Pushed) -> None:
        part = self.report.connection(pushed.connection)
        part.adds += pushed.adds
        part.removes += pushed.removes
        part.changes += pushed.changes
        part.calls += pushed.calls
        part.preparing_calls += pushed.preparing_calls
        part.created += pushed.created
        part.refused += pushed.refused
        part.unknown += pushed.unknown
        part.stopped = pushed.stopped or part.stopped
        for audience in pushed.lost:
            row = self.store.ledger.get(audience)
            lost = f"{row.segment} → {row.connection}: the audience was deleted on the platform meanwhile"
            self.report.notices.append(f"{lost}; the next run makes it again")
            part.stopped = part.stopped or "an audience was deleted on the platform during the push"

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.report.seconds[step] = self.report.seconds.get(step, 0.0) + time.perf_counter() - start


@contextmanager
def begin(
    workspace: Workspace,
    trigger: str,
    *,
    as_of: dt.datetime | None = None,
    progress: Progress = SILENT,
) -> Iterator[Pipeline]:
    """Claim the store for one run. Busy if another one is at work; the run's end is always recorded.

    Work with the pipeline's own `workspace` and `store`: they stop writing at once if the lease is lost.
    """
    now = workspace.clock.utc_now()
    runs = workspace.store.runs
    try:
        run = runs.claim(trigger, as_of=as_of or now, now=now)
    except RunInProgress as error:
        raise Busy(str(error)) from error
    lease = runs.lease(run)
    with lease.kept(), workspace.under(lease) as mine:
        pipeline = Pipeline(mine, run_id=run.id, as_of=run.as_of, progress=progress)
        state = RunState.FAILED
        try:
            yield pipeline
            code = pipeline.report.exit_code
            state = {ExitCode.HELD: RunState.HELD, ExitCode.DONE: RunState.DONE}.get(code, RunState.FAILED)
        finally:
            stats = pipeline.report.document()
            runs.finish(run, state, now=workspace.clock.utc_now(), stats=stats)


def run(
    workspace: Workspace,
    *,
    as_of: dt.datetime | None = None,
    trigger: str = "run",
    progress: Progress = SILENT,
) -> Report:
    """All five steps. Raises UserError for problems in rules or config; platforms' failures are reported."""
    with begin(workspace, trigger, as_of=as_of, progress=progress) as pipeline:
        pipeline.pull()
        pipeline.identify()
        rules, members = pipeline.assign()
        pipeline.plan(rules, members)
        if pipeline.report.plan_id is not None:
            pipeline.push(pipeline.report.plan_id)
    return pipeline.report
