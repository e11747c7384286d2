"""What the engine reports of securities: phases, in any order, and final settlements that conserve every cent."""

from __future__ import annotations

from itertools import permutations

from sqlalchemy import text
from structlog.testing import capture_logs

from db.clearing_data.clearing import final_settlement
from db.clearing_data.clients import accounts
from db.clearing_data.listing import securities
from db.clearing_data.tables import DTCC
from db.connect import Database
from tasks.audit.clearing.money import check_conservation, check_final_settlements, check_holds
from tasks.messages import ExecutionBatch, PhaseChanged, PhaseRequest, SecuritySettled, SettleRequest, event_id
from tasks.order_entry.tick import tick
from tasks.order_execution.rules.clearing import once_each
from tasks.order_execution.securities import events_of, record, settle_due
from tasks.order_execution.settle import settle_once
from tests.support.trading import CASH_CENTS, LIMITS, NOW_US, SHARES, Exchange, open_accounts

AUCTION_US = 10_000_000


def changed(seq: int, n: int, phase: str, cause: str = "admin", ends_us: int | None = None) -> PhaseChanged:
    return PhaseChanged(event_id(0, seq, n), "MSFT", phase, cause, ends_us, 5)


def phase(clearing_data: Database) -> tuple[object, ...]:
    with clearing_data.transaction() as tx:
        [msft] = [one for one in securities.listed(tx) if one.security_id == "MSFT"]
    return msft.phase, msft.phase_cause, msft.phase_ends_us


def happen(clearing_data: Database, batches: list[ExecutionBatch]) -> None:
    """As order execution does."""
    settle_once(clearing_data, once_each(batches), settled_us=NOW_US)
    record(clearing_data, events_of(batches, volatility_auction_us=AUCTION_US))


def test_an_auction_that_the_engine_begins_gets_its_end(clearing_data: Database) -> None:
    batch = ExecutionBatch(0, 6, [], securities=[changed(1, 3, "auction", "volatility")])
    record(clearing_data, events_of([batch], volatility_auction_us=AUCTION_US))
    assert phase(clearing_data) == ("auction", "volatility", 5 + AUCTION_US)


def test_of_reports_in_any_order_the_last_one_counts(clearing_data: Database) -> None:
    events = [changed(1, 0, "halted"), changed(2, 7, "continuous"), changed(2, 9, "auction", ends_us=77)]
    for order in permutations(events):
        with clearing_data.transaction() as tx:
            tx.execute(text("UPDATE securities SET phase = 'continuous', phase_event_id = 0"))
        for event in (*order, order[0]):
            record(clearing_data, [event])
        assert phase(clearing_data) == ("auction", "admin", 77)


def test_what_order_entry_has_sequenced_since_is_not_undone(clearing_data: Database) -> None:
    open_accounts(clearing_data)
    exchange = Exchange(clearing_data)
    exchange.enter([exchange.order("buy", "ANN", 1, 10_000), PhaseRequest(10_001, "MSFT", "halted", None, 5)])
    record(clearing_data, [changed(1, 0, "auction", "volatility")])
    assert phase(clearing_data) == ("halted", "admin", None)
    record(clearing_data, [changed(2, 0, "halted")])
    assert phase(clearing_data) == ("halted", "admin", None)


def test_the_phases_of_a_day_end_up_as_the_engine_has_them(clearing_data: Database) -> None:
    open_accounts(clearing_data)
    exchange = Exchange(clearing_data)
    batches, _ = exchange.enter(
        [
            PhaseRequest(10_001, "MSFT", "auction", None, 5),
            exchange.order("buy", "ANN", 3, 10_000),
            exchange.order("sell", "BOB", 2, 10_000),
            PhaseRequest(10_002, "MSFT", "continuous", None, 5),
        ]
    )
    happen(clearing_data, batches)
    assert phase(clearing_data) == ("continuous", "admin", None)
    with clearing_data.transaction() as tx:
        assert accounts.holding(tx, "ANN", "MSFT").shares == SHARES + 2
        assert check_conservation(tx).findings == check_holds(tx).findings == []


def test_day_orders_expire_when_the_security_closes_and_gtd_orders_in_their_time(clearing_data: Database) -> None:
    open_accounts(clearing_data)
    exchange = Exchange(clearing_data)
    asked = {
        "day": exchange.order("buy", "ANN", 3, 9_000, time_in_force="day"),
        "stop": exchange.order("sell", "BOB", 3, None, type="stop", stop_price_cents=8_000, time_in_force="day"),
        "gtc": exchange.order("buy", "ANN", 3, 9_000),
        "gtd": exchange.order("buy", "CID", 3, 9_000, time_in_force="gtd", expires_us=NOW_US + 10**12),
    }
    batches, _ = exchange.enter([*asked.values(), PhaseRequest(10_001, "MSFT", "closed", None, 5)])
    happen(clearing_data, batches)

    def reasons() -> dict[str, str | None]:
        with clearing_data.transaction() as tx:
            rows = {row.order_id: row.reason for row in tx.execute(text("SELECT order_id, reason FROM orders"))}
            assert check_holds(tx).findings == []
        return {name: rows[order.order_id] for name, order in asked.items()}

    assert reasons() == {"day": "expired", "stop": "expired", "gtc": None, "gtd": None}
    happen(clearing_data, exchange.sequenced(tick(clearing_data, limits=LIMITS, now_us=NOW_US + 10**12).batches))
    assert reasons() == {"day": "expired", "stop": "expired", "gtc": None, "gtd": "expired"}


def test_a_settlement_waits_for_all_that_is_open(clearing_data: Database) -> None:
    open_accounts(clearing_data)
    exchange = Exchange(clearing_data)
    first, _ = exchange.enter([exchange.order("buy", "ANN", 3, 10_000), exchange.order("sell", "BOB", 2, 10_000)])
    last, _ = exchange.enter([exchange.order("sell", "CID", 5, 11_000), SettleRequest(10_001, "MSFT", "end", 1_234, 5)])
    record(clearing_data, events_of(last, volatility_auction_us=AUCTION_US))
    assert phase(clearing_data) == ("closed", "admin", None)
    with capture_logs() as logs:
        assert settle_due(clearing_data, now_us=NOW_US) == []  # neither the trade nor the cancels are settled
        settle_once(clearing_data, once_each(last), settled_us=NOW_US)
        assert settle_due(clearing_data, now_us=NOW_US) == []  # the trade is not
    assert logs == []  # it waited, rather than being refused by Postgres
    happen(clearing_data, [*first, *last])
    assert settle_due(clearing_data, now_us=NOW_US) == ["MSFT"]
    assert settle_due(clearing_data, now_us=NOW_US) == []
    assert phase(clearing_data) == ("settled", "admin", None)
    happen(clearing_data, [*first, *last])  # again, which changes nothing
    with clearing_data.transaction() as tx:
        assert accounts.account(tx, "ANN").balance_cents == CASH_CENTS - 2 * 10_000 + (SHARES + 2) * 1_234
        assert accounts.account(tx, "BOB").balance_cents == CASH_CENTS + 2 * 10_000 + (SHARES - 2) * 1_234
        held = {one.client_id: one.shares for one in accounts.all_holdings(tx) if one.security_id == "MSFT"}
        assert {client_id for client_id, shares in held.items() if shares} == {DTCC}
        assert held[DTCC] == 100_000
        assert check_conservation(tx).findings == check_holds(tx).findings == check_final_settlements(tx).findings == []
    assert phase(clearing_data) == ("settled", "admin", None)


def test_another_value_than_that_of_the_log_settles_nothing(clearing_data: Database) -> None:
    open_accounts(clearing_data)
    exchange = Exchange(clearing_data)
    exchange.enter([SettleRequest(10_001, "MSFT", "end", 1_234, 5)])
    record(clearing_data, [SecuritySettled(event_id(0, 1, 9), "MSFT", 1_235, 5)])
    assert settle_due(clearing_data, now_us=NOW_US) == []


def test_10_000_holders_are_settled_to_the_cent(clearing_data: Database) -> None:
    holders = 10_000
    open_accounts(clearing_data)
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE securities SET issued_shares = 10 ^ 9 WHERE security_id = 'TSLA'"))
        tx.execute(text("UPDATE holdings SET shares = 10 ^ 9 WHERE security_id = 'TSLA'"))
        tx.execute(
            text(
                "INSERT INTO ledger (kind, account, contra_account, security_id, cash_cents, shares, booked_us) "
                "SELECT 'issue', 'DTCC', 'ISSUER', 'TSLA', 0, 10 ^ 9 - 100000, 1"
            )
        )
        many = "generate_series(1, :holders) AS n"
        tx.execute(
            text(f"INSERT INTO accounts (client_id, balance_cents, opened_us) SELECT 'H' || n, 0, 1 FROM {many}"),
            {"holders": holders},
        )
        tx.execute(
            text(
                "INSERT INTO ledger (kind, account, contra_account, security_id, cash_cents, shares, booked_us) "
                f"SELECT 'deposit', 'H' || n, 'DTCC', 'TSLA', 0, n, 1 FROM {many}"
            ),
            {"holders": holders},
        )
        tx.execute(
            text(f"INSERT INTO holdings (client_id, security_id, shares) SELECT 'H' || n, 'TSLA', n FROM {many}"),
            {"holders": holders},
        )
        handed_out = holders * (holders + 1) // 2
        tx.execute(
            text("UPDATE holdings SET shares = shares - :out WHERE client_id = 'DTCC' AND security_id = 'TSLA'"),
            {"out": handed_out},
        )
        assert check_conservation(tx).findings == []
        before = sum(account.balance_cents for account in accounts.all_accounts(tx))
    exchange = Exchange(clearing_data)
    batches, _ = exchange.enter([SettleRequest(10_001, "TSLA", "end", 1_237, 5)])
    happen(clearing_data, batches)
    assert settle_due(clearing_data, now_us=NOW_US) == ["TSLA"]
    with clearing_data.transaction() as tx:
        assert accounts.account(tx, "H777").balance_cents == 777 * 1_237
        after = sum(account.balance_cents for account in accounts.all_accounts(tx))
        assert after - before == handed_out * 1_237
        assert accounts.holding(tx, DTCC, "TSLA").shares == 10**9
        assert check_conservation(tx).findings == check_final_settlements(tx).findings == []
        entries = tx.execute(text("SELECT count(*) FROM ledger WHERE kind = :kind"), {"kind": final_settlement.KIND})
        assert entries.scalar_one() == 2 * holders


def test_a_settlement_that_fails_is_logged_and_holds_up_no_other(clearing_data: Database) -> None:
    open_accounts(clearing_data)
    exchange = Exchange(clearing_data)
    batches, _ = exchange.enter(
        [SettleRequest(10_000 + n, name, f"end-{n}", 1_234, 5) for n, name in enumerate(("AAPL", "JPM", "MSFT"))]
    )
    happen(clearing_data, batches)
    with clearing_data.transaction() as tx:  # only a broken database can be like this
        tx.execute(text("UPDATE accounts SET balance_cents = 9223372036854775807 WHERE client_id = 'BOB'"))
        tx.execute(text("UPDATE holdings SET shares = 0 WHERE client_id = 'BOB' AND security_id = 'JPM'"))
    with capture_logs() as logged:
        assert settle_due(clearing_data, now_us=NOW_US) == ["JPM"]
    assert [(one["event"], one["security_id"], one["log_level"]) for one in logged] == [
        ("security_not_settled", "AAPL", "error"),
        ("security_not_settled", "MSFT", "error"),
    ]
    assert all("out of range" in one["fault"] for one in logged)
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE accounts SET balance_cents = :cents WHERE client_id = 'BOB'"), {"cents": CASH_CENTS})
    assert settle_due(clearing_data, now_us=NOW_US) == ["AAPL", "MSFT"]


def test_worthless_shares_are_taken_back_for_nothing(clearing_data: Database) -> None:
    open_accounts(clearing_data)
    exchange = Exchange(clearing_data)
    batches, _ = exchange.enter([SettleRequest(10_001, "MSFT", "end", 0, 5)])
    happen(clearing_data, batches)
    assert settle_due(clearing_data, now_us=NOW_US) == ["MSFT"]
    with clearing_data.transaction() as tx:
        assert accounts.account(tx, "ANN").balance_cents == CASH_CENTS
        assert accounts.holding(tx, "ANN", "MSFT").shares == 0
        assert check_conservation(tx).findings == check_final_settlements(tx).findings == []
