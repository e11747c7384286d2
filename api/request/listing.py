"""The listed securities, in memory, so that checking an order needs no query."""

from __future__ import annotations

import gevent
import structlog

from api.request.databases import reading
from api.wire.problems import Problem, not_listed, unavailable
from db.clearing_data.listing import securities
from db.connect import Database
from tasks.shared.rules.securities import Security

log = structlog.get_logger()

# Within a second a new security is traded everywhere, and a phase is seen that another process has changed [s].
REFRESH_S = 0.5


class Listing:
    """Caches the listed securities, and keeps them while Postgres is unreachable."""

    def __init__(self, clearing_data: Database) -> None:
        self._clearing_data = clearing_data
        self._known: dict[str, Security] = {}
        self._ever: set[str] = set()
        gevent.spawn(self._refresh)

    def all(self) -> dict[str, Security]:
        """Return the securities by id. Raises Problem (503) if Postgres has never been reachable."""
        if not self._known:
            self.read()
        if not self._known:
            raise unavailable("the list of securities")
        return self._known

    def in_path(self, security_id: str) -> Security:
        """Return a security that a path names. Raises Problem (404, 503)."""
        security = self.all().get(security_id)
        if security is None:
            raise self._not_found()
        return security

    def once_in_path(self, security_id: str) -> None:
        """Check that a security named in a path is or was listed: history stays readable. Raises Problem (404, 503)."""
        if not self.was_ever(security_id):
            raise self._not_found()

    def was_ever(self, security_id: str) -> bool:
        """Return whether a security of this id is or was listed. Raises Problem (503)."""
        return security_id in self.all() or security_id in self._ever

    def _not_found(self) -> Problem:
        return Problem(404, "not_found", f"the security {not_listed(self.all())}")

    def read(self) -> None:
        """Read the securities again. Raises Problem (503)."""
        with reading(self._clearing_data) as tx:
            self._known = {security.security_id: security for security in securities.listed(tx)}
            self._ever = securities.ids_ever_listed(tx)

    def _refresh(self) -> None:
        while True:
            gevent.sleep(REFRESH_S)
            try:
                self.read()
            except Problem as problem:
                log.warning("securities_not_read", fault=problem.detail)
