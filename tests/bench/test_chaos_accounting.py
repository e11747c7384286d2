"""The findings of a chaos run about present, lost and doubled orders, and those lost with RabbitMQ's data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import text

from bench.chaos.accounting import Accounting
from bench.chaos.record import Attempt, Record, SentOrder
from db.connect import Database
from tests.bench.conftest import PutOrder

CLIENT = "CHAOS_COPIES_0"
Account = Callable[..., Accounting]


@pytest.fixture
def account(clearing_data: Database, market_data: Database, put_order: PutOrder) -> Account:
    def account(
        sent: SentOrder,
        *,
        registered: int | None = 1,
        logged: bool = True,
        reports: int = 1,
        buy_in: bool = False,
        lost_s: Sequence[float] = (),
    ) -> Accounting:
        """Account for one order with this id in the register, in the log or not, and with these reports."""
        if registered is not None:
            put_order(registered, CLIENT, sent.client_order_id, logged=logged, reports=reports)
            if buy_in:
                with clearing_data.transaction() as tx:
                    tx.execute(text("UPDATE orders SET buy_in = true"))
        record = Record()
        record.add([sent])
        return Accounting(record, {}, clearing_data, market_data, data_lost_s=lost_s)

    return account


def sent(*answers: tuple[int, int | None], name: str | None = "one") -> SentOrder:
    """Return an order with these answers (status and order id), one second apart."""
    attempts = [
        Attempt(float(second), 0.1, status, "not_accepted" if status == 503 else "", order_id)
        for second, (status, order_id) in enumerate(answers)
    ]
    return SentOrder(CLIENT, name, {}, attempts)


def findings(account: Accounting) -> dict[str, int]:
    """Return the number of findings of each kind that has any."""
    kinds = ("lost", "doubled", "copies", "unnamed", "strange", "lost_with_the_queues")
    return {kind: len(getattr(account, kind)) for kind in kinds if getattr(account, kind)}


@pytest.mark.parametrize(
    "answers", [[(202, 1)], [(202, 1), (200, 1), (202, 1)], [(503, None), (200, 1)], [(0, None), (200, 1)]]
)
def test_copies_are_one_order(account: Account, answers: list[tuple[int, int | None]]) -> None:
    account_of_it = account(sent(*answers))
    assert findings(account_of_it) == {}
    assert account_of_it.sent_again == (len(answers) > 1)


def test_two_ids_for_one_order(account: Account) -> None:
    assert findings(account(sent((202, 1), (202, 2)))) == {"doubled": 1, "lost": 1}


def test_a_first_copy_without_a_202_is_found(account: Account) -> None:
    assert findings(account(sent((200, 1), (200, 1)))) == {"copies": 1}


@pytest.mark.parametrize("reports", [0, 2])
def test_every_order_is_reported_once(account: Account, reports: int) -> None:
    assert findings(account(sent((202, 1), (200, 1)), reports=reports)) == {"copies": 1}


def test_a_missing_order_is_lost(account: Account) -> None:
    assert findings(account(sent((202, 1)), registered=None)) == {"lost": 1}


def test_an_order_that_is_neither_in_the_log_nor_denied_is_lost(account: Account) -> None:
    assert findings(account(sent((202, 1)), logged=False)) == {"lost": 1}


def test_orders_that_only_the_queue_had_are_named_and_not_lost(account: Account) -> None:
    assert findings(account(sent((202, 1)), registered=None, lost_s=[5.0])) == {"lost_with_the_queues": 1}


def test_orders_accepted_after_the_loss_are_not_part_of_it(account: Account) -> None:
    assert findings(account(sent((503, None), (202, 1)), registered=None, lost_s=[0.5])) == {"lost": 1}


def test_orders_without_a_name_are_counted(account: Account) -> None:
    assert findings(account(sent((202, None), name=None), registered=None)) == {"unnamed": 1}


@pytest.mark.parametrize(
    ("logged", "reports", "found"),
    [(True, 1, {}), (False, 1, {"lost": 1}), (True, 0, {"lost": 1}), (True, 2, {"doubled": 1})],
)
def test_a_purchase_of_a_buy_in_is_no_order_of_a_client(
    account: Account, logged: bool, reports: int, found: dict[str, int]
) -> None:
    accounting = account(sent((503, None), name=None), logged=logged, reports=reports, buy_in=True)
    assert findings(accounting) == found
    assert (accounting.buy_ins, accounting.bought_in) == (1, {CLIENT})


def test_an_order_that_no_client_sent(account: Account, clearing_data: Database, market_data: Database) -> None:
    assert findings(account(sent((202, 1)))) == {}
    assert findings(Accounting(Record(), {}, clearing_data, market_data, data_lost_s=())) == {"strange": 1}
