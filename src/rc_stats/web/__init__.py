"""
The admin page (extra ``web``): an ASGI app to mount in any server, and ``rc-stats serve``.

:func:`rc_stats.web.app.admin_app` is loaded on first use, so that naming the verb costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rc_stats.errors import MissingExtra

if TYPE_CHECKING:
    from rc_stats.web.app import Authorise, admin_app

__all__ = ["Authorise", "admin_app"]


def __getattr__(name: str) -> object:
    """Load the page when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'rc_stats.web' has no attribute {name!r}")
    try:
        from rc_stats.web import app  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "starlette":
            raise
    else:
        return getattr(app, name)
    raise MissingExtra("web", "The admin page") from None
