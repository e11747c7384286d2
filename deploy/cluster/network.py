"""Network namespaces as hosts: each has an address on one bridge, and resolves the names of the others."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from deploy.cluster.layout import GATEWAY, HOSTS, Host
from deploy.local.failure import Failure

BRIDGE = "exchange-br"
# `ip netns exec` shows these files to a namespace in place of those of /etc.
_NAMES = Path("/etc/netns")


def namespace(host: Host) -> str:
    """Return the name of a host's namespace."""
    return f"exchange-{host.name}"


def inside(host: Host) -> tuple[str, ...]:
    """Return the words that make a command run on a host."""
    return ("ip", "netns", "exec", namespace(host))


def link(host: Host) -> str:
    """Return the name of the end of a host's cable at the bridge: faults are applied there."""
    return f"exchange-{host.name.removeprefix('host-')}"


def require() -> None:
    """Check that this user may create namespaces. Raises Failure."""
    if os.geteuid() != 0:
        raise Failure("network namespaces need root: run `make cluster` as root, or use the compose file")
    if shutil.which("ip") is None:
        raise Failure("there is no command `ip`: install iproute2")


def make() -> None:
    """Make the bridge and the hosts that do not exist yet."""
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
    names = "127.0.0.1 localhost\n" + "".join(f"{host.address} {host.name}\n" for host in HOSTS)
    for host in HOSTS:
        if Path(f"/run/netns/{namespace(host)}").exists():
            continue
        files = _NAMES / namespace(host)
        files.mkdir(parents=True, exist_ok=True)
        (files / "hosts").write_text(names)
        _ip("netns", "add", namespace(host))
        _ip("link", "add", link(host), "type", "veth", "peer", "name", "eth0", "netns", namespace(host))
        _ip("link", "set", link(host), "master", BRIDGE)
        _ip("link", "set", link(host), "up")
        for words in (
            ("link", "set", "lo", "up"),
            ("addr", "add", f"{host.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("route", "add", "default", "via", GATEWAY),
        ):
            _ip("-n", namespace(host), *words)


def remove() -> None:
    """Remove the hosts and the bridge; nothing may run on them any more."""
    for host in HOSTS:
        if Path(f"/run/netns/{namespace(host)}").exists():
            _ip("netns", "del", namespace(host))
        shutil.rmtree(_NAMES / namespace(host), ignore_errors=True)
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        _ip("link", "del", BRIDGE)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}")
