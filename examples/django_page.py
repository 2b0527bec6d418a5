"""
The admin page inside a Django project, for superusers who are signed in there: the project's ``asgi.py``.

Django serves everything else. The page is under ``/statistics/`` and asks Django's own session who it is::

    DJANGO_SETTINGS_MODULE=project.settings uvicorn --factory django_page:application

What is reported, and where to, is in the configuration of rc-stats (``RC_STATS_CONFIG``, or single variables).
"""

from __future__ import annotations

import io
import os
from importlib import import_module

from django.conf import settings
from django.contrib.auth import aget_user
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from rc_stats.configuration import load
from rc_stats.service import reporter_of
from rc_stats.web import admin_app


async def superuser(request: Request) -> str | None:
    """Return the name of the superuser who is signed in to Django; None for everybody else."""
    asked = ASGIRequest(request.scope, io.BytesIO())
    sessions = import_module(settings.SESSION_ENGINE)
    asked.session = sessions.SessionStore(asked.COOKIES.get(settings.SESSION_COOKIE_NAME))
    user = await aget_user(asked)
    return user.get_username() if user.is_active and user.is_superuser else None


def application() -> Starlette:
    """Return the project with the page in it."""
    project = get_asgi_application()
    page = admin_app(reporter_of(load(None, os.environ)), authorise=superuser)
    return Starlette(routes=[Mount("/statistics", page), Mount("/", project)])
