"""python -m experiments.serve: what it says, how it ends, and what it refuses."""

import errno
import http.client
import json
import re
import signal
import socket
import sys

import pytest

from experiments import web
from experiments.serve import main
from ncfjax.saved import save_model
from tests.recommend.models import ROWS, saved

KEYS = ("model", "dataset", "data_dir", "port", "threads", "waiting")


def test_help_has_examples_and_every_key(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert text.count("python -m experiments.serve") > 3 and all(f"\n{key}: " in text for key in KEYS)


@pytest.mark.parametrize("name", ["starlette", "uvicorn"])
def test_a_package_that_is_missing_is_named_with_what_installs_it(monkeypatch, capsys, name):
    for module in [module for module in sys.modules if module.startswith("experiments.web.")]:
        monkeypatch.delitem(sys.modules, module)
        monkeypatch.delattr(web, module.rpartition(".")[2])
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    assert main([]) == 2
    assert capsys.readouterr().err == f"serve: expected {name}, got none: pip install -e '.[serve]'\n"


@pytest.mark.parametrize(
    ("argument", "refusal"),
    [
        ("port=http", "port: expected an integer from 0 to 65535, 0 for any that is free, got 'http'"),
        ("port=65536", "port: expected an integer from 0 to 65535"),
        ("threads=0", "threads: expected an integer >= 1, got 0"),
        ("waiting=-1", "waiting: expected an integer >= 0, got -1"),
        ("prt=1", "prt: no such key, did you mean port?"),
    ],
)
def test_a_wrong_argument_ends_with_one_line_and_exit_code_2(capsys, argument, refusal):
    pytest.importorskip("uvicorn", reason="needs starlette and uvicorn: pip install -e '.[serve]'")
    assert main([argument]) == 2
    assert capsys.readouterr().err.startswith(f"serve: {refusal}")


def test_a_port_that_is_taken_is_refused_before_anything_is_trained(capsys):
    pytest.importorskip("uvicorn", reason="needs starlette and uvicorn: pip install -e '.[serve]'")
    from experiments.web.server import listen

    with listen(0) as taken:
        port = taken.getsockname()[1]
        assert main([f"port={port}"]) == 2
    expected = (
        f"serve: port: expected one to listen on, got {port}: another program uses it; port=0 is any that is free"
    )
    assert capsys.readouterr().err == f"{expected}\n"


def test_a_port_that_this_user_may_not_have_is_refused_with_the_reason(monkeypatch, capsys):
    pytest.importorskip("uvicorn", reason="needs starlette and uvicorn: pip install -e '.[serve]'")

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert main(["port=80"]) == 2
    expected = "serve: port: expected one to listen on, got 80: Permission denied; port=0 is any that is free\n"
    assert capsys.readouterr().err == expected


@pytest.mark.slow
def test_it_says_its_models_and_its_address_and_ends_by_ctrl_c(start, tmp_path):
    pytest.importorskip("uvicorn", reason="needs starlette and uvicorn: pip install -e '.[serve]'")
    model = saved("ials")
    save_model(
        tmp_path / "ials", model.model, kind="baseline", method="ials", data=model.data, options={"biases": False},
        run=ROWS["ials"],
    )  # fmt: skip
    process = start("experiments.serve", f"model={tmp_path}/ials", "port=0")
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert lines[0] == "model 1: ials, embedding_dim=6, of tiny\n"
    (port,) = re.findall(r"^http://127\.0\.0\.1:(\d+) ", lines[1])
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
    connection.request("POST", "/api/recommend", '{"users": [104]}', {"Content-Type": "application/json"})
    assert len(json.load(connection.getresponse())["answers"]) == 1
    process.send_signal(signal.SIGINT)  # while the connection is open
    assert process.communicate(timeout=60)[0] == "" and process.returncode == 0
    connection.close()
