"""A server of small models in a thread, on any free port, and what asks it."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import pytest

from tests.recommend.models import saved


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Site:
    """A server that runs."""

    def __init__(self, port: int):
        self.port = port

    def ask(self, method: str, path: str, body: str | bytes | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read().decode())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, **headers)

    def recommend(self, **values: Any) -> Reply:
        return self.ask("POST", "/api/recommend", json.dumps(values), Content_Type="application/json")


@contextmanager
def running(models, threads: int = 4, waiting: int = 256) -> Iterator[Site]:
    from experiments.web import server
    from experiments.web.app import make_app
    from experiments.web.workers import Workers

    workers, listener = Workers(threads, waiting), server.listen(0)
    uvicorn = server.server(make_app(models, workers))
    thread = threading.Thread(target=uvicorn.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not uvicorn.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield Site(listener.getsockname()[1])
    finally:
        uvicorn.should_exit = True
        thread.join()
        workers.close()
        listener.close()


@pytest.fixture(scope="session")
def served() -> Callable[[str], Any]:
    """A small model ready to answer, by its method's name."""
    pytest.importorskip("uvicorn", reason="needs starlette and uvicorn: pip install -e '.[serve]'")
    from experiments.web.served import Served

    return cache(lambda name: Served(saved(name)))


@pytest.fixture(scope="session")
def site(served) -> Iterator[Site]:
    """A dot product and a learned similarity."""
    with running([served("ials"), served("mlp")]) as site:
        yield site
