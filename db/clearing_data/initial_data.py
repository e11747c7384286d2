"""What a new exchange starts with: its shards, the listed securities, DTCC, EXCHANGE and the traders of the six bots.

Loading again changes nothing: rows that exist stay, and every movement of cash or shares is a transfer with an id
of its own. The shares are issued to DTCC (contra account ISSUER), the traders' cash comes from EXTERNAL and their
shares from DTCC; see db.clearing_data.accounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from db.clearing_data import accounts
from db.clearing_data.tables import DTCC, EXCHANGE

SECURITIES = ("MSFT", "AAPL", "TSLA", "JPM", "SHEL")
TRADERS = ("RANDOM_WALK", "GAUSS", "UNIFORM", "FLOOD", "RETAIL", "MARKET_MAKER", "SINGLE")

ISSUED_SHARES = 100_000
TICK_CENTS = 1
MIN_PRICE_CENTS = 1
MAX_PRICE_CENTS = 1_000_000
REFERENCE_PRICE_CENTS = 10_000

OPENING_CASH_CENTS = 1_000_000
OPENING_SHARES = {"MSFT": 1_000}


class WrongNumberOfShards(Exception):
    """The database was made with another number of shards; its logs cannot be dealt anew."""


class TransferRefused(Exception):
    """An opening transfer could not be booked; the transaction is to be rolled back."""


def load(
    tx: Connection,
    *,
    shards: int,
    now_us: int,
    traders: Sequence[str] = TRADERS,
    cash_cents: int = OPENING_CASH_CENTS,
    shares: Mapping[str, int] = OPENING_SHARES,
) -> None:
    """Put everything in place that is not yet there.

    traders     client ids of the accounts to open, beside DTCC and EXCHANGE
    cash_cents  what each of them starts with
    shares      and how many of which security, out of DTCC's holding
    raises      WrongNumberOfShards, TransferRefused
    """
    if _is_loaded(tx, shards, traders):
        return  # the exchange may be trading, and what follows takes locks in an order of its own
    _deal_shards(tx, shards)
    _list_securities(tx, shards)
    for house in (DTCC, EXCHANGE):
        accounts.open_account(tx, house, now_us=now_us)
    for security_id in SECURITIES:
        _require(
            accounts.issue_shares(
                tx, f"issue:{security_id}", security_id=security_id, quantity=ISSUED_SHARES, now_us=now_us
            )
        )
    for client_id in traders:
        open_trader(tx, client_id, cash_cents=cash_cents, shares=shares, now_us=now_us)


def open_trader(
    tx: Connection,
    client_id: str,
    *,
    now_us: int,
    cash_cents: int = OPENING_CASH_CENTS,
    shares: Mapping[str, int] = OPENING_SHARES,
) -> bool:
    """Open an account with its opening cash and shares; False when there is one already, and then nothing changes.

    raises  TransferRefused  DTCC has not enough shares left
    """
    if not accounts.open_account(tx, client_id, now_us=now_us):
        return False
    if cash_cents:
        opening = f"opening:{client_id}"
        _require(accounts.deposit_cash(tx, client_id, opening, amount_cents=cash_cents, now_us=now_us))
    for security_id, quantity in shares.items():
        opening = f"opening:{client_id}:{security_id}"
        _require(
            accounts.deposit_shares(tx, client_id, opening, security_id=security_id, quantity=quantity, now_us=now_us)
        )
    return True


def _require(transferred: accounts.Transferred) -> None:
    if transferred not in {"booked", "repeated"}:
        raise TransferRefused(f"an opening transfer was refused: {transferred}")


def _is_loaded(tx: Connection, shards: int, traders: Sequence[str]) -> bool:
    """Whether everything is in place. A load is one transaction, so an account that is there has what it is due."""
    loaded = tx.execute(
        text(
            "SELECT (SELECT count(*) FROM shards) = :shards "
            "AND NOT EXISTS (SELECT unnest(:securities) EXCEPT SELECT security_id FROM securities) "
            "AND NOT EXISTS (SELECT unnest(:clients) EXCEPT SELECT client_id FROM accounts)"
        ),
        {"shards": shards, "securities": list(SECURITIES), "clients": [DTCC, EXCHANGE, *traders]},
    )
    return bool(loaded.scalar_one())


def _deal_shards(tx: Connection, shards: int) -> None:
    """Make the heads of the shards' logs in an empty database; in any other there have to be as many."""
    # The lock makes two processes that start at once agree on one number.
    tx.execute(text("LOCK TABLE shards IN SHARE ROW EXCLUSIVE MODE"))
    existing = tx.execute(text("SELECT count(*) FROM shards")).scalar_one()
    if existing and existing != shards:
        raise WrongNumberOfShards(
            f"the database was made with {existing} shards and SHARDS is {shards}: set SHARDS={existing}, "
            f"or drop all data with `make clean`"
        )
    tx.execute(
        text("INSERT INTO shards (shard) SELECT generate_series(0, :last) ON CONFLICT DO NOTHING"), {"last": shards - 1}
    )


def _list_securities(tx: Connection, shards: int) -> None:
    for position, security_id in enumerate(SECURITIES):
        tx.execute(
            text(
                "INSERT INTO securities "
                "(security_id, shard, tick_cents, min_price_cents, max_price_cents, issued_shares) "
                "VALUES (:security_id, :shard, :tick_cents, :min_cents, :max_cents, :issued) ON CONFLICT DO NOTHING"
            ),
            {
                "security_id": security_id,
                "shard": position % shards,
                "tick_cents": TICK_CENTS,
                "min_cents": MIN_PRICE_CENTS,
                "max_cents": MAX_PRICE_CENTS,
                "issued": ISSUED_SHARES,
            },
        )
        tx.execute(
            text("INSERT INTO last_prices VALUES (:security_id, :price_cents, 0) ON CONFLICT DO NOTHING"),
            {"security_id": security_id, "price_cents": REFERENCE_PRICE_CENTS},
        )
