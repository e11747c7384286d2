"""Messages to the engines: without a gap, and not too long."""

from __future__ import annotations

from db.clearing_data.log.admission import Sequenced
from tasks.messages import CancelOrder, CommandBatch
from tasks.order_entry.rules.outcome import MAX_BATCH, batches_of, batches_of_earlier


def command(number: int) -> CancelOrder:
    return CancelOrder(number, "ANN", "MSFT", 1, 5)


def test_many_commands_go_as_several_messages() -> None:
    commands = [command(number) for number in range(1, 2 * MAX_BATCH + 2)]
    batches = batches_of(1, 100, commands)
    assert [(batch.first_seq, len(batch.commands)) for batch in batches] == [
        (100, MAX_BATCH),
        (100 + MAX_BATCH, MAX_BATCH),
        (100 + 2 * MAX_BATCH, 1),
    ]
    assert [one for batch in batches for one in batch.commands] == commands
    assert {batch.shard for batch in batches} == {1}


def test_earlier_commands_go_in_runs_without_a_gap() -> None:
    earlier = [Sequenced(shard, seq, command(seq)) for shard, seq in [(1, 7), (0, 3), (0, 5), (0, 2), (1, 8), (0, 6)]]
    assert batches_of_earlier(earlier) == [
        CommandBatch(0, 2, [command(2), command(3)]),
        CommandBatch(0, 5, [command(5), command(6)]),
        CommandBatch(1, 7, [command(7), command(8)]),
    ]


def test_nothing_earlier_is_no_message() -> None:
    assert batches_of_earlier([]) == []
