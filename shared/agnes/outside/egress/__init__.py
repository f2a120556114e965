"""The one way out to foreign networks, used by git, files of the web, npm, identity providers and drop locations.

    addresses   names are resolved once, every address is judged, and only a judged one is dialled
    alarm       one end for everything that is asked of a server
    client      HTTP on urllib3's connections over those, with redirects that are judged anew
    errors      what can go wrong; adapters make their ports' errors of it

AGNES_OUTBOUND_ALLOW says what else than https to public addresses is asked.
"""

from agnes.outside.egress.addresses import Dial, Resolve, SocketAddress, dial, is_public, judged_addresses
from agnes.outside.egress.alarm import Alarm
from agnes.outside.egress.client import MAX_REDIRECTS, PORTS, STALL_SECONDS, Answer, Egress, Origin, failed, follow
from agnes.outside.egress.errors import (
    PRIVATE_HINT,
    ConnectionFailed,
    EgressError,
    NoAddress,
    PrivateAddress,
    Silent,
    TimeUp,
    TooManyRedirects,
)

__all__ = [
    "MAX_REDIRECTS",
    "PORTS",
    "PRIVATE_HINT",
    "STALL_SECONDS",
    "Alarm",
    "Answer",
    "ConnectionFailed",
    "Dial",
    "Egress",
    "EgressError",
    "NoAddress",
    "Origin",
    "PrivateAddress",
    "Resolve",
    "Silent",
    "SocketAddress",
    "TimeUp",
    "TooManyRedirects",
    "dial",
    "failed",
    "follow",
    "is_public",
    "judged_addresses",
]
