"""Caddy in front of the api, for `make up PUBLIC=host.example`: TLS, and bounds on what clients send and hold open."""

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
_EVERYWHERE = "0.0.0.0"  # noqa: S104  # for Caddy only, which is meant to be public


@dataclass(frozen=True, slots=True)
class PublicDoor:
    """The address of the exchange for clients from outside.

    name       host name; localhost, or an address, for a trial
    authority  signs its certificate: acme, a public one, or internal, Caddy's own
    """

    name: str
    authority: str
    http_port: int
    https_port: int

    @property
    def url(self) -> str:
        """The address of the api for clients from outside."""
        return f"https://{self.name}" + (f":{self.https_port}" if self.https_port != 443 else "")

    def program(self, instance: Instance, *, upstream: str, max_body_bytes: int) -> Program:
        """Return Caddy as a program for the supervisor.

        upstream        host and port of the api
        max_body_bytes  the api's own limit
        raises          Failure  Caddy is not installed
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
                # Twice the api's limit: the api refuses larger bodies itself, unless they never end.
                "MAX_BODY": str(2 * max_body_bytes),
            },
        )

    def require_ports(self) -> None:
        """Check that Caddy can listen on its ports.

        raises  Failure  it cannot
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
    """Read the variables of `make up`; None: the exchange is not public.

    raises  Failure  a variable is invalid
    """
    name = environment.get("PUBLIC", "").strip()
    if not name:
        return None
    if not _NAME.fullmatch(name):
        raise Failure("wrong PUBLIC: it must be the host name of this machine, such as exchange.example.org")
    authority = environment.get("PUBLIC_TLS", "").strip() or "acme"
    if authority not in _AUTHORITIES:
        raise Failure(f"wrong PUBLIC_TLS: it must be one of: {', '.join(_AUTHORITIES)}")
    return PublicDoor(
        name, authority, _port(environment, "PUBLIC_HTTP_PORT", 80), _port(environment, "PUBLIC_HTTPS_PORT", 443)
    )


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable, "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise Failure(f"wrong {variable}: it must be a number from 1 to 65535")
    return int(text)
