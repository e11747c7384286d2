"""A slow cable: what reaches a host or leaves it is late. `python -m bench.cluster.slow_cable host-1 0.1`.

It runs in the namespace of the switch, between the end of the host's cable, which is unplugged from the bridge
meanwhile, and a new cable to the bridge. Not every kernel has netem; every kernel has packet sockets.
"""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable

from bench.cluster.commands import run
from deploy.cluster import network
from deploy.cluster.layout import Host
from deploy.local.places import VENV_PYTHON

LATE_S = 0.1

# Ends of the cable between the relay and the bridge.
_ENDS = "slow", "slow-plug"
# From linux/if_packet.h and linux/if_ether.h.
_ALL_PROTOCOLS, _SOL_PACKET, _VNET_HEADER, _IGNORE_OUTGOING = 3, 263, 15, 23
# The longest frame that the kernel has not cut into packets yet, with the header that says how to [bytes].
_LONGEST = 10 + 18 + 65_536
_END_S = 5


def slow_down(host: Host) -> Callable[[], None]:
    """Make the cable of a host slow, and return the function that ends it."""
    run("ip", "-n", network.SWITCH, "link", "add", _ENDS[0], "type", "veth", "peer", "name", _ENDS[1])
    for name in _ENDS:
        run("ip", "-n", network.SWITCH, "link", "set", name, "up")
    run("ip", "-n", network.SWITCH, "link", "set", host.name, "nomaster")
    run("ip", "-n", network.SWITCH, "link", "set", _ENDS[1], "master", network.BRIDGE)
    inside = "ip", "netns", "exec", network.SWITCH
    relay = subprocess.Popen([*inside, VENV_PYTHON, "-m", "bench.cluster.slow_cable", host.name, str(LATE_S)])

    def end() -> None:
        relay.terminate()
        relay.wait(_END_S)
        run("ip", "-n", network.SWITCH, "link", "del", _ENDS[0])
        run("ip", "-n", network.SWITCH, "link", "set", host.name, "master", network.BRIDGE)

    return end


def _end_of_cable(name: str) -> socket.socket:
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    # The header keeps checksums that are still to be made, and segments that are still to be cut.
    packets.setsockopt(_SOL_PACKET, _VNET_HEADER, 1)
    packets.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    packets.bind((name, 0))
    packets.setblocking(False)
    return packets


def relay(host_name: str, late_s: float) -> None:
    """Pass frames on in both directions, each after `late_s`, until this process is ended."""
    host_end, bridge_end = _end_of_cable(host_name), _end_of_cable(_ENDS[0])
    other = {host_end: bridge_end, bridge_end: host_end}
    under_way: deque[tuple[float, socket.socket, bytes]] = deque()
    with selectors.DefaultSelector() as selector:
        for end in other:
            selector.register(end, selectors.EVENT_READ)
        while True:
            wait_s = max(under_way[0][0] - time.monotonic(), 0.0) if under_way else None
            for key, _ in selector.select(wait_s):
                assert isinstance(key.fileobj, socket.socket), "nothing else is registered"
                _receive_all(key.fileobj, other[key.fileobj], under_way, late_s)
            while under_way and under_way[0][0] <= time.monotonic():
                _, to, frame = under_way.popleft()
                try:
                    to.send(frame)
                except OSError:
                    continue  # the queue of the other end is full: a network may drop a frame, and TCP sends it again


def _receive_all(
    end: socket.socket, to: socket.socket, under_way: deque[tuple[float, socket.socket, bytes]], late_s: float
) -> None:
    due_s = time.monotonic() + late_s
    while True:
        try:
            under_way.append((due_s, to, end.recv(_LONGEST)))
        except BlockingIOError:
            return


if __name__ == "__main__":
    relay(sys.argv[1], float(sys.argv[2]))
