"""How channels are reached."""

import rattler

# Solving takes hundreds of requests to a channel with a sharded index; a server may refuse too many at once.
AT_ONCE = 16
_RETRIES = 2


def client() -> rattler.Client:
    """Return what reaches channels, with the proxies and credentials that the user has set up for conda's tools."""
    return rattler.Client.default_client(max_retries=_RETRIES)
