"""The example of a Django project with the admin page in it, run as a project is run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import httpx2

from pages import Seen, example
from rc_stats.store import Store

ROOT: Final = Path(__file__).parent.parent
PASSWORD: Final = "a long enough sentence"  # noqa: S105 - of a user who lives for a second

SETTINGS: Final = """
from pathlib import Path
SECRET_KEY = "only for a test, and longer than fifty characters, as Django wants it"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "project_urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).with_name("django.sqlite3")}}
INSTALLED_APPS = [f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes", "messages", "sessions")]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
    "context_processors": ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                           "django.contrib.messages.context_processors.messages"]}}]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""
URLS: Final = """
from django.contrib import admin
from django.urls import path
urlpatterns = [path("admin/", admin.site.urls)]
"""
PEOPLE: Final = f"""
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
User.objects.create_superuser("ann", password={PASSWORD!r})
User.objects.create_user("bob", password={PASSWORD!r}, is_staff=True)
"""
SERVE: Final = """
import socket, sys
import uvicorn
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
config = uvicorn.Config("django_page:application", factory=True, log_level="warning", access_log=False)
uvicorn.Server(config).run(sockets=[listening])
"""


@contextmanager
def project(place: Path) -> Iterator[str]:
    """Give the URL of a running Django project in *place*."""
    (place / "project_settings.py").write_text(SETTINGS, encoding="utf-8")
    (place / "project_urls.py").write_text(URLS, encoding="utf-8")
    (place / "statistics.json").write_text(json.dumps(example()), encoding="utf-8")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "project_settings",
        "PYTHONPATH": f"{place}{os.pathsep}{ROOT / 'examples'}",
        "RC_STATS_SOURCE": str(place / "statistics.json"),
        "RC_STATS_STORE": str(place / "books.sqlite3"),
        "RC_STATS_WORKSPACE": "registered",
    }
    subprocess.run([sys.executable, "-c", PEOPLE], env=environment, check=True, cwd=place)
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], env=environment, cwd=place, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(running.stdout.readline())}"
        finally:
            running.terminate()


def signed_in(url: str, name: str) -> httpx2.Client:
    """Return a browser in which *name* has signed in to Django's own admin."""
    client = httpx2.Client(base_url=url, follow_redirects=True, timeout=30, headers={"Origin": url})
    page = client.get("/admin/login/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    fields = {"csrfmiddlewaretoken": token[1], "username": name, "password": PASSWORD, "next": "/admin/"}
    assert "Log out" in client.post("/admin/login/", data=fields).text
    return client


def test_the_page_in_a_django_project(tmp_path: Path) -> None:
    """Django's superuser sees the page and turns sharing on under their name; nobody else gets in; Django goes on."""
    with project(tmp_path) as url:
        with httpx2.Client(base_url=url, timeout=30) as stranger:
            assert stranger.get("/statistics/").status_code == 403
            assert stranger.get("/statistics/", headers={"Cookie": "sessionid=made-up"}).status_code == 403
            assert stranger.get("/nothing/").status_code == 404
        with closing(signed_in(url, "bob")) as bob:
            assert bob.get("/statistics/").status_code == 403
        with closing(signed_in(url, "ann")) as ann:
            shown = Seen(ann.get("/statistics/").text)
            assert "You are ann" in shown.text
            answer = ann.post("/statistics/opt-in", data={**shown.forms["opt-in"], "scope": "usage"})
            assert answer.status_code == 200
            assert str(answer.url).startswith(f"{url}/statistics/?done=")
            assert "Sharing is on" in Seen(answer.text).text
    with Store.open(tmp_path / "books.sqlite3") as store:
        assert [(entry.kind, (entry.private or {}).get("by")) for entry in store.history()] == [("consent", "ann")]
