"""How a command ends, and that any terminal can show what it says."""

import io
import json
import sys
from collections.abc import Callable

import pytest

from experiments.cli.ending import exit_code


def said_in_ascii(command: Callable[[], None], code: int) -> list[bytes]:
    """What a command says on streams that know ASCII alone, as with PYTHONIOENCODING=ascii: stdout, stderr."""
    said = [io.BytesIO(), io.BytesIO()]
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in zip(("stdout", "stderr"), said, strict=True):
            patch.setattr(sys, name, io.TextIOWrapper(stream, "ascii", "strict", write_through=True))
        assert exit_code(command, "name", stopped="", usage=(ValueError,)) == code
        return [stream.getvalue() for stream in said]


def test_a_terminal_that_knows_ascii_alone_shows_everything():
    text = "mean ± 0.5, 日本 𝄞 … \udcff"

    def command():
        print(text)
        raise ValueError(text)

    escaped = rb"mean \u00b1 0.5, \u65e5\u672c \ud834\udd1e \u2026 \udcff"
    assert said_in_ascii(command, 2) == [escaped + b"\n", b"name: " + escaped + b"\n"]


def test_json_stays_json():
    answer = {"title": "Amélie (2001) …"}
    said, _ = said_in_ascii(lambda: print(json.dumps(answer, ensure_ascii=False)), 0)
    assert json.loads(said) == answer
