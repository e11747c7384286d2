"""The rounds of a competition: securities and their values, results, samples, news, and contents of accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection


class RoundSecurity(NamedTuple):
    """A security of a round, and the value at which it was settled."""

    round: int
    security_id: str
    named: str
    value_cents: int | None


class RoundResult(NamedTuple):
    """The result of an account in a round: cash and gain [cents], points [hundredths]."""

    round: int
    client_id: str
    cash_cents: int
    gain_cents: int
    points: int


def securities(tx: Connection, number: int) -> list[RoundSecurity]:
    """Return the securities of all rounds, as the case orders them."""
    return securities_of(tx, [number]).get(number, [])


def securities_of(tx: Connection, numbers: Sequence[int]) -> dict[int, list[RoundSecurity]]:
    """Return the securities of all rounds of each of these competitions, as its case orders them."""
    rows = tx.exec_driver_sql(
        "SELECT competition, round, security_id, named, value_cents FROM competition_securities "
        "WHERE competition = ANY(%s)",
        (list(numbers),),
    )
    found: dict[int, list[RoundSecurity]] = defaultdict(list)
    for number, *row in sorted(rows):
        found[number].append(RoundSecurity(*row))
    return found


def settlement_id(competition_id: str, round_: int, security_id: str) -> str:
    """Return the id of the transfer by which the referee settles a security of a round."""
    return f"{competition_id}:{round_}:{security_id}"


def in_play(tx: Connection, security_id: str) -> str | None:
    """Return the id under which the referee settles a security; None unless an unfinished competition trades it."""
    row = tx.exec_driver_sql(
        "SELECT competition_id, competition_securities.round FROM competition_securities "
        "JOIN competitions ON number = competition "
        "WHERE security_id = %s AND state NOT IN ('finished', 'stopped')",
        (security_id,),
    ).first()
    return None if row is None else settlement_id(row[0], row[1], security_id)


def set_value(tx: Connection, security_id: str, value_cents: int) -> int:
    """Fix the value at which a security is settled, once; return the fixed value."""
    tx.exec_driver_sql(
        "UPDATE competition_securities SET value_cents = %s WHERE security_id = %s AND value_cents IS NULL",
        (value_cents, security_id),
    )
    value: int = tx.exec_driver_sql(
        "SELECT value_cents FROM competition_securities WHERE security_id = %s", (security_id,)
    ).scalar_one()
    return value


def add_results(tx: Connection, number: int, results: Iterable[RoundResult]) -> None:
    """Enter the results of a round."""
    for one in results:
        tx.exec_driver_sql(
            "INSERT INTO round_results (competition, round, client_id, cash_cents, gain_cents, points) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            (number, *one),
        )


def results(tx: Connection, number: int) -> list[RoundResult]:
    """Return the results of all rounds, in their order."""
    rows = tx.exec_driver_sql(
        "SELECT round, client_id, cash_cents, gain_cents, points FROM round_results WHERE competition = %s "
        "ORDER BY round, client_id",
        (number,),
    )
    return [RoundResult(*row) for row in rows]


class Sample(NamedTuple):
    """The gain of each account if the round had ended then [cents], and the teams that met their duty to quote."""

    round: int
    sampled_us: int
    gains: dict[str, int]
    quotes: dict[str, int] | None


def add_sample(tx: Connection, number: int, sample: Sample) -> None:
    """Enter a sample."""
    tx.exec_driver_sql(
        "INSERT INTO competition_samples (competition, round, sampled_us, gains, quotes) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING",
        (
            number,
            sample.round,
            sample.sampled_us,
            msgspec.json.encode(sample.gains).decode(),
            None if sample.quotes is None else msgspec.json.encode(sample.quotes).decode(),
        ),
    )


def samples(tx: Connection, number: int, round_: int | None = None) -> list[Sample]:
    """Return the samples of one round or of all, in their order."""
    rows = tx.exec_driver_sql(
        "SELECT round, sampled_us, gains, quotes FROM competition_samples "
        "WHERE competition = %s AND (%s::int IS NULL OR round = %s) ORDER BY sampled_us",
        (number, round_, round_),
    )
    return [Sample(*row) for row in rows]


def published_news(tx: Connection, number: int, round_: int) -> set[int]:
    """Return the positions of the case's news that were published in a round."""
    rows = tx.exec_driver_sql(
        "SELECT position FROM competition_news WHERE competition = %s AND round = %s", (number, round_)
    )
    return set(rows.scalars())


def noted_news(tx: Connection, number: int, positions: Collection[int], *, since_us: int) -> int:
    """Return how often news at these positions of the case were published since a time, in all rounds."""
    rows = tx.exec_driver_sql(
        "SELECT count(*) FROM competition_news WHERE competition = %s AND position = ANY(%s) AND published_us >= %s",
        (number, list(positions), since_us),
    )
    return int(rows.scalar_one())


def note_news(tx: Connection, number: int, round_: int, position: int, *, now_us: int) -> None:
    """Record that news of the case is published."""
    tx.exec_driver_sql(
        "INSERT INTO competition_news VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (number, round_, position, now_us),
    )


class AccountWorth(NamedTuple):
    """The contents of an account: cash [cents] and shares by security."""

    cash_cents: int
    shares: dict[str, int]


# One statement, so that cash and shares are those of the same moment: a trade between two would look like a gain.
_WORTH = """
    SELECT client_id, balance_cents, security_id, holdings.shares - holdings.borrowed
    FROM accounts LEFT JOIN holdings USING (client_id)
    WHERE client_id IN (SELECT client_id FROM competition_teams WHERE competition = %s)
"""


def worth(tx: Connection, number: int) -> dict[str, AccountWorth]:
    """Return the cash of each account of a competition, and its shares less those that it has borrowed."""
    found: dict[str, AccountWorth] = {}
    for client_id, cash_cents, security_id, shares in tx.exec_driver_sql(_WORTH, (number,)):
        account = found.setdefault(client_id, AccountWorth(cash_cents, {}))
        if shares:
            account.shares[security_id] = shares
    return found


_RECEIVED = """
    SELECT account, security_id, sum(cash_cents)::bigint, sum(shares)::bigint FROM ledger
    WHERE account = ANY(%s) AND kind = 'deposit' AND starts_with(transfer_id, %s) GROUP BY account, security_id
"""


def received(tx: Connection, number: int, competition_id: str, round_: int) -> dict[str, AccountWorth]:
    """Return what each closed account of a competition received of the endowment of a round, by account.

    An account that the admin has closed receives no more deposits: it is out, and what it did not receive is no loss.
    """
    closed = tx.exec_driver_sql(
        "SELECT client_id FROM accounts WHERE state = 'closed' AND client_id IN "
        "(SELECT client_id FROM competition_teams WHERE competition = %s)",
        (number,),
    ).scalars()
    found = {client_id: AccountWorth(0, {}) for client_id in closed}
    if found:
        rows = tx.exec_driver_sql(_RECEIVED, (list(found), f"{competition_id}:{round_}:"))
        for client_id, security_id, cash_cents, shares in rows:
            if security_id is None:
                found[client_id] = found[client_id]._replace(cash_cents=cash_cents)
            else:
                found[client_id].shares[security_id] = shares
    return found


def last_prices(tx: Connection, number: int) -> dict[str, int]:
    """Return the last price of each listed security of a competition; before the first trade, its reference price."""
    rows = tx.exec_driver_sql(
        "SELECT security_id, price_cents FROM last_prices WHERE security_id IN "
        "(SELECT security_id FROM competition_securities WHERE competition = %s)",
        (number,),
    )
    return {row[0]: row[1] for row in rows}
