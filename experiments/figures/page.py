"""The page of the report in Markdown: contents, answers, figures, and all tables, folded away but for the first."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from experiments.analysis.results import Results
from experiments.analysis.tables import TableState
from experiments.figures.html import slug
from experiments.figures.markdown import plain, pluralize
from experiments.figures.sections import Section
from experiments.figures.tables import states_table
from ncfjax.store import StoreError

TITLE = "ncfjax: dot product or learned similarity?"
ORIGIN = "Where the numbers come from"
_ABOUT_ORIGIN = (
    "Every number above is computed from these tables: a row has its command, commit, device and seed, and its users' "
    "ranks lie beside it in ranks/."
)


class Written(NamedTuple):
    """What a section came to; `missing` says why there is nothing."""

    section: Section
    answer: str = ""
    tables: str = ""
    files: dict[Path, bytes] = {}
    missing: str = ""
    ignored: str = ""  # rows of its tables that are none of its claim

    @property
    def title(self) -> str:
        return self.section.title


def write_section(section: Section, results: Results) -> Written:
    results = results.reading()
    return _written(section, results)._replace(ignored=results.ignored)


def _written(section: Section, results: Results) -> Written:
    try:
        if section.study:
            store = results.store(section.study, section.entry)
            if not store.completed():
                raise ValueError(f"expected rows in {store.folder / 'runs.csv'}, got none")
        numbers = section.analyse(results, section.study)
        files = section.files(numbers, results.folder / section.study / "figures")
        return Written(section, _answer(section, numbers), section.tables(numbers), files)
    except (ValueError, StoreError) as error:
        return Written(section, missing=f"**Missing**: {plain(' '.join(str(error).split()))}")


def _answer(section: Section, numbers: object) -> str:
    """Tables that are not whole may show something and yet have no answer."""
    try:
        return section.answer(numbers)
    except ValueError as error:
        return f"No answer yet: {plain(' '.join(str(error).split()))}."


def report(
    results: Results,
    sections: Sequence[Section],
    states: Sequence[TableState],
    version: str,
    log: Callable[[str], None],
) -> tuple[str, dict[Path, bytes]]:
    """The page, and the files of its figures."""
    written = []
    for number, section in enumerate(sections, start=1):
        log(f"{number} of {len(sections)}: {section.title}")
        written.append(write_section(section, results))
        if written[-1].ignored:
            log(written[-1].ignored)
    questioned = [part for part in written if part.section.question]
    drawn = [part for part in written if part.files]
    body = [
        f"# {TITLE}",
        _built_from(states),
        _contents(questioned, drawn, written),
        "## Answers",
        *(_answer_text(part) for part in questioned),
        "## Figures",
        *(_figure_text(part, results.folder) for part in drawn),
        "## Tables",
        *(_tables_text(part, is_open=number == 0) for number, part in enumerate(written)),
        f"## {ORIGIN}",
        _ABOUT_ORIGIN,
        states_table(states, version),
    ]
    return "\n\n".join(body) + "\n", {path: data for part in written for path, data in part.files.items()}


def _built_from(states: Sequence[TableState]) -> str:
    wrong = [f"`results/{state.study}`" for state in states if not state.is_whole]
    not_whole = f"{', '.join(wrong)}: see the last section for what is missing or stale." if wrong else "All are whole."
    return f"Built by `python -m experiments.report` from {pluralize(len(states), 'table')}. {not_whole}"


def _contents(questioned: Sequence[Written], drawn: Sequence[Written], written: Sequence[Written]) -> str:
    links = [
        ("Answers", [(part.section.question, slug(part.section.question)) for part in questioned]),
        ("Figures", [(part.title, slug(part.title)) for part in drawn]),
        ("Tables", [(part.title, _table_anchor(part)) for part in written]),
        (ORIGIN, []),
    ]
    return "\n".join(
        f"- [{chapter}](#{slug(chapter)})" + ": " * bool(entries) + " · ".join(f"[{n}](#{a})" for n, a in entries)
        for chapter, entries in links
    )


def _table_anchor(part: Written) -> str:
    return f"table-{slug(part.title)}"


def _answer_text(part: Written) -> str:
    links = [f"[Figure](#{slug(part.title)})"] * bool(part.files) + [f"[Tables](#{_table_anchor(part)})"]
    return f"### {part.section.question}\n\n{part.missing or part.answer} {' · '.join(links)}"


def _figure_text(part: Written, folder: Path) -> str:
    pictures = [quote(path.relative_to(folder).as_posix(), safe="/+") for path in part.files if path.suffix == ".png"]
    section = part.section
    origin = f"Rows: `results/{section.study}/runs.csv`. Command: `{section.command}`."
    images = [f"![{section.title}]({picture})" for picture in pictures]
    return "\n\n".join([f"### {section.title}", *images, origin])


def _tables_text(part: Written, is_open: bool) -> str:
    opening = f'<details id="{_table_anchor(part)}"{" open" * is_open}>\n<summary>{part.title}</summary>'
    return "\n\n".join(
        filter(None, [opening, part.section.about, part.missing or part.tables, part.ignored, "</details>"])
    )
