"""Network addresses as the throttle counts them and the log shows them."""

import ipaddress

IPV6_PREFIX = 64
"""One customer's share of IPv6: who has one address there has all of them."""
IPV4_SHOWN_PREFIX = 24
IPV6_SHOWN_PREFIX = 48


def throttle_key(address):
    """What wrong PINs are counted by: an IPv4 address, or an IPv6 /64."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if ip.version == 6 and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.version == 6:
        return str(ipaddress.ip_network((ip, IPV6_PREFIX), strict=False))
    return str(ip)


def masked(address):
    """The network an address belongs to, without the part that names a person."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    prefix = IPV4_SHOWN_PREFIX if ip.version == 4 else IPV6_SHOWN_PREFIX
    return str(ipaddress.ip_network((ip, prefix), strict=False))
