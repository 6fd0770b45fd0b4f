"""Answers of ncfjax/recommend as a table for the terminal, as JSON and as CSV."""

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ncfjax.recommend.answer import Answer, Item, Prediction, Reason, Recommendation, UserAnswer

FORMATS = ("table", "json", "csv")
MOST_WIDE = 40  # of a title in a table


def as_format(answer: Answer, name: str) -> str:
    """The text of one of FORMATS, without a line break at its end."""
    return {"table": as_table, "json": as_json, "csv": as_csv}[name](answer)


def as_json(answer: Answer) -> str:
    return json.dumps(asdict(answer), indent=1, ensure_ascii=False, allow_nan=False)


def as_csv(answer: Answer) -> str:
    """A row for each item of each user; a list within a cell is separated by |."""
    rows = [_cells(user, row) for user in answer.users for row in (*user.recommendations, *user.predictions)]
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def _cells(user: UserAnswer, row: Recommendation | Prediction) -> dict[str, Any]:
    cells = {"user": user.user} | vars(row) | {"genres": "|".join(row.genres)}
    if isinstance(row, Recommendation):
        cells = {"user": user.user, "rank": row.rank} | cells
        cells["because"] = "|".join(str(reason.item) for reason in row.because)
    return {name: repr(cell) if isinstance(cell, float) else cell for name, cell in cells.items()}


def as_table(answer: Answer) -> str:
    models = [f"model {number}: {model}" for number, model in enumerate(answer.models, start=1)]
    head = [f"model: {answer.models[0]}"] if len(models) == 1 else models
    return "\n".join([*head, *(part for user in answer.users for part in ("", _of_user(user, answer.models)))])


def _of_user(user: UserAnswer, models: Sequence[str]) -> str:
    who = "somebody new" if user.user is None else f"user {user.user}"
    count = len(user.recommendations)
    what = f"{count} of {user.num_candidates:,} candidates" if not user.predictions else "predictions"
    lines = [f"{who}, {user.num_seen} items in the history: {what}"]
    lines += [f"note: {note}" for note in user.note.split("; ") if note]
    if user.predictions:
        return "\n".join(lines + [_sentence(row, len(models)) for row in user.predictions])
    has_reasons = any(row.because for row in user.recommendations)
    rows = [_texts(row, has_reasons) for row in user.recommendations]
    return "\n".join(lines + (_aligned(rows) if rows else ["nothing is left to recommend"]))


def _texts(row: Recommendation, has_reasons: bool) -> Mapping[str, str]:
    texts = {"": str(row.rank), "item": str(row.item)}
    texts |= {"title": _cut(row.title), "genres": ", ".join(row.genres)} if row.title else {}
    texts |= {"score": "" if row.score is None else f"{row.score:.4g}"} | _means(row)
    return texts | ({"because of": "; ".join(map(_reason, row.because))} if has_reasons else {})


def _means(row: Item) -> Mapping[str, str]:
    average = {} if row.average_rating is None else {"mean": f"{row.average_rating:.2f}"}
    return {"ratings": f"{row.num_ratings:,}"} | average


def _reason(reason: Reason) -> str:
    return f"{_cut(reason.title) or reason.item} {100 * reason.share:.1f} %"


def _cut(text: str) -> str:
    return text if len(text) <= MOST_WIDE else f"{text[: MOST_WIDE - 1]}…"


def _aligned(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Lines of cells under their names, words to the left and numbers to the right, as wide as the terminal is."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    is_word = [name in ("title", "genres", "because of") for name in names]
    shown = [
        "  ".join(
            cell.ljust(width) if word else cell.rjust(width)
            for cell, width, word in zip(line, widths, is_word, strict=True)
        )
        for line in lines
    ]
    limit = max(80, shutil.get_terminal_size((200, 24)).columns)
    return [line.rstrip()[:limit] for line in shown]


def _sentence(row: Prediction, num_models: int) -> str:
    """What a model says of an item, in words."""
    name = f"{row.item} {row.title}".strip()
    by = f" (model {row.model})" if num_models > 1 else ""
    place = f"higher than {row.percentile:.1f} % of the user's other candidates"
    if row.stars is None:
        score = "no number" if row.score is None else f"{row.score:.4g}"
        value = f"score {score}, {place}"
    else:
        error = "" if row.rmse is None else f" ± {row.rmse:.2f} (RMSE on held-out ratings)"
        value = f"{row.stars:.2f} stars{error}, {place}"
    average = "" if row.average_rating is None else f", mean {row.average_rating:.2f}"
    seen = "; it is in the user's history" if row.is_seen else ""
    return f"{name}{by}: {value}; {row.num_ratings:,} ratings{average}{seen}"
