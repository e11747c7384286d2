"""Network namespaces as hosts: each has a cable to one switch, and resolves the names of the others.

The switch is a namespace as well, in which the end of a host's cable has the name of the host: there it can be cut or
slowed. On this machine's own side there would be its firewall, which often drops what passes between two hosts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from deploy.cluster.layout import GATEWAY, HOSTS, Host
from deploy.local.failure import Failure

SWITCH, BRIDGE, MACHINE = "exchange-switch", "bridge", "exchange-cable"
# `ip netns exec` shows these files to a namespace in place of those of /etc.
_NAMES = Path("/etc/netns")


def namespace(host: Host) -> str:
    """Return the name of a host's namespace."""
    return f"exchange-{host.name}"


def inside(host: Host) -> tuple[str, ...]:
    """Return the words that make a command run on a host."""
    return ("ip", "netns", "exec", namespace(host))


def require() -> None:
    """Check that this user may create namespaces. Raises Failure."""
    if os.geteuid() != 0:
        raise Failure("network namespaces need root: run `make cluster` as root, or use the compose file")
    if shutil.which("ip") is None:
        raise Failure("there is no command `ip`: install iproute2")


def make() -> None:
    """Make the switch and the hosts that do not exist yet."""
    if not _exists(SWITCH):
        _ip("netns", "add", SWITCH)
        _in(SWITCH, "link", "add", BRIDGE, "type", "bridge")
        _in(SWITCH, "link", "set", BRIDGE, "up")
        # This machine's own cable.
        _ip("link", "add", MACHINE, "type", "veth", "peer", "name", "machine", "netns", SWITCH)
        _plug("machine")
        _ip("addr", "add", f"{GATEWAY}/24", "dev", MACHINE)
        _ip("link", "set", MACHINE, "up")
    names = "127.0.0.1 localhost\n" + "".join(f"{host.address} {host.name}\n" for host in HOSTS)
    for host in HOSTS:
        if _exists(namespace(host)):
            continue
        files = _NAMES / namespace(host)
        files.mkdir(parents=True, exist_ok=True)
        (files / "hosts").write_text(names)
        _ip("netns", "add", namespace(host))
        _in(SWITCH, "link", "add", host.name, "type", "veth", "peer", "name", "eth0", "netns", namespace(host))
        _plug(host.name)
        _in(namespace(host), "link", "set", "lo", "up")
        _in(namespace(host), "addr", "add", f"{host.address}/24", "dev", "eth0")
        _in(namespace(host), "link", "set", "eth0", "up")


def remove() -> None:
    """Remove the hosts and the switch; nothing may run on them any more."""
    for name in (*map(namespace, HOSTS), SWITCH):
        if _exists(name):
            _ip("netns", "del", name)
        shutil.rmtree(_NAMES / name, ignore_errors=True)


def _exists(name: str) -> bool:
    return Path(f"/run/netns/{name}").exists()


def _plug(port: str) -> None:
    _in(SWITCH, "link", "set", port, "master", BRIDGE)
    _in(SWITCH, "link", "set", port, "up")


def _in(name: str, *words: str) -> None:
    _ip("-n", name, *words)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}")
