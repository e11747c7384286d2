"""Find the address of a request's client, and decide how far to trust a proxy in front of the api."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# The limits treat such a network as one address: a host with IPv6 usually owns a whole one.
IPV6_PREFIX = 64


class Proxies:
    """The proxies whose X-Forwarded-For and X-Forwarded-Proto the api trusts.

    trusted  their addresses and networks; raises ValueError for anything else
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        self._networks = [ip_network(one, strict=False) for one in trusted]
        self.trusts = lru_cache(maxsize=4_096)(self._trusts)

    def _trusts(self, address: str) -> bool:
        found = _parsed(address)
        return found is not None and any(found in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """Return the address of the client in the form that the limits use.

        peer           address at the other end of the connection
        forwarded_for  the header; its last entries come from the proxies, while any client can forge the entries before
        """
        address = peer
        if self._networks and forwarded_for is not None and self.trusts(peer):
            for hop in reversed(forwarded_for.split(",")):
                named = _parsed(hop.strip())
                if named is None:
                    break
                address = str(named)
                if not self.trusts(address):
                    break
        return _limited(address)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address, with or without a port; IPv4 inside IPv6 becomes IPv4."""
    text = text.strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=4_096)
def _limited(address: str) -> str:
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, IPV6_PREFIX), strict=False))
    return str(found or address)
