"""Samples of equity: one per time, thinned out with age, returned at even distances."""

from __future__ import annotations

from sqlalchemy import Connection, text

from db.clearing_data.clients import equity_samples
from db.clearing_data.clients.equity_samples import EVERY_US, KEPT_US, THINNED_AFTER_US, THINNED_TO_US, Sample
from db.connect import Database

NOW_US = 1_700_000_040_000_000 // THINNED_TO_US * THINNED_TO_US


def sample(at_us: int, equity_cents: int = 100) -> Sample:
    return Sample(at_us, {"SINGLE": (equity_cents, 100)})


def alone(tx: Connection) -> None:
    """Keep the api of other tests, which may still run and sample, away until the transaction ends."""
    tx.execute(text("LOCK TABLE equity_samples IN EXCLUSIVE MODE"))
    tx.execute(text("DELETE FROM equity_samples"))


def test_a_second_sample_of_one_time_changes_nothing(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        alone(tx)
        equity_samples.add(tx, sample(NOW_US, 111))
        equity_samples.add(tx, sample(NOW_US, 222))
        assert equity_samples.since(tx, NOW_US, most=10) == [sample(NOW_US, 111)]
        assert equity_samples.since(tx, NOW_US + 1, most=10) == []


def test_old_samples_are_thinned_out_and_the_oldest_let_go(clearing_data: Database) -> None:
    minute = [NOW_US - THINNED_AFTER_US - THINNED_TO_US + step * EVERY_US for step in range(7)]
    with clearing_data.transaction() as tx:
        alone(tx)
        for at_us in (NOW_US - KEPT_US - EVERY_US, NOW_US - KEPT_US, *minute, NOW_US - EVERY_US, NOW_US):
            equity_samples.add(tx, sample(at_us))
        kept = [one.sampled_us for one in equity_samples.since(tx, 0, most=100)]
    assert kept == [NOW_US - KEPT_US, minute[0], minute[-1], NOW_US - EVERY_US, NOW_US]


def test_of_many_samples_some_are_returned_and_always_the_latest(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        alone(tx)
        for step in range(25):
            equity_samples.add(tx, sample(NOW_US + step * EVERY_US))
        sampled = [(one.sampled_us - NOW_US) // EVERY_US for one in equity_samples.since(tx, 0, most=10)]
    assert sampled == [0, 3, 6, 9, 12, 15, 18, 21, 24]
