"""Names and paths as they were typed: Hydra reads 1.10 as 1.1, 2024_11_25 as 20241125, and no ~, ( or = at all.

A value that Hydra would read as another text is put in quotes. What Hydra's language means stays: quotes, null,
interpolations, escapes, lists, and A,B as two values.
"""

import os
import re
from collections.abc import Collection, Iterator

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

_ESCAPED = re.compile(r"\\([\\()\[\]{}:=, \t])")
_BRACKETS = {"[": "]", "{": "}"}
_CALL = re.compile(r"(choice|shuffle|sort|range|interval|glob|tag|str|int|float|bool|extend_list)\((.*)\)", re.DOTALL)


def as_typed(argument: str, texts: Collection[str]) -> str:
    """KEY=VALUE with a value that Hydra reads as it is typed, where KEY is one of `texts`; else as it is."""
    key, equals, value = argument.partition("=")
    is_text = equals and key.lstrip("+").partition("@")[0] in texts
    return f"{key}={','.join(map(_element, _split(value)))}" if is_text else argument


def quoted(text: str) -> str:
    return QuotedString(text, Quote.double).with_quotes()


def _split(text: str, separator: str = ",") -> Iterator[str]:
    """The parts of a list: what stands between separators, but for those within brackets or quotes."""
    start, depth, quote, is_escaped = 0, 0, "", False
    for place, letter in enumerate(text):
        if is_escaped or letter == "\\":
            is_escaped = not is_escaped
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and not text[start:place].strip():  # Bob's is no beginning of a quotation
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth = max(depth - 1, 0)
        elif letter == separator and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _element(element: str) -> str:
    text = element.strip()
    if len(text) > 1 and text[-1] == _BRACKETS.get(text[0]):
        return text[0] + ",".join(map(_entry if text[0] == "{" else _element, _split(text[1:-1]))) + text[-1]
    if (call := _CALL.fullmatch(text)) is not None:
        # Hydra forgets the quotes within choice(): A,B is the same, unless an interval makes it a search.
        options = [option.strip() for option in _split(call[2])]
        needs_quotes = call[1] == "choice" and [*map(_element, options)] != options
        return ",".join(map(_element, options)) if needs_quotes else text
    if text[:1] in _BRACKETS:  # Hydra says what is wrong with it
        return text
    is_quoted = len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]
    if not text or is_quoted or text.lower() == "null" or "${" in text:
        return text
    plain = _ESCAPED.sub(r"\1", text)
    return text if _read(text) == plain else quoted(plain)


def _entry(entry: str) -> str:
    """KEY: VALUE of a mapping; Hydra knows no keys in quotes."""
    key, colon, value = entry.partition(":")
    return f"{key}{colon}{_element(value)}"


def _read(text: str) -> object:
    """What Hydra makes of a value; None where it cannot be read."""
    try:
        return OverridesParser.create().parse_override(f"key={text}").value()
    except HydraException:
        return None


def expanded(text: str) -> str:
    """A path, or a list of them in Hydra's language, with the home folders that ~ and ~USER stand for."""
    return re.sub(r"(?:^|(?<=[\[,\"'=])|(?<=file://))~\w*(?=/|$)", lambda home: os.path.expanduser(home[0]), text)
