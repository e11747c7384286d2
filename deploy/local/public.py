"""Caddy in front of the api, for `make up PUBLIC=host.example`: TLS, and bounds on what a client may send and hold."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.local.failure import Failure
from deploy.local.places import ROOT, Instance
from deploy.local.programs import WEB, Program

PROGRAM = "caddy"

_CONFIGURATION = ROOT / "deploy" / "caddy" / "Caddyfile"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_AUTHORITIES = ("acme", "internal")
_EVERYWHERE = "0.0.0.0"  # noqa: S104  # what is public listens there, and nothing else does


@dataclass(frozen=True, slots=True)
class PublicDoor:
    """Where the exchange is reached from outside.

    name       host name under which it is known; localhost, or an address, for a trial
    authority  who signs its certificate: acme, a public one, or internal, one of Caddy's own
    """

    name: str
    authority: str
    http_port: int
    https_port: int

    @property
    def url(self) -> str:
        """The address of the api for people outside."""
        return f"https://{self.name}" + (f":{self.https_port}" if self.https_port != 443 else "")

    def program(self, instance: Instance, *, upstream: str, max_body_bytes: int) -> Program:
        """Caddy for the supervisor.

        upstream        host and port of the api
        max_body_bytes  what the api takes
        raises          Failure  it is not installed
        """
        caddy = shutil.which("caddy")
        if caddy is None:
            raise Failure("Caddy is not installed: install caddy, or start without PUBLIC")
        home = instance.folder("caddy")
        return Program(
            PROGRAM,
            WEB,
            (caddy, "run", "--config", str(_CONFIGURATION), "--adapter", "caddyfile"),
            {
                "HOME": str(home),
                "STORAGE": str(home),
                "PUBLIC": self.name,
                "PUBLIC_TLS": self.authority,
                "HTTP_PORT": str(self.http_port),
                "HTTPS_PORT": str(self.https_port),
                "UPSTREAM": upstream,
                # Twice what the api takes: it says itself what is too large, unless the body never ends.
                "MAX_BODY": str(2 * max_body_bytes),
            },
        )

    def require_ports(self) -> None:
        """See that Caddy may listen.

        raises  Failure  it may not
        """
        for variable, port in (("PUBLIC_HTTP_PORT", self.http_port), ("PUBLIC_HTTPS_PORT", self.https_port)):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((_EVERYWHERE, port))
                except PermissionError:
                    raise Failure(
                        f"port {port} is for root: allow it with `sudo sysctl net.ipv4.ip_unprivileged_port_start=80`, "
                        f"or choose another one with `make up {variable}={port + 8000}` and forward {port} to it"
                    ) from None
                except OSError:
                    raise Failure(
                        f"port {port} is in use by another program: end that, or choose another port for Caddy "
                        f"with `make up {variable}={port + 8000}`"
                    ) from None


def from_environment(environment: Mapping[str, str]) -> PublicDoor | None:
    """What `make up` was asked for; None when the exchange is not to be public.

    raises  Failure  a variable makes no sense
    """
    name = environment.get("PUBLIC", "").strip()
    if not name:
        return None
    if not _NAME.fullmatch(name):
        raise Failure("wrong PUBLIC: it has to be the host name of this machine, like exchange.example.org")
    authority = environment.get("PUBLIC_TLS", "").strip() or "acme"
    if authority not in _AUTHORITIES:
        raise Failure(f"wrong PUBLIC_TLS: it has to be one of: {', '.join(_AUTHORITIES)}")
    return PublicDoor(
        name, authority, _port(environment, "PUBLIC_HTTP_PORT", 80), _port(environment, "PUBLIC_HTTPS_PORT", 443)
    )


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable, "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise Failure(f"wrong {variable}: it has to be a number from 1 to 65535")
    return int(text)
