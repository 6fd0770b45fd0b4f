"""The cell `note` of a row: whatever else its reader must know, in parts.

What a run's own result makes worth telling begins with RESULT. Runs that differ in nothing else are of one setting.
"""

from collections.abc import Iterable

_BETWEEN = "; "
RESULT = "result: "


def joined(*notes: str) -> str:
    """One note of several, of which some may be empty."""
    return _BETWEEN.join(filter(None, notes))


def with_remarks(note: str, remarks: Iterable[str]) -> str:
    """A note, and what a run's own result adds to it."""
    return joined(note, *(RESULT + remark for remark in remarks))


def without_remarks(note: str) -> str:
    """What is there of a note before any run."""
    return joined(*(part for part in note.split(_BETWEEN) if not part.startswith(RESULT)))
