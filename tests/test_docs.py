"""README and docs/: short enough to read, with links and commands that lead somewhere."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README, CITATION = ROOT / "README.md", ROOT / "CITATION.cff"
PAGES = sorted((ROOT / "docs").glob("*.md"))
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text() for page in (README, *PAGES)}
each_page = pytest.mark.parametrize("page", TEXTS)


def test_the_readme_is_one_page_with_its_figure_at_the_top():
    lines = TEXTS["README.md"].splitlines()
    assert len(lines) <= 150
    assert len(TEXTS["README.md"].split()) <= 900
    assert any(line.startswith("![") for line in lines[:25])


def test_every_page_is_in_the_index():
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", TEXTS["docs/README.md"]))
    assert linked == {page.name for page in PAGES} - {"README.md"}


@each_page
def test_every_relative_link_and_image_exists(page):
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        path, _, anchor = target.partition("#")
        if "://" not in target:
            assert (folder / path).resolve().exists(), target
        if anchor and path in ("", *(other.name for other in PAGES)):
            headings = re.findall(r"^#+ (.+)$", (folder / path).read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings], target


def commands(page: str) -> list[tuple[str, str]]:
    """The entry point and the arguments of every command of a page; a backslash continues a line."""
    text = TEXTS[page].replace("\\\n", " ")
    return re.findall(r"python -m experiments\.(\w+)([^`|\n]*)", text)


@each_page
def test_every_command_names_an_entry_point_a_study_and_options_that_exist(page):
    for entry, arguments in commands(page):
        assert (ROOT / "experiments" / f"{entry}.py").is_file(), entry
        for key, value in re.findall(r"(?:^|\s)\+?(\w+)=([a-z0-9_,-]+)(?=\s|$)", arguments):
            if key == "study" and entry != "plot":
                folders = [file.parent.name for file in (ROOT / "conf" / "study").rglob(f"{value}.yaml")]
                assert folders in (["study"], [entry]), arguments
            elif (ROOT / "conf" / key).is_dir() and key != "study":
                for name in value.split(","):
                    is_template = f"# conf/{key}/{name}.yaml" in TEXTS[page]
                    assert is_template or (ROOT / "conf" / key / f"{name}.yaml").is_file(), arguments


@each_page
def test_every_figure_and_every_benchmark_of_a_command_exists(page):
    for entry, arguments in commands(page):
        name, _, study = arguments.strip().partition(" study=")
        if entry == "plot" and name != "NAME":
            assert list((ROOT / "results").glob(f"{study or '*'}/figures/{name}.png")), arguments
    for name in re.findall(r"python -m benchmarks\.(\w+)", TEXTS[page]):
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()


def test_the_map_names_folders_that_exist():
    (house,) = re.findall(r"## The house\n\n```\n(.*?)```", TEXTS["README.md"], re.DOTALL)
    for indent, name in re.findall(r"^( *)(\w+)/ ", house, re.MULTILINE):
        assert (ROOT / "experiments" / name if indent else ROOT / name).exists(), name


@each_page
def test_no_page_holds_a_placeholder(page):
    assert not re.search(r"TODO|TBD|MINUTES|FINDINGS|@@|<!--", TEXTS[page])


def test_the_citation_names_the_study_the_ncf_paper_the_report_and_the_data():
    citation = yaml.safe_load(CITATION.read_text())
    assert citation["cff-version"] == "1.2.0" and citation["title"] and citation["message"] and citation["authors"]
    assert f'version = "{citation["version"]}"' in (ROOT / "pyproject.toml").read_text()
    identified = {reference.get("doi", reference["title"]) for reference in citation["references"]}
    assert identified == {
        "10.1145/3383313.3412488", "10.1145/3038912.3052569", "10.1145/2827872", "10.1109/ICCV.2015.486",
        "The Netflix Prize", "Recommender systems using collaborative filtering: neural vs. dot product approach",
    }  # fmt: skip
