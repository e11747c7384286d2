"""Promises to cancel a client's orders with its connection, and the processes that have made them.

A process counts beats in its row. Another process that sees a count stand still for long takes its promises over:
deleting the row decides which one does.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

_REGISTER = text("INSERT INTO stream_processes (process) VALUES (:process) ON CONFLICT DO NOTHING")
_BEAT = text("UPDATE stream_processes SET beat = beat + 1 WHERE process = :process")
_MAKE = text(
    "INSERT INTO disconnect_promises (process, client_id) VALUES (:process, :client_id) ON CONFLICT DO NOTHING"
)
_KEPT = text("DELETE FROM disconnect_promises WHERE process = :process AND client_id = ANY(:clients)")
_OF = text("SELECT client_id FROM disconnect_promises WHERE process = :process ORDER BY client_id")
_INHERIT = text(
    "INSERT INTO disconnect_promises (process, client_id) "
    "SELECT :heir, client_id FROM disconnect_promises WHERE process = :process ON CONFLICT DO NOTHING"
)
_LOCK = text("SELECT FROM stream_processes WHERE process = :process AND beat = :beat FOR UPDATE")
_END = text("DELETE FROM stream_processes WHERE process = :process")


def register(tx: Connection, process: str) -> list[str]:
    """Register a process, and return the clients to which its predecessor of the same name made promises."""
    tx.execute(_REGISTER, {"process": process})
    return list(tx.execute(_OF, {"process": process}).scalars())


def beat(tx: Connection, process: str) -> bool:
    """Count a beat; return False if another process has taken over the promises of this one."""
    return tx.execute(_BEAT, {"process": process}).rowcount == 1


def beats(tx: Connection) -> dict[str, int]:
    """Return the beats of all processes."""
    return {row.process: row.beat for row in tx.exec_driver_sql("SELECT process, beat FROM stream_processes")}


def make(tx: Connection, process: str, client_id: str) -> bool:
    """Record a promise; return False if another process has taken over the earlier ones of this process."""
    added = tx.execute(_REGISTER, {"process": process}).rowcount
    tx.execute(_MAKE, {"process": process, "client_id": client_id})
    return added == 0


def forget(tx: Connection, process: str, clients: list[str]) -> None:
    """Delete promises that are kept."""
    tx.execute(_KEPT, {"process": process, "clients": clients})


def take_over(tx: Connection, process: str, *, last_beat: int, heir: str) -> list[str]:
    """Move the promises of a lost process to another, and return its clients.

    last_beat  the beat at which the process stopped; if it has gone on since, nothing happens
    """
    if tx.execute(_LOCK, {"process": process, "beat": last_beat}).first() is None:
        return []
    clients = list(tx.execute(_OF, {"process": process}).scalars())
    tx.execute(_REGISTER, {"process": heir})
    tx.execute(_INHERIT, {"process": process, "heir": heir})
    tx.execute(_END, {"process": process})
    return clients
