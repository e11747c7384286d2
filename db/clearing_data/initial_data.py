"""The initial data of an exchange: its shards, the listed securities, DTCC, EXCHANGE and the traders of the six bots.

Loading again changes nothing: existing rows stay, and every movement of cash or shares is a transfer with its own id.
The shares are issued to DTCC (contra account ISSUER), the traders' cash comes from EXTERNAL and their shares from DTCC;
see db.clearing_data.clients.accounts. The logs begin with the commands that list the securities of a market and begin
their first auction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from db.clearing_data.clients import accounts
from db.clearing_data.listing import security_entry
from db.clearing_data.listing.market import set_terms
from db.clearing_data.log import admission, command_numbers
from db.clearing_data.tables import DTCC, EXCHANGE
from db.statements import Statements
from tasks.messages import Command, ListSecurity, SetPhase, event_id
from tasks.order_entry.rules.security_changes import NewPhase, NewSecurity, SecurityChanges
from tasks.shared.rules.market import Endowment, Listing, Market

SECURITIES = tuple(listing.security_id for listing in Market().securities)
TRADERS = ("RANDOM_WALK", "GAUSS", "UNIFORM", "FLOOD", "RETAIL", "MARKET_MAKER", "SINGLE")

OPENING_CASH_CENTS = Endowment().cash_cents
OPENING_SHARES = Endowment().shares


class WrongNumberOfShards(Exception):
    """The database has more shards; their logs cannot be given to the others."""


class TransferRefused(Exception):
    """An opening transfer could not be booked; the transaction must be rolled back."""


def load(
    tx: Connection,
    *,
    shards: int,
    now_us: int,
    market: Market | None = None,
    traders: Sequence[str] = TRADERS,
    cash_cents: int | None = None,
    shares: Mapping[str, int] | None = None,
) -> None:
    """Create everything that does not exist yet.

    market      the securities to list; by default five that trade at once and are not mentioned in the logs
    traders     client ids of the accounts to open, besides DTCC and EXCHANGE
    cash_cents  opening cash of each trader; by default the market's endowment
    shares      opening shares of each trader by security, from DTCC's holding; likewise
    raises      WrongNumberOfShards, TransferRefused
    """
    of_market = market or Market()
    set_terms(tx, of_market)
    if _is_loaded(tx, shards, traders, of_market):
        return  # the exchange may be trading, and the code below takes locks in a different order
    _deal_shards(tx, shards)
    for house in (DTCC, EXCHANGE):
        accounts.open_account(tx, house, now_us=now_us)
    listed = _list_securities(tx, of_market, now_us=now_us)
    if market is not None:
        _begin_logs(tx, listed, market, now_us=now_us)
    if cash_cents is None:
        cash_cents = of_market.endowment.cash_cents
    for client_id in traders:
        open_trader(
            tx,
            client_id,
            cash_cents=cash_cents,
            shares=of_market.endowment.shares if shares is None else shares,
            now_us=now_us,
        )


def open_trader(
    tx: Connection,
    client_id: str,
    *,
    now_us: int,
    cash_cents: int = OPENING_CASH_CENTS,
    shares: Mapping[str, int] = OPENING_SHARES,
) -> bool:
    """Open an account with its opening cash and shares; return False and change nothing when it exists already.

    raises  TransferRefused  DTCC does not have enough shares left
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


def deposit_shares_once(tx: Connection, client_id: str, security_id: str, quantity: int, *, now_us: int) -> None:
    """Deposit a trader's opening shares of a security, unless it ever had some.

    raises  TransferRefused  DTCC does not have enough shares left
    """
    opening = f"opening:{client_id}:{security_id}"
    booked = accounts.deposit_shares(tx, client_id, opening, security_id=security_id, quantity=quantity, now_us=now_us)
    if booked != "transfer_id_reused":  # otherwise it was given another number of shares before
        _require(booked)


def _require(transferred: accounts.Transferred) -> None:
    if transferred not in {"booked", "repeated"}:
        raise TransferRefused(f"an opening transfer was refused: {transferred}")


def _is_loaded(tx: Connection, shards: int, traders: Sequence[str], market: Market) -> bool:
    """Return whether everything exists. A load is one transaction, so an existing account has its opening assets."""
    loaded = tx.execute(
        text(
            "SELECT (SELECT count(*) FROM shards) = :shards "
            "AND NOT EXISTS (SELECT unnest(:securities) EXCEPT SELECT security_id FROM securities) "
            "AND NOT EXISTS (SELECT unnest(:clients) EXCEPT SELECT client_id FROM accounts)"
        ),
        {
            "shards": shards,
            "securities": [listing.security_id for listing in market.securities],
            "clients": [DTCC, EXCHANGE, *traders],
        },
    )
    return bool(loaded.scalar_one())


def _deal_shards(tx: Connection, shards: int) -> None:
    """Create the heads of the shards' logs; a database with data may get more, and never fewer."""
    # The lock makes two processes that start at the same time agree on one number.
    tx.execute(text("LOCK TABLE shards IN SHARE ROW EXCLUSIVE MODE"))
    existing = tx.execute(text("SELECT count(*) FROM shards")).scalar_one()
    if existing > shards:
        raise WrongNumberOfShards(
            f"the database has {existing} shards and SHARDS is {shards}: set SHARDS={existing}, "
            f"or drop all data with `make clean`"
        )
    tx.execute(
        text("INSERT INTO shards (shard) SELECT generate_series(0, :last) ON CONFLICT DO NOTHING"), {"last": shards - 1}
    )


def _list_securities(tx: Connection, market: Market, *, now_us: int) -> list[NewSecurity]:
    """List the securities that never existed, each on the shard with the fewest securities; return them."""
    changes = SecurityChanges()
    there = security_entry.ever_listed(tx, [listing.security_id for listing in market.securities])
    load = security_entry.load(tx)
    for listing in market.securities:
        if listing.security_id not in there:
            shard = min(load, key=lambda shard: (load[shard], shard))
            load[shard] += 1
            changes.listed.append(_new_security(listing, shard))
    statements = Statements(tx)
    security_entry.write(statements, changes, {}, now_us=now_us)
    statements.run()
    return changes.listed


def _new_security(listing: Listing, shard: int) -> NewSecurity:
    return NewSecurity(
        listing.security_id,
        shard,
        listing.reference_cents,
        listing.tick_cents,
        listing.min_price_cents,
        listing.max_price_cents,
        listing.issued_shares,
        listing.maker_fee_ppm,
        listing.taker_fee_ppm,
        listing.band_ppm,
    )


def _begin_logs(tx: Connection, listed: Sequence[NewSecurity], market: Market, *, now_us: int) -> None:
    """Enter the listings and their first auctions in the logs; the scheduler gives the auctions their end."""
    has_auction = bool(market.first_auction_us) or market.day.is_scheduled
    numbers = iter(command_numbers.take(tx, 2 * len(listed)))
    commands: dict[int, list[Command]] = defaultdict(list)
    phases: dict[str, NewPhase] = {}
    for one in listed:
        terms = one.reference_cents, one.tick_cents, one.min_price_cents, one.max_price_cents, one.band_ppm
        commands[one.shard].append(ListSecurity(next(numbers), one.security_id, *terms, now_us))
        if has_auction:
            phase = phases[one.security_id] = NewPhase(next(numbers), "auction", "schedule", None)
            commands[one.shard].append(SetPhase(phase.command_id, one.security_id, *phase[1:], now_us))
    statements = Statements(tx)
    first_seq = admission.append(statements, commands)
    for shard, first in first_seq.items():
        for seq, command in enumerate(commands[shard], first):
            if isinstance(command, SetPhase):
                phase = phases[command.security_id]
                security_entry.set_phase(statements, command.security_id, phase, event_id=event_id(shard, seq, 0))
    statements.run()
