"""A service that reports while it runs, with the admin page for whom the proxy before it has signed in."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from rc_stats import configuration, service, web

reporter = service.reporter_of(configuration.load(None, os.environ))


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(reporter.run())  # once a day at a random minute; safe on several instances
    yield
    task.cancel()  # a request that has begun is finished and recorded first
    await asyncio.wait([task])


app = FastAPI(lifespan=_lifespan)
app.mount("/statistics", web.admin_app(reporter, authorise=lambda asked: asked.headers.get("x-forwarded-user")))


@app.get("/status")
def _status() -> dict[str, list[str]]:
    return {"closed_by": [reason.code for reason in reporter.status().decision.closing]}
