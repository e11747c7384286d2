"""Rules 3 and 6: exactly the executions that the engine makes from the log are settled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, text

from db.clearing_data.clearing import executions as register
from db.connect import Database
from tasks.audit.clearing.replay import PAGE
from tasks.audit.common.patience import Patience
from tasks.audit.common.result import CheckResult
from tasks.messages import Execution, as_settled, event_id


class Executions:
    """The executions that a replay of one shard makes, compared with the register.

    agreement  whether the settled executions are those of the replay (rule 6)
    """

    def __init__(self, clearing_data: Database, shard: int) -> None:
        self.agreement = CheckResult()
        self._clearing_data = clearing_data
        self._shard = shard
        self._missing: list[Execution] = []

    def compare(self, made: Iterable[Execution], *, first_seq: int, end_seq: int) -> None:
        """Compare all executions of the commands first_seq <= seq < end_seq with those that are settled."""
        first_id, end_id = event_id(self._shard, first_seq, 0), event_id(self._shard, end_seq, 0)
        with self._clearing_data.snapshot() as tx:
            settled = register.between(tx, first_id, end_id)
        self._missing += self._compare(made, settled)
        for unmade in settled:
            self.agreement.find(f"execution {unmade} was settled and does not come out of the log")

    def _compare(self, made: Iterable[Execution], settled: dict[int, Execution]) -> list[Execution]:
        """Remove the replay's executions from the settled ones; return those that are not settled."""
        missing: list[Execution] = []
        for execution in made:
            found = settled.pop(execution.event_id, None)
            if found is None:
                missing.append(execution)
                continue
            self.agreement.checked += 1
            if found != as_settled(execution):
                self.agreement.find(f"execution {execution.event_id} was settled as {found}; the log makes {execution}")
        return missing

    def await_missing(self, patience: Patience) -> CheckResult:
        """Look again for missing executions until they are settled (rule 3)."""
        while patience.wait(len(self._missing)):
            pages = [self._missing[start : start + PAGE] for start in range(0, len(self._missing), PAGE)]
            self._missing = [execution for page in pages for execution in self._look_again(page)]
        checked = CheckResult()
        for execution in self._missing:
            checked.find(f"execution {execution.event_id} comes out of the log and is not settled: {execution}")
        return checked

    def _look_again(self, missing: Sequence[Execution]) -> list[Execution]:
        with self._clearing_data.snapshot() as tx:
            settled = register.known(tx, missing)
        return self._compare(missing, settled)


def check_nothing_beyond(tx: Connection, heads: Mapping[int, int]) -> CheckResult:
    """Check that every execution belongs to a command in a log (rule 6).

    heads  the number of the last command of each shard
    """
    checked = CheckResult()
    logs = {
        "first_ids": [event_id(shard, 1, 0) for shard in heads],
        "end_ids": [event_id(shard, head + 1, 0) for shard, head in heads.items()],
    }
    beyond = text(
        """
        SELECT event_id FROM executions WHERE NOT EXISTS (
            SELECT FROM unnest(CAST(:first_ids AS bigint[]), CAST(:end_ids AS bigint[])) AS log (first_id, end_id)
            WHERE event_id >= first_id AND event_id < end_id
        )
        """
    ).execution_options(yield_per=1_000)
    for row in tx.execute(beyond, logs):
        checked.find(f"execution {row.event_id} was settled and is of a command that no log has")
    return checked
