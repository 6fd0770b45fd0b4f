"""The socket on 127.0.0.1, and a server on it until Ctrl-C."""

import errno
import socket

import uvicorn
from starlette.types import ASGIApp

from experiments.engine.checks import ConfigError, expect

HOST = "127.0.0.1"
SECONDS_TO_END = 5  # for what is being answered at Ctrl-C


def listen(port: int) -> socket.socket:
    """A socket that takes connections, which wait until they are served; 0 is any port that is free.

    Raises:
        ConfigError: no port, one that another program has, or one that this user may not have.
    """
    is_port = type(port) is int and 0 <= port < 2**16
    expect("port", is_port, "an integer from 0 to 65535, 0 for any that is free", port)
    # With its protocol named, asyncio sends at once what is written: without, an answer takes 40 ms more (Nagle).
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    try:
        # Or a port is taken for a minute after the end of a server that had it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        why = "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror
        raise ConfigError(f"port: expected one to listen on, got {port}: {why}; port=0 is any that is free") from error
    return listener


def address(listener: socket.socket) -> str:
    return f"http://{HOST}:{listener.getsockname()[1]}"


def server(app: ASGIApp) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app, loop="asyncio", http="h11", ws="none", lifespan="off", log_level="warning", access_log=False,
            server_header=False, proxy_headers=False, timeout_graceful_shutdown=SECONDS_TO_END,
        )
    )  # fmt: skip


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Returns after Ctrl-C, when what was being answered is."""
    try:
        server(app).run(sockets=[listener])
    except KeyboardInterrupt:  # which uvicorn hands on when it has ended
        pass
