"""The way to channels."""

import rattler

# A channel that keeps its list of packages in small pieces is asked for hundreds; no server should refuse us for it.
AT_ONCE = 16
_RETRIES = 2


def client() -> rattler.Client:
    """Return what reaches channels, with the proxies and credentials that the user has set up for conda's tools."""
    return rattler.Client.default_client(max_retries=_RETRIES)
