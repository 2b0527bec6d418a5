"""
The store: what an admin agreed to, what was sent, and what is to be, in SQLite or PostgreSQL.

:class:`Store` is all that others need. The rows of its history are chained; see :mod:`rc_stats.store.chain`.
"""

from __future__ import annotations

from rc_stats.errors import MissingExtra

try:
    from rc_stats.store.books import Store
    from rc_stats.store.chain import Entry
    from rc_stats.store.database import place_of
    from rc_stats.store.leases import Lease
    from rc_stats.store.periods import Pending
    from rc_stats.store.rights import Erased
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("sqlalchemy", "platformdirs"):
        raise
    raise MissingExtra("store", "The store") from None

__all__ = ["Entry", "Erased", "Lease", "Pending", "Store", "place_of"]
