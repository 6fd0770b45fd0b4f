"""python -m benchmarks.serve FOLDER [FOLDER ...]: milliseconds of an answer through HTTP, by saved models.

Each model has a server of its own, python -m experiments.serve in a process of its own. A client asks it for the ten
best of random users, over a new connection each time. The answers of all models take turns; a figure is the median of
REPEATS. The bar is the project's, for a dot product of MovieLens-1M. It needs a machine with nothing else to do.
"""

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.turns import Line, duration, in_turns, show

REPEATS, K, HISTORY, CROWD = 100, 10, 3, 200
BAR = 0.03  # seconds
DOT_PRODUCTS = ("dot", "ials")


class Client:
    """Asks the server of one saved model, about its users and items."""

    def __init__(self, folder: Path, port: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with np.load(folder / "names.npz") as names:
            self.users, self.items = names["user_ids"], names["item_ids"]
        (self.model,) = self._json("GET", "/api/models")["models"]
        self.rng = np.random.default_rng(0)

    def _json(self, method: str, path: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        body = None if values is None else json.dumps(values)
        self.connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        text = response.read()
        self.connection.close()  # the server would, as it waits for the others' turns
        assert response.status == 200, text
        return json.loads(text)

    def ask(self, **values: Any) -> float:
        """Seconds of an answer."""
        start = time.perf_counter()
        self._json("POST", "/api/recommend", {"k": K, **values})
        return time.perf_counter() - start

    def user(self) -> list[Any]:
        return self.rng.choice(self.users, 1).tolist()

    def history(self) -> list[Any]:
        return self.rng.choice(self.items, HISTORY, replace=False).tolist()


@contextmanager
def served(folder: Path) -> Iterator[Client]:
    command = [sys.executable, "-m", "experiments.serve", f"model={folder}", "port=0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = next(found[1] for line in process.stdout if (found := re.match(r"http://[\d.]+:(\d+)", line)))
        yield Client(folder, int(port))
    finally:
        process.terminate()
        process.wait()


def questions(client: Client) -> dict[str, Callable[[], float]]:
    return {
        "a user": lambda: client.ask(users=client.user()),
        "a user, without reasons": lambda: client.ask(users=client.user(), explain=0),
        f"a history of {HISTORY}": lambda: client.ask(history=client.history()),
    }


def crowd(folder: Path, client: Client) -> Line:
    """CROWD clients at once."""
    clients = [Client(folder, client.connection.port) for _ in range(CROWD)]
    users = [client.user() for _ in clients]
    start = time.perf_counter()
    with ThreadPoolExecutor(CROWD) as pool:
        list(pool.map(lambda asker, user: asker.ask(users=user), clients, users))
    return Line(f"{client.model['model']}: {CROWD} users at once", f"{duration(time.perf_counter() - start)}, no error")


def lines(folders: list[Path]) -> Iterator[Line]:
    with ExitStack() as stack:
        clients = [stack.enter_context(served(folder)) for folder in folders]
        asked = [(client, what, ask) for client in clients for what, ask in questions(client).items()]
        medians = in_turns(*(ask for *_, ask in asked), repeats=REPEATS)
        for (client, what, _), median in zip(asked, medians, strict=True):
            has_bar = client.model["method"] in DOT_PRODUCTS and what == "a user"
            bar = (f"<= {1e3 * BAR:g} ms", median <= BAR) if has_bar else ()
            count = client.model["multiplications"]
            work = "" if count is None else f"; {count:,} multiplications"
            yield Line(f"{client.model['model']}: {what}, k={K}", f"{duration(median)}{work}", *bar)
        for folder, client in zip(folders, clients, strict=True):
            yield crowd(folder, client)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    show(lines([Path(name) for name in sys.argv[1:]]))
