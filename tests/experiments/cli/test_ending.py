"""How a command ends, and that any terminal can show what it says."""

import io
import json
import os
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


def ended(command: Callable[[], None], stdout: io.TextIOBase | None, stderr: io.TextIOBase | None) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        patch.setattr(sys, "stderr", stderr)
        code = exit_code(command, "name", stopped="all is whole", usage=(ValueError,))
        for given, stream in ((stdout, sys.stdout), (stderr, sys.stderr)):
            stream.flush()  # as Python does at its end
            if given is None:
                stream.close()
    return code


def say() -> None:
    print("a")


def help_of_hydra() -> None:
    print("help")
    sys.exit(0)


@pytest.mark.parametrize("command", [say, help_of_hydra])
def test_a_full_disk_that_takes_no_output_is_one_message(command):
    said = io.StringIO()
    with open("/dev/full", "w") as full:
        assert ended(command, full, said) == 1
    assert said.getvalue() == "name: [Errno 28] No space left on device; all is whole\n"


@pytest.mark.parametrize("command", [say, help_of_hydra])
def test_a_reader_that_has_left_is_told_nothing(command):
    """As behind | head -1, of output that is shorter than a buffer."""
    (reading, writing), said = os.pipe(), io.StringIO()
    os.close(reading)
    with open(writing, "w") as pipe:
        assert ended(command, pipe, said) == 1
    assert said.getvalue() == ""


def test_a_message_that_nobody_hears_changes_no_exit_code():
    def fail():
        raise ValueError("wrong")

    with open("/dev/full", "w") as full:
        assert ended(fail, io.StringIO(), full) == 2


def test_a_command_whose_streams_are_closed_is_carried_out():
    assert ended(lambda: print(sys.stderr.isatty()), None, None) == 0


def test_an_error_of_the_system_is_one_message_and_no_fault_of_the_command_line():
    def fail():
        open("/nonexistent")

    said = io.StringIO()
    assert ended(fail, io.StringIO(), said) == 1
    assert said.getvalue() == "name: [Errno 2] No such file or directory: '/nonexistent'; all is whole\n"


def test_json_stays_json():
    answer = {"title": "Amélie (2001) …"}
    said, _ = said_in_ascii(lambda: print(json.dumps(answer, ensure_ascii=False)), 0)
    assert json.loads(said) == answer
