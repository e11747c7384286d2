"""What this process has promised and not finished, on disk: if it is killed, the next one goes on.

An order with a client order id is promised in Postgres before it is queued. If the process died in between, and its
client never asked again, the promise would be neither kept nor given back. So each process has a file, in which an
order stands from before its promise until RabbitMQ has it, and a process that starts takes over the files of those that
have ended.

The files are databases of LMDB, which writes to memory that the kernel keeps when the process dies. Nothing waits for
the disk, so an order costs microseconds. A restart of the host may lose what was written last, and LMDB's files then
mean nothing: those from before it are deleted unread.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import lmdb
import msgspec
import structlog

from api.wire.problems import Problem
from tasks.messages import OrderRequest, encode

log = structlog.get_logger()

FOLDER = "promises"
# Disk space of a process [bytes]: 100,000 orders take 20 MB. It is allocated at once, because a write to a file that
# the disk has no room for would kill the process.
SIZE = 64 * 2**20

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_BYTES = 8  # of a number in a key
# Part of the name of a file for each attempt to read it, and the most attempts.
_AGAIN = ".again"
_MOST_ATTEMPTS = 3

# The first byte of a key, and what the rest and the value are:
_UNDER_WAY = b"1"  # the first of some orders; the orders
_UNCERTAIN = b"2"  # an order; the order, in a list
_GIVEN_UP = b"3"  # an order; client and client order id

_decode_orders = msgspec.json.Decoder(list[OrderRequest]).decode
_decode_name = msgspec.json.Decoder(tuple[str, str]).decode


class GivenUp(NamedTuple):
    """A promise that must be given back, because its order was certainly not queued."""

    client_id: str
    client_order_id: str
    order_id: int


class UnusableFolder(Exception):
    """The files cannot be written; the text is the reason."""


class Unfinished:
    """The promises of this process that are neither kept nor given back.

    folder  that of all api processes of an exchange on this host
    orders, given_up  what processes that have ended left: orders that may have been promised and may have been queued,
        and promises that must be given back

    raises  UnusableFolder
    """

    def __init__(self, folder: Path) -> None:
        self.orders: list[OrderRequest] = []
        self.given_up: list[GivenUp] = []
        self._done: list[bytes] = []  # keys of orders that RabbitMQ has; they are deleted with the next write
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder / "lock", fcntl.LOCK_EX):
                self._take_over(folder)
        except (OSError, lmdb.Error) as fault:
            raise UnusableFolder(getattr(fault, "strerror", None) or str(fault)) from fault

    def _take_over(self, folder: Path) -> None:
        boot = _BOOT.read_text().strip()
        read = []
        for file in sorted(folder.glob("*.lmdb*")):
            if not _is_left(file):
                continue
            if file.name.startswith(boot):
                read += self._read(file)
            else:
                log.warning("unfinished_promises_of_an_earlier_boot", file=file.name)
                file.unlink()
        if not self.orders and not self.given_up:
            _unlink(read)  # first, so that a disk without room for two files has room for one
        self._database = _created(folder / f"{boot}-{uuid4().hex}.lmdb")
        self.note_uncertain(self.orders)
        self.note_given_up(self.given_up)
        _unlink(read)

    def begin(self, requests: Iterable[Sequence[OrderRequest]]) -> None:
        """Hold the orders of some requests, at least one in each, before they are promised.

        raises  Problem  503 not_accepted: there is no room, so they must not be promised
        """
        try:
            with self._database.begin(write=True) as tx:
                while self._done:
                    tx.delete(self._done.pop())
                for orders in requests:
                    tx.put(_UNDER_WAY + _number(orders[0].order_id), encode(orders))
        except lmdb.MapFullError:
            log.error("unfinished_promises_full")
            raise Problem(503, "not_accepted", "nothing was queued; try again", retry=True) from None

    @contextmanager
    def under_way(self, orders: Sequence[OrderRequest]) -> Iterator[None]:
        """Let go of the orders of a request, if any, when the block ends and their outcome is known."""
        if not orders:
            yield
            return
        key = _UNDER_WAY + _number(orders[0].order_id)
        try:
            yield
        except Problem:
            self._delete([key])
            raise
        # RabbitMQ has them, so there is time: the next process would send them once more, and order entry drop them.
        # After any other exception it is unknown what became of them, and the next process finds out.
        self._done.append(key)

    def forget_done(self) -> None:
        """Let go of orders that are done, while no other requests arrive."""
        done, self._done = self._done, []
        if done:
            self._delete(done)

    def note_uncertain(self, orders: Iterable[OrderRequest]) -> None:
        """Hold promised orders that RabbitMQ may have."""
        self._note((_UNCERTAIN + _number(one.order_id), encode([one])) for one in orders)

    def forget_uncertain(self, order_ids: Iterable[int]) -> None:
        """Let go of orders of which the outcome is known now."""
        self._delete(_UNCERTAIN + _number(order_id) for order_id in order_ids)

    def note_given_up(self, promises: Iterable[GivenUp]) -> None:
        """Hold promises until they are given back."""
        self._note((_GIVEN_UP + _number(one.order_id), encode(one[:2])) for one in promises)

    def forget_given_up(self, promises: Iterable[GivenUp]) -> None:
        """Let go of promises that are given back."""
        self._delete(_GIVEN_UP + _number(one.order_id) for one in promises)

    def _note(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        try:
            with self._database.begin(write=True) as tx:
                for key, value in records:
                    tx.put(key, value)
        except lmdb.MapFullError:
            # This process knows them nevertheless; only if it is killed, the next one does not.
            log.error("unfinished_promises_full")

    def _delete(self, keys: Iterable[bytes]) -> None:
        try:
            with self._database.begin(write=True) as tx:
                for key in keys:
                    tx.delete(key)
        except lmdb.MapFullError:
            # A deletion needs room, too. The next process finds out that nothing is left to do for these records.
            log.error("unfinished_promises_full")

    def _read(self, file: Path) -> list[Path]:
        """Read what a process left; return the file, if it may be deleted afterwards.

        LMDB may abort the process over a damaged file, so a file bears the number of attempts in its name.
        """
        if file.name.count(_AGAIN) >= _MOST_ATTEMPTS:
            _set_aside(file, "the api ended each time it read it")
            return []
        file = file.rename(file.with_name(file.name + _AGAIN))
        under_way: dict[int, OrderRequest] = {}
        uncertain: dict[int, OrderRequest] = {}
        given_up = []
        unreadable = 0
        try:
            with _open(file) as database, database.begin() as tx:
                for key, value in tx.cursor():
                    try:
                        if key.startswith(_GIVEN_UP):
                            given_up.append(GivenUp(*_decode_name(value), int.from_bytes(key[1:])))
                        else:
                            into = uncertain if key.startswith(_UNCERTAIN) else under_way
                            into |= {one.order_id: one for one in _decode_orders(value)}
                    except msgspec.DecodeError:
                        unreadable += 1
        except lmdb.Error as fault:
            _set_aside(file, str(fault))
            return []
        # An uncertain order stays, because another request relies on its promise, which is not given back then.
        for promise in given_up:
            under_way.pop(promise.order_id, None)
        orders = under_way | uncertain
        if orders or given_up:
            log.info("unfinished_promises_taken_over", orders=len(orders), given_up=len(given_up))
        self.orders += orders.values()
        self.given_up += given_up
        if unreadable:
            _set_aside(file, f"{unreadable} records are not orders")
            return []
        return [file]


def _created(file: Path) -> lmdb.Environment:
    """Create the file of this process; it belongs to it until it ends."""
    try:
        database = _open(file)
        descriptor = os.open(file, os.O_RDWR)
        os.posix_fallocate(descriptor, 0, SIZE)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # and never closed
    except (OSError, lmdb.Error):
        file.unlink(missing_ok=True)
        raise
    return database


def _open(file: Path) -> lmdb.Environment:
    return lmdb.open(
        str(file), subdir=False, map_size=SIZE, mode=0o600, sync=False, metasync=False, writemap=True, lock=False
    )


def _unlink(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _set_aside(file: Path, why: str) -> None:
    log.error("unfinished_promises_set_aside", file=file.name, why=why)
    file.rename(file.with_name(f"damaged-{file.name.replace('.lmdb', '')}"))


def _number(order_id: int) -> bytes:
    return order_id.to_bytes(_BYTES)


def _is_left(file: Path) -> bool:
    """Return whether the process of a file has ended."""
    try:
        with _locked(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return True
    except BlockingIOError:
        return False


@contextmanager
def _locked(file: Path, mode: int) -> Iterator[None]:
    """Lock a file for the block; raises BlockingIOError if another process has it and the mode does not wait."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, mode)
        yield
    finally:
        os.close(descriptor)
