"""The five steps of a run, and how each leaves its mark in the report.

Each leaves the store consistent and may be repeated, so a run may end after any, and be resumed by anybody.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

from pyroaring import BitMap

from connectors.base import Audience, AudienceKind, ManagesAudiences
from connectors.errors import ConnectorError, Frozen
from rules.ruleset import Clustering, RuleSet
from sync.again import assign_again, noted
from sync.approval import Selection
from sync.assign import read_now, remember
from sync.brakes import SourceCount
from sync.due import next_at
from sync.intend import Wanted, intend, save
from sync.persons import absorb, living_contacts, suppressed_people
from sync.plan import Plan
from sync.progress import SILENT, Progress
from sync.pull import Pulled
from sync.push import writes
from sync.quarantine import tried
from sync.run.consent import brake_limits, record_opt_outs, with_opt_outs
from sync.run.holding import held_parts
from sync.run.kpis import keep as keep_kpis
from sync.run.opened import Opened
from sync.run.planning import source_counts, wanted_of
from sync.run.report import Report
from sync.run.rulebook import known_rules, rules_of_matching
from sync.run.sharing import pull_part, push_part, share, whereabouts
from sync.run.telling import tell_earlier, tell_left_over, tell_plan, tell_pulled, tell_pushed
from sync.run.workspace import Workspace
from sync.store import Lease, Run, Step, Task, TaskState
from sync.store.moves import finish_moves
from sync.store.optouts import StoredOptOut
from sync.store.plans import PlannedBatch
from sync.store.values import Money
from sync.whereabouts import READ, Whereabouts

FRESH = dt.timedelta(minutes=10)
"""A run that is taken up again so long after it began does not rely on what it read before."""


class Pipeline:
    """One run. Steps are called in order; each leaves the store consistent, so a run may end after any."""

    def __init__(
        self,
        workspace: Workspace,
        run: Run,
        *,
        lease: Lease,
        threads: int | None = None,
        progress: Progress = SILENT,
        whole: bool = False,
    ) -> None:
        self.whole = whole
        self.workspace = workspace
        self.store = workspace.store
        self.run = run
        self.as_of = run.as_of
        self.lease = lease
        self.threads = threads
        self.progress = progress
        self.report = Report(run_id=run.id, as_of=run.as_of)
        tell_earlier(self.report, run, self.store)
        self._pulled: dict[str, Pulled] = {}
        self._living: dict[str, int] = {}
        self._renames: dict[int, str] = {}

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────

    def all_steps(self) -> None:
        """As much of the five steps as the run's scope asks for."""
        self.pull()
        self.identify()
        if not self.run.scope.plans:
            return
        rules, members = self.assign()
        self.plan(rules, members)
        if self.run.scope.push and self.report.plan_id is not None:
            self.push(self.report.plan_id)

    def pull(self) -> None:
        """Step 1: every source from its checkpoint. A source that fails is reported; the rest goes on."""
        asked = self.run.scope.sources
        names = [name for name in self.workspace.sources if asked is None or name in asked]
        with self._step(Step.PULL):
            for name in names:  # a mistake in the config ends the run before anything is read
                self.workspace.connector(name)
            self._pulled = tell_pulled(self.report, self._share(Step.PULL, self._to_pull(names)))

    def identify(self) -> None:
        """Step 2: absorb what was pulled; contacts become people."""
        settings = self.workspace.settings
        _, fields = self.workspace.vocabulary()
        rules = rules_of_matching(self.workspace, fields)
        rates = {currency: float(rate) for currency, rate in settings.business.rates.items()}
        own_names: dict[str, list[str]] = {}
        for row in self.store.ledger.audiences():
            own_names.setdefault(row.connection, []).append(row.name)
        with self._step(Step.IDENTIFY):
            done = absorb(
                self.store,
                {name: self.workspace.known(name)[0] for name in self.workspace.sources},
                fields=fields,
                rules=rules,
                money=Money(settings.business.currency, rates),
                own_names=own_names,
                began=self.run.started_at,  # also of a resumed run: its pages may be as old as that
                run_id=self.report.run_id,
                at=self.as_of,
                refuse=settings.quality.refuse,
                progress=self.progress,
            )
        self._living = done.living
        self.report.people = done.people
        self.report.lake_rows_changed += done.changed_rows
        self.report.rejected += done.rejected
        self.report.merges += done.merges
        self.report.splits += done.splits
        self.report.notices += done.blocked + done.kept_out

    def assign(self) -> tuple[RuleSet, Mapping[str, BitMap]]:
        """Step 3: the members of every segment, stored with the version of its rule."""
        with self._step(Step.ASSIGN):
            vocabulary, rules = known_rules(self.workspace)
            self.model()
            self.cluster(rules.clusterings)
            self.progress.step("assign")
            self.report.lake = read_now(self.store)
            settings = self.workspace.settings
            assigned = assign_again(
                self.store,
                rules,
                vocabulary=vocabulary,
                as_of=self.as_of,
                run_id=self.report.run_id,
                business=settings.business,
                settings=settings.rules,
                whole=self.whole,
            )
            evaluation, folder = assigned.evaluation, settings.rules_dir
            with noted(self.store, rules, assigned):
                remember(
                    self.store, rules, evaluation, run_id=self.report.run_id, as_of=self.as_of, folder=folder
                )
            untold = keep_kpis(self.workspace, self.run, evaluation.members)
        self.report.evaluation = assigned.document()
        self.report.notices += [*assigned.notices, *untold]
        self.report.people = evaluation.people
        self.report.segments = {name: len(members) for name, members in evaluation.members.items()}
        return rules, evaluation.members

    def model(self, asked: Collection[str] = ()) -> None:
        """Fit the models that are due or `asked` for, and give everybody their facts."""
        models = self.workspace.settings.models
        if not models:
            return
        from sync.models.keeping import keep  # loads SciPy

        self.progress.step("models")
        self.workspace.vocabulary()  # whether the activity they are made of exists
        currency = self.workspace.settings.business.currency
        kept = keep(self.store, models, as_of=self.as_of, currency=currency, asked=asked)
        self.report.notices += kept.notices
        self.report.models = kept.document()
        self.report.held_facts = kept.held

    def cluster(self, clusterings: Mapping[str, Clustering], asked: Collection[str] = ()) -> None:
        """Find the clusters that are due or `asked` for, and give everybody theirs."""
        if not clusterings:
            return
        from sync.clusters.keeping import keep  # loads SciPy

        self.progress.step("clusters")
        vocabulary, _ = self.workspace.vocabulary()
        kept = keep(
            self.store,
            clusterings,
            vocabulary,
            as_of=self.as_of,
            settings=self.workspace.settings.rules,
            asked=asked,
            progress=self.progress,
        )
        self.report.notices += kept.notices
        self.report.models = {**self.report.models, "clusterings": kept.document()}

    def plan(self, rules: RuleSet, members: Mapping[str, BitMap]) -> Plan:
        """Step 4: what has to change where; stored whole before anything is sent."""
        with self._step(Step.PLAN):
            plan, sources = self.look(rules, members)
            summary = {
                "changes": plan.changes,
                "held": plan.held,
                "sources": {source.connection: source.now for source in sources},
                "rules": {name: segment.version for name, segment in rules.segments.items()},
                "forecast": self.report.forecasts(),
                "scope": self.run.scope.document(),
                "parts": held_parts(self.store, plan, rules),
            }
            self.report.plan_id = self.save(plan, as_of=self.as_of, summary=summary)
            self._keep_baselines(sources)
            tell_left_over(self.report, self.store, rules)
        return plan

    def save(
        self,
        plan: Plan,
        *,
        as_of: dt.datetime,
        summary: Mapping[str, object],
        scope: str | None = None,
        rejected: Sequence[PlannedBatch] = (),
        approved_at: dt.datetime | None = None,
    ) -> int:
        """Store the plan as one of this run, and of its scope if no other is given; returns its id."""
        return save(
            self.store,
            plan,
            run_id=self.run.id,
            as_of=as_of,
            summary=summary,
            scope=self.run.scope.key if scope is None else scope,
            rejected=rejected,
            approved_at=approved_at,
        )

    def look(
        self,
        rules: RuleSet,
        members: Mapping[str, BitMap],
        *,
        decide: Callable[[Plan], Plan] | None = None,
        released: Selection | None = None,
        shown: Sequence[StoredOptOut] | None = None,
    ) -> tuple[Plan, list[SourceCount]]:
        """Read the destinations and make the plan, without storing it.

        `decide`: what of it goes out; `released`: what a person let go; `shown`: opt-outs of the plan that
        is carried out, and no others are taken up.
        """
        finish_moves(self.store)
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
                    database, contacts=lake.relation("contacts", only=READ), links=lake.relation("links")
                ),
                sources=sources,
                limits=brake_limits(self.workspace.settings),
                at=self.as_of,
                quota=self.workspace.calls_left,
                due=partial(next_at, zone=self.workspace.settings.business.zone, after=self.as_of),
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
        plan = done.plan if decide is None else decide(done.plan)
        tell_plan(self.report, plan, self.workspace, renames=done.renames)
        plan = with_opt_outs(
            self.workspace, self.store, plan, self.report, at=self.as_of, shown=shown, released=released
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
        # Taken over, a run may find all sent, and a task whose worker never came to say so: it is done again.
        untold = {task.connection for task in self.store.tasks.of(self.run.id, Step.PUSH) if not task.results}
        if open_batches or untold:
            with self._step(Step.PUSH):
                rows = {row.id: row for row in self.store.ledger.audiences()}
                names = sorted(untold | {rows[batch.audience_id].connection for batch in open_batches})
                total = sum(len(batch.adds) + len(batch.removes) for batch in open_batches)
                self._share(Step.PUSH, {name: {"plan": plan_id} for name in names}, total=total)
                with closing(self.store.lake.connect()) as database:
                    tried(self.store, whereabouts(self.store, database), at=self.as_of)
        self.store.plans.settle(plan_id)
        tell_pushed(self.report, self.store, self.store.tasks.of(self.run.id, Step.PUSH))

    def _share(
        self, step: Step, work: Mapping[str, Mapping[str, object]], *, total: int | None = None
    ) -> list[Task]:
        """The step's tasks, done by us and by whoever else is there."""
        self.progress.step(step.value, total)
        with closing(self.store.lake.connect()) as database:  # one for all our threads
            addresses = whereabouts(self.store, database).addresses if step is Step.PUSH else None
            return share(
                self.workspace,
                self.run,
                step,
                work,
                part=pull_part if addresses is None else partial(push_part, addresses=addresses),
                stopping=self.lease.stopping,
                threads=self.threads,
                progress=self.progress,
            )

    def _to_pull(self, names: Sequence[str]) -> dict[str, Mapping[str, object]]:
        """Source → what its task says. What was read before a run was taken up again, much later, is read
        once more: people may have opted out since."""
        work: dict[str, Mapping[str, object]] = {name: {} for name in names}
        if self.workspace.clock.utc_now() - self.run.started_at < FRESH:
            return work
        for task in self.store.tasks.of(self.run.id, Step.PULL):
            if task.connection in work:
                done = task.state is TaskState.DONE
                work[task.connection] = {"claim": self.run.fence} if done else task.work
        return work

    def _rename_audiences(self) -> None:
        """A segment's audience follows its name; who is in it does not change."""
        for audience, _ in sorted(self._renames.items()):
            row = self.store.ledger.get(audience)
            connector = self.workspace.connector(row.connection)
            part = self.report.connection(row.connection)
            if isinstance(connector, ManagesAudiences) and not part.stopped:
                before = writes(connector)
                try:
                    with self.workspace.writing(row.connection):
                        connector.rename(
                            Audience(row.segment, row.name, AudienceKind(row.kind), row.remote_id)
                        )
                    part.renamed += 1
                except ConnectorError as error:
                    part.stopped, part.frozen = str(error), isinstance(error, Frozen)
                part.preparing_calls += writes(connector) - before

    # ── inner ────────────────────────────────────────────────────────────────────────────────────────

    def _wanted(self, rules: RuleSet) -> tuple[Wanted, ...]:
        only = self.run.scope.segments
        if only is not None:
            rules = replace(rules, segments={n: one for n, one in rules.segments.items() if n in only})
        wanted, silent = wanted_of(self.workspace, rules, features=self.workspace.features)
        for name, reason in silent.items():
            self.report.connection(name).stopped = reason
        return wanted

    def _source_counts(self) -> list[SourceCount]:
        return source_counts(
            self.store,
            self.workspace.sources,
            living=self._living,
            ended_early=[name for name, pulled in self._pulled.items() if pulled.stopped is not None],
        )

    def _keep_baselines(self, sources: list[SourceCount]) -> None:
        """A source that shrank keeps its old count until a person has approved what follows from it."""
        limit = 1 - float(self.workspace.settings.brakes.shrink_share)
        for source in sources:
            if not source.ended_early and source.now >= source.before * limit:
                self.store.notes.set(f"good:{source.connection}", source.now)

    @contextmanager
    def _step(self, step: Step) -> Iterator[None]:
        """One step: whoever has to go on from here finds it, and what the report said when it began."""
        self.store.go_on()
        self.store.runs.reached(self.run, step, stats=self.report.document())
        start = time.perf_counter()
        yield
        seconds = self.report.seconds
        seconds[step.value] = seconds.get(step.value, 0.0) + time.perf_counter() - start
