"""The worker threads of the service: execute requests of the journal, and continue them after a restart."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from threading import Condition, Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from influx_lake.config import Measurement
from influx_lake.errors import ConfigurationError, LakeError, StorageError, naming
from influx_lake.iceberg.window_load import Progress
from influx_lake.observing import Observation
from influx_lake.replication.facts import verification_facts, window_facts
from influx_lake.replication.requests.database import JournalFailed
from influx_lake.replication.requests.request import Kind, Request, RequestedWindow, Runner, State
from influx_lake.serve.problems import Problem, problem_of
from influx_lake.serve.work.changed_windows import SECONDS as CHANGES_SECONDS
from influx_lake.serve.work.changed_windows import ChangedWindows
from influx_lake.serve.work.planning import EVERYTHING, chosen, depth_of, moment, of_request, planned
from influx_lake.serve.work.plugin_request import plan_of, requested_measurement, summary, unused_batch_size
from influx_lake.serve.work.written_tables import Tables

if TYPE_CHECKING:
    from influx_lake.config.values.windows import Window
    from influx_lake.serve.service import Service
    from influx_lake.session import Session

log = logging.getLogger("influx_lake.serve")

_LOOK_SECONDS = 2.0
"""The interval for following Dagster's runs and for cleaning up, in seconds."""


class WorkerThreads:
    """The worker threads, from `start` to `stop`.

    Args:
        service: The service's state.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._journal = service.journal
        self._something = Condition()
        self._stopping = Event()
        self._taken: dict[str, frozenset[str]] = {}
        self._tables = Tables(service.lake)
        limits = service.options.limits
        self._threads = [
            Thread(target=self._work, name=f"loads-{number}", daemon=True) for number in range(limits.loads)
        ]
        self._threads.append(Thread(target=self._keep_house, name="looking", daemon=True))
        if service.runs is None:
            # With Dagster at hand its sensor `changed_windows` does it.
            self._threads.append(Thread(target=self._follow_changes, name="changes", daemon=True))

    def start(self) -> None:
        """Continue the requests that were under way, and execute those that wait."""
        for request in self._journal.resume():
            log.warning("the service was stopped in the middle of request %s, which goes on", request)
        if self._service.runs is None and (left := self._journal.open(Runner.DAGSTER)):
            log.warning(
                "%d requests are Dagster's, and nobody follows its runs: start this with --dagster, or DELETE them",
                len(left),
            )
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Signal that there is work."""
        with self._something:
            self._something.notify_all()

    @property
    def is_stopping(self) -> bool:
        """Whether no more work is begun."""
        return self._stopping.is_set()

    def check(self) -> None:
        """Check that all threads are alive.

        Raises:
            StorageError: A thread ended because the journal could not be used.
        """
        if not all(thread.is_alive() for thread in self._threads):
            raise StorageError("a thread of the service has ended: start it again")

    def begin_stop(self) -> None:
        """Begin no more work."""
        self._stopping.set()
        self.wake()

    def stop(self, patience: float) -> bool:
        """Begin no more work, and wait for the windows under way.

        Args:
            patience: The timeout in seconds.

        Returns:
            Whether all are done. Those that are not are loaded again when the service starts.
        """
        self.begin_stop()
        end = monotonic() + patience
        for thread in filter(Thread.is_alive, self._threads):
            thread.join(max(0.0, end - monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                if (request := self._take()) is not None:
                    self._attempt(request)
            except JournalFailed as error:
                # The work under way is repeated once the journal can be written.
                log.error("%s", error)  # noqa: TRY400 - all that there is to say
                self._stopping.wait(_LOOK_SECONDS)

    def _attempt(self, request: Request) -> None:
        try:
            self._do(request)
        except JournalFailed:
            raise
        except Exception:  # unexpected; the request fails and the thread continues
            log.exception("request %s", request.id)
            problem = {"type": "about:blank", "title": "Internal Server Error", "status": 500}
            self._journal.finish(request.id, State.FAILED, error={**problem, "detail": "see the service's log"})
        finally:
            with self._something:
                self._taken.pop(request.id, None)
                self._something.notify_all()

    def _take(self) -> Request | None:
        """The oldest request whose tables no other thread is loading."""
        lake = self._service.lake
        with self._something:
            if self._tables.lake is not lake:
                self._tables = Tables(lake)
            for request in self._journal.open():
                if request.id in self._taken or self._is_in_dagsters_hands(request):
                    continue
                names = self._tables.of(request)
                if not any(names & taken or EVERYTHING in (names | taken) for taken in self._taken.values()):
                    self._taken[request.id] = names
                    return request
            self._something.wait(_LOOK_SECONDS)
            return None

    def _is_in_dagsters_hands(self, request: Request) -> bool:
        abandoned = self._service.runs is None and request.is_canceled
        return request.runner is Runner.DAGSTER and request.is_planned and not abandoned

    def _do(self, request: Request) -> None:
        if request.is_canceled:
            self._journal.finish(request.id, State.CANCELED)
            return
        if not self._journal.begin(request.id):
            return
        remarks: list[str] = []
        try:
            observed = Observation.of(self._service.lake).of_loads("influx-lake serve")
            with naming(), observed, self._service.session(remarks.append) as session:
                problem = self._problem(request, session, remarks)
        except JournalFailed:
            raise
        except LakeError as error:
            problem = problem_of(error)
        if problem is not None:
            self._journal.finish(request.id, State.FAILED, error=problem.content)

    def _problem(self, request: Request, session: Session, remarks: list[str]) -> Problem | None:
        """Execute a request; returns the problem where it is invalid."""
        try:
            if request.kind is Kind.VERIFY:
                self._verify(request, session)
            else:
                self._load(request, session, remarks)
        except Problem as problem:
            return problem
        return None

    def _load(self, request: Request, session: Session, remarks: list[str]) -> None:
        if not request.is_planned:
            plans = self._plan(request, session)
            windows = [(each.full_name, window) for each, windows in plans for window in windows]
            if request.kind is Kind.REPLICATE and request.runner is Runner.DAGSTER:
                remarks += unused_batch_size(request.body, [window for _, window in windows])
            self._journal.plan(request.id, windows, remarks)
        if request.runner is Runner.DAGSTER:
            # The sensor `requested_windows` has runs launched for them.
            return
        wanted = self._measurements(request, session)
        measurements = {each.full_name: each for each in wanted}
        for window in self._journal.windows(request.id):
            if window.state.is_final:
                continue
            if self._stopping.is_set():
                return
            now = self._journal.find(request.id)
            if now is None or now.is_canceled:
                break
            self._load_window(request, session, measurements, window)
        self._conclude(request, remarks)

    def _plan(self, request: Request, session: Session) -> list[tuple[Measurement, list[Window]]]:
        if request.kind is Kind.REPLICATE:
            return plan_of(session, request.body, whole_partitions=request.runner is Runner.DAGSTER)
        return planned(session, request.body)

    def _measurements(self, request: Request, session: Session) -> list[Measurement]:
        if request.kind is Kind.REPLICATE:
            return [requested_measurement(session, request.body)]
        return [of_request(each, request.body) for each in chosen(session, request.body["measurements"])]

    def _load_window(
        self, request: Request, session: Session, measurements: dict[str, Measurement], window: RequestedWindow
    ) -> None:
        """Load a window and record the result.

        Raises:
            ConfigurationError: No window of the request can be loaded.
        """

        def tell(progress: Progress) -> None:
            # A failed progress note does not fail the window.
            with suppress(JournalFailed):
                self._journal.progress(request.id, window, progress.rows)

        self._journal.note(request.id, window, State.RUNNING)
        try:
            measurement = measurements.get(window.measurement)
            if measurement is None:
                raise ConfigurationError(f"the lake has no measurement {window.measurement} any more")
            result = session.load_window(measurement, window.window, run_id=f"serve-{request.id}", on_progress=tell)
        except LakeError as error:
            problem = problem_of(error.about(window.measurement, window.window)).content
            log.warning("%s", problem["detail"])
            self._journal.note(request.id, window, State.FAILED, error=problem)
            if error.exit_code != 1:
                raise
        else:
            self._journal.note(request.id, window, State.DONE, facts=window_facts(result))

    def _conclude(self, request: Request, remarks: Iterable[str] = ()) -> None:
        now = self._journal.find(request.id)
        if now is None:
            return
        result: dict[str, Any] = {"remarks": list(remarks)} if remarks else {}
        if request.kind is Kind.REPLICATE:
            result |= summary(now, self._journal.windows(request.id))
        failed = self._journal.windows(request.id, state=State.FAILED, limit=1)
        if now.is_canceled and now.windows.get(State.WAITING):
            self._journal.finish(request.id, State.CANCELED, result=result or None)
        elif failed:
            self._journal.finish(request.id, State.FAILED, result=result or None, error=failed[0].error)
        else:
            self._journal.finish(request.id, State.DONE, result=result or None)

    def _verify(self, request: Request, session: Session) -> None:
        from influx_lake.replication.comparison.verify import closed_windows

        body, found, failures = request.body, [], []
        now, start, end = datetime.now(UTC), moment(request.body, "start"), moment(request.body, "end")
        for measurement in chosen(session, body["measurements"]):
            if self._stopping.is_set():
                return
            found_request = self._journal.find(request.id)
            if found_request is None or found_request.is_canceled:
                self._journal.finish(request.id, State.CANCELED)
                return
            windows = closed_windows(measurement, now, start, end)
            try:
                verified = session.verify(measurement, windows, depth_of(body))
            except LakeError as error:
                # A measurement that cannot be compared does not stop the others.
                failures.append(problem_of(error.about(measurement.name)).content)
                continue
            found.append(verification_facts(verified))
            failures += [problem_of(each).content for each in verified.failures]
        result = {"equal": not failures and all(each["equal"] for each in found), "measurements": found}
        if failures:
            result["failures"] = failures
        if failures and not found:
            self._journal.finish(request.id, State.FAILED, result=result, error=failures[0], unless_canceled=True)
        else:
            self._journal.finish(request.id, State.DONE, result=result, unless_canceled=True)

    def _follow_changes(self) -> None:
        """Request loads of changed windows."""
        changed = ChangedWindows(self._service)
        while not self._stopping.wait(CHANGES_SECONDS):
            try:
                changed.look()
            except Exception:  # the next look may succeed
                log.exception("looking for windows that changed")

    def _keep_house(self) -> None:
        """Follow Dagster's runs, reload the tokens, delete old requests."""
        limits, forgotten = self._service.options.limits, 0.0
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                if self._service.runs is not None:
                    self._service.runs.follow(self._journal)
                if monotonic() - forgotten >= 60:
                    forgotten = monotonic()
                    self._service.tokens.refresh()
                    self._journal.forget(datetime.now(UTC) - limits.kept)
            except Exception:  # the next look may succeed
                log.exception("looking around")
