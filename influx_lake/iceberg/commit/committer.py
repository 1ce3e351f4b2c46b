"""Commits a planned change in one snapshot, with retries after conflicts and commits of unknown outcome."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic

from influx_lake import recorder
from influx_lake.errors import CommitConflict, CommitOutcomeUnknown, LakeError, StorageError
from influx_lake.iceberg.catalogs.commit_lock import commit_lock
from influx_lake.iceberg.catalogs.retry import retry_attempts
from influx_lake.iceberg.commit.commit_plan import NothingNew
from influx_lake.iceberg.commit.commit_task import C, CommitTask, Committed
from influx_lake.iceberg.failures.commit_outcome import Outcome, outcome_of
from influx_lake.iceberg.failures.translation import catalog_errors, safe_cause, translate
from influx_lake.iceberg.staging.staged_table import StagedTable
from influx_lake.iceberg.table_state import commit_log
from influx_lake.iceberg.writer.writer import delete_files

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit

SETTLING_SECONDS = 10.0
"""How long to look for a commit of unknown outcome before the next attempt: catalogs finish what they have begun."""


@dataclass(slots=True)
class _Attempt(Generic[C]):
    """An attempt: a commit that the catalog was asked for.

    Attributes:
        change: What it changes.
        parent: The snapshot that it is valid for: once the table has another one, it can no longer take place.
        outcome: What the catalog's answer implies.
    """

    commit: ReplaceCommit
    change: C
    parent: int | None
    outcome: Outcome = Outcome.UNKNOWN


@dataclass(slots=True)
class Committer(Generic[C]):
    """Commits a change: each attempt loads the table, plans, takes the steps before the commit, and asks the catalog.

    Two attempts never both take place: each is valid only for the snapshot that it was planned on.

    Attributes:
        task: The change to be committed.
        table: The table as it was last loaded.
    """

    task: CommitTask[C]
    table: Table = field(init=False)
    _open: list[_Attempt[C]] = field(default_factory=list)
    _failure: LakeError | None = None

    def __post_init__(self) -> None:
        self.table = self.task.table

    def run(self) -> Committed[C]:
        """Commit, and retry while other writers are first or the catalog fails, until `commit_timeout` is over.

        Returns:
            The change that was committed, with its snapshot.

        Raises:
            NothingNew: The planned change is not worth a snapshot.
            CommitOutcomeUnknown: Whether it was committed could not be determined; the files are kept.
            LakeError: It was not committed; the files are deleted.
        """
        deadline = time.monotonic() + self.task.target.write.commit_timeout.total_seconds()
        try:
            done = self._until(deadline)
        except BaseException:
            self._abandon()
            raise
        if done is None:
            raise self._given_up()
        self._delete_except(done.change)
        return Committed(done.change, done.commit.snapshot_id, self.table)

    def _until(self, deadline: float) -> _Attempt[C] | None:
        for _ in retry_attempts(deadline):
            with commit_lock(self.table.metadata.table_uuid):
                if (done := self._once()) is not None:
                    return done
            if self._is_unknown():
                may_pass = self._failure is None or self._failure.transient
                if (done := self._settled(deadline)) is not None or not may_pass:
                    return done
        return self._landed() if self._open and self._load() else None

    def _once(self) -> _Attempt[C] | None:
        """Plan on the table as it is now and commit; None where that failed in a way that allows another attempt."""
        if not self._load():
            return None
        if (done := self._landed()) is not None:
            return done
        self._check_table()
        if (planned := self._planned()) is None:
            return None
        self.task.before_commit(planned[1])
        if planned[1].nothing_new:
            raise NothingNew
        if (asked := self._prepared(*planned)) is None:
            return None
        self._open.append(asked)
        try:
            asked.commit.commit()
        except Exception as error:
            asked.outcome = outcome_of(error)
            self._failure = translate(error, f"{self.task.doing} {self._name}")
            if asked.outcome is Outcome.REFUSED:
                self._close(asked)
                raise self._failure from safe_cause(error)
            if asked.outcome is Outcome.LOST:
                recorder.count("commit_conflicts", table=self._name)
            return None
        return asked

    def _load(self) -> bool:
        """Load the table as it is now; False where the catalog failed transiently."""
        try:
            self.table = self.task.catalog.load_table(self.task.target.identifier)
        except Exception as error:
            failure = translate(error, f"load the table {self._name}")
            if not failure.transient:
                raise failure from safe_cause(error)
            self._failure = failure
            return False
        return True

    def _planned(self) -> tuple[StagedTable, C] | None:
        """Plan the change for the table as it is now; None where another writer removed files that the plan needs."""
        try:
            return self.task.plan(self.table)
        except StorageError as failure:
            self._check_overtaken(failure)
            return None

    def _prepared(self, staged: StagedTable, change: C) -> _Attempt[C] | None:
        """Write the manifests; None where another writer removed files that they need."""
        try:
            commit, properties = self.task.ask_for(self.table, staged, change)
            with catalog_errors(f"write the manifests of {self._name}"):
                try:
                    commit.prepare(properties)
                except BaseException:
                    commit.clean_up()
                    raise
        except StorageError as failure:
            self._check_overtaken(failure)
            return None
        return _Attempt(commit, change, _head(self.table))

    def _check_overtaken(self, failure: StorageError) -> None:
        """Treat a failure as a lost race if the table has changed since it was planned on; else raise it."""
        planned_on = self.table.metadata_location
        if not self._load() or self.table.metadata_location == planned_on:
            raise failure
        self._failure = CommitConflict(failure.message, remedy=failure.remedy)

    def _landed(self) -> _Attempt[C] | None:
        """The attempt that took place although the catalog said otherwise, or None; closes those that no longer can.

        A proxy or a client library that repeats a request turns a commit that took place into a conflict.
        """
        for asked in list(self._open):
            if commit_log.has_taken(self.table, asked.commit.snapshot_id):
                return asked
            if asked.outcome is Outcome.LOST or asked.parent != _head(self.table):
                self._close(asked)
        return None

    def _settled(self, deadline: float) -> _Attempt[C] | None:
        """Look for a commit of unknown outcome, repeatedly, for a while."""
        for _ in retry_attempts(min(deadline, time.monotonic() + SETTLING_SECONDS)):
            if self._load() and ((done := self._landed()) is not None or not self._is_unknown()):
                return done
        return None

    def _is_unknown(self) -> bool:
        return any(asked.outcome is Outcome.UNKNOWN for asked in self._open)

    def _close(self, asked: _Attempt[C]) -> None:
        self._open.remove(asked)
        asked.commit.clean_up()

    def _check_table(self) -> None:
        self.task.check(self.table)
        if self.table.metadata.table_uuid != self.task.table.metadata.table_uuid:
            raise CommitConflict(f"{self._name} was recreated while its files were written", remedy=self.task.again)

    def _given_up(self) -> LakeError:
        unknown = self._is_unknown()
        self._abandon()
        assert self._failure is not None
        reason = self._failure.message
        if unknown:
            return CommitOutcomeUnknown(
                f"{reason}; and whether it took place could not be found out",
                remedy=f"{self.task.again}: that is right whatever happened",
            )
        if not isinstance(self._failure, CommitConflict):
            return self._failure
        budget = self.task.target.write.commit_timeout
        return CommitConflict(
            f"{self._name} could not be committed to for {budget}: other writers were first ({reason})",
            remedy=f"{self.task.again} when fewer runs write to this table at once, or raise write.commit_timeout",
        )

    @property
    def _name(self) -> str:
        return self.task.target.name

    def _abandon(self) -> None:
        """Delete the written files, unless a commit of them may yet take place: then they stay, at worst as orphans."""
        if not self._open:
            delete_files(self.table, [file.file_path for file in self.task.written()])

    def _delete_except(self, change: C) -> None:
        """Delete files of plans that were not committed, and no longer can be."""
        written = {file.file_path for file in self.task.written()}
        delete_files(self.table, sorted(written - {file.file_path for file in change.added}))


def _head(table: Table) -> int | None:
    return table.metadata.current_snapshot_id
