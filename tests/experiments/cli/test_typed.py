"""Names and paths keep their text; what Hydra's language means stays."""

import os

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from experiments.cli.typed import as_typed, expanded

READ_AS_TYPED = (
    "2024_11_25", "1.10", "4e12345", "007", "1_000", "0x10", "true", "nan", "~/a b", "~bob/x", "/tmp/a=b", "My (1).csv",
    "a:b", "bad < fair < good", "Bob's", 'a"b', "é", "C:\\x", "100%", "$HOME", "x#y", "f'x'",
    "/data/2024_11_25/x.csv",
)  # fmt: skip


def read(argument: str) -> object:
    """What Hydra makes of it: a value, or a list of those that it sweeps."""
    override = OverridesParser.create().parse_override(argument)
    if not override.is_sweep_override():
        return override.value()
    return [OverridesParser.create().parse_override(f"k={one}").value() for one in override.sweep_string_iterator()]


@pytest.mark.parametrize("text", READ_AS_TYPED)
def test_a_text_is_read_as_it_is_typed_alone_and_in_a_list(text: str):
    assert read(as_typed(f"k={text}", {"k"})) == text
    assert read(as_typed(f"+k=a,{text},1.50", {"k"})) == ["a", text, "1.50"]
    assert read(as_typed(f"k=[{text},1.50]", {"k"})) == [text, "1.50"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("null", None), ('"a,b"', "a,b"), (r"a\,b", "a,b"), ("'x'", "x"), ("${a.b}/c", "${a.b}/c"), ("", ""),
     ("choice(1.10,b)", ["1.10", "b"]), ("{7: [1.10, Up], 8: 1_0}", {7: ["1.10", "Up"], 8: "1_0"})],
)  # fmt: skip
def test_what_hydras_language_means_stays(value: str, expected: object):
    assert read(as_typed(f"k={value}", {"k"})) == expected


def test_a_value_that_is_quoted_is_not_quoted_again_and_other_keys_are_left_alone():
    once = as_typed("k=1.10", {"k"})
    assert as_typed(once, {"k"}) == once != "k=1.10"
    assert as_typed("num=1.10", {"k"}) == "num=1.10" and as_typed("--help", {"k"}) == "--help"


def test_home_folders_are_found_in_lists_of_paths(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/me")
    assert expanded("hydra.searchpath=[file://~/a,~/b]") == "hydra.searchpath=[file:///me/a,/me/b]"
    assert expanded("--config-dir=~") == "--config-dir=/me" and expanded("--config-dir=a~/b") == "--config-dir=a~/b"
    root = os.path.expanduser("~root")
    assert expanded("--config-dir=~root/x") == f"--config-dir={root}/x"
