"""Who may ask, and what a browser may do with an answer.

The server listens on 127.0.0.1 alone. A page of the internet can still make a browser ask it, under a name of its own
that it lets lead to 127.0.0.1 (DNS rebinding): the Host header then has that name, and is refused. The page may load
nothing from elsewhere, may send nothing elsewhere and may not be shown within another page.
"""

import json

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def as_json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """ASCII: half of a surrogate pair, which JSON may have and UTF-8 may not, comes back as it came."""
    return Response(json.dumps(value, allow_nan=False), status, headers, "application/json")


def refusal(message: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return as_json({"error": message}, status, headers)


class Guard:
    """An application that answers to its own names alone, and every answer with HEADERS."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        names = [host.partition(":")[0].lower() for host in Headers(scope=scope).getlist("host")]
        is_ours = len(names) == 1 and names[0] in HOSTS  # at any port, which a tunnel may have changed
        app = self.app if is_ours else refusal(f"Host: expected {' or '.join(HOSTS)}, got another", 421)
        await app(scope, receive, send_with_headers)
