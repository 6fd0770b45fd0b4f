"""The addresses of the server.

    GET  /                 the page, with /page.css and /page.js
    GET  /api/models       the models, and what a form has to know of them
    GET  /api/names        titles that hold a text: ?text=matr
    POST /api/recommend    the answers of all models to a request (ncfjax/recommend/request.py)

What is wrong is refused as {"error": "..."}: 400 a request that cannot be, 413 one that is too long, 415 no JSON, 503 a
full queue. A fault of ours is 500, and the terminal of the server has its traceback.
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from experiments.web.answers import answer
from experiments.web.guard import Guard, as_json, refusal
from experiments.web.served import Served
from experiments.web.workers import Full, Workers
from ncfjax.recommend.request import Refused

PAGE = Path(__file__).parent / "page"
FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
MOST_BYTES = 64 * 1024  # of a request
MOST_TEXT = 100  # characters that names are suggested for


def make_app(models: Sequence[Served], workers: Workers) -> ASGIApp:
    """An application over models that are warm."""
    routes = [
        Route(path, partial(_file, (PAGE / name).read_text(encoding="utf-8"), kind))
        for path, (name, kind) in FILES.items()
    ]
    routes += [
        Route("/api/models", partial(_models, models)),
        Route("/api/names", partial(_names, models, workers)),
        Route("/api/recommend", partial(_recommend, models, workers), methods=["POST"]),
    ]
    handlers = {HTTPException: _refused, Full: _full, Exception: _failed}
    # Around all of it: Starlette's own answer to an error would be outside of its middleware, without the headers.
    return Guard(Starlette(routes=routes, exception_handlers=handlers))


async def _file(text: str, kind: str, request: Request) -> Response:
    return Response(text, media_type=kind)


async def _models(models: Sequence[Served], request: Request) -> Response:
    return as_json({"models": [model.description for model in models]})


async def _names(models: Sequence[Served], workers: Workers, request: Request) -> Response:
    text = request.query_params.get("text", "")[:MOST_TEXT]
    return as_json({"names": await workers.run(lambda: models[0].names(text))})


async def _recommend(models: Sequence[Served], workers: Workers, request: Request) -> Response:
    values = await _json_of(request)
    try:
        # The text too is made in the thread: a thousand rows with their reasons take some milliseconds.
        return await workers.run(lambda: as_json(answer(models, values)))
    except Refused as error:  # any other error is a fault of ours
        raise HTTPException(400, str(error)) from error


async def _json_of(request: Request) -> Any:
    """The value that the body of a request holds.

    Raises:
        HTTPException: it is not JSON, or too long.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # a form of a foreign page can send no such type unasked
        raise HTTPException(415, f"Content-Type: expected application/json, got {kind or 'none'}")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"expected a request of at most {MOST_BYTES:,} bytes, got more")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"expected JSON, got {type(error).__name__}: {error}") from error


async def _refused(request: Request, error: HTTPException) -> Response:
    return refusal(error.detail, error.status_code, error.headers)


async def _full(request: Request, error: Full) -> Response:
    return refusal(str(error), 503, {"Retry-After": "1"})


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of ours, which the server's log shows."""
    return refusal(f"{type(error).__name__}: the terminal of the server says more", 500)
