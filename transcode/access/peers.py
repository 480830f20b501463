"""Which machines an address of a stranger may lead to: those of the public network."""

from __future__ import annotations

import ipaddress

_EMBEDDING = (
    # RFC 6052 and RFC 8215: an IPv4 address behind NAT64.
    ipaddress.IPv6Network("64:ff9b::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
)
_LOW_32 = 0xFFFFFFFF
_NEVER = (
    # Azure's services for its machines; a public address that leads to none.
    ipaddress.IPv4Network("168.63.129.16/32"),
    # What Pythons before 3.13 call global in part: RFC 6890, 7526, 3879.
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("fec0::/10"),
)

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(host: str) -> bool:
    """
    Whether an address, as the kernel writes it, is of the public network.

    Not this machine, not a private, link-local or shared network, not a group, and not
    one of these inside of an IPv6 address. False for what is no address.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return all(
        one.is_global and not one.is_multicast and not _is_never(one)
        for one in _meant(address)
    )


def is_link_local(host: str) -> bool:
    """Whether it is where clouds keep the keys of their machines, or a group."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return any(
        one.is_link_local or one.is_multicast or one.is_unspecified or _is_never(one)
        for one in _meant(address)
    )


def _is_never(address: IpAddress) -> bool:
    return any(address in network for network in _NEVER)


def _meant(address: IpAddress) -> list[IpAddress]:
    """The address, and those that machines on the way take it for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    inner: list[IpAddress] = [address]
    if address.sixtofour is not None:
        inner.append(address.sixtofour)
    if address.teredo is not None:
        inner += address.teredo
    if any(address in network for network in _EMBEDDING):
        inner.append(ipaddress.IPv4Address(int(address) & _LOW_32))
    return inner
