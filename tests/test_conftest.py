"""The fixtures of this folder, tried where a user may find them: without data beside them, without git."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # starts a process


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of these fixtures, this code and one committed table, that is no repository."""
    (tmp_path / "project" / "tests").mkdir(parents=True)
    (tmp_path / "project" / "results" / "a-study").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path / "project" / "tests")
    table = tmp_path / "project" / "results" / "a-study" / "runs.csv"
    table.write_text("run_id,command\nx,python -m experiments.sweep +study=a\n")
    return tmp_path / "project"


def run(project: Path, test: str, **environment: str) -> str:
    (project / "tests" / "test_it.py").write_text(test)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rsE", project / "tests", "--rootdir", project, "-p", "no:cacheprovider"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(("required", "outcome"), [("", "1 skipped"), ("1", "1 error")])
def test_missing_real_data_skip_a_test_unless_they_are_required(project, required, outcome):
    said = run(project, "def test_data(real_data):\n    pass\n", NCFJAX_REQUIRE_DATA=required)
    assert outcome in said
    assert f"needs the real data sets in {project.parent / 'shared' / 'data'}" in said


def test_without_git_tests_are_collected_and_what_needs_history_is_skipped_with_a_reason(project):
    tests = "def test_table(committed_table):\n    assert committed_table.parent.name == 'a-study'\n"
    tests += "def test_store(committed_store):\n    assert 'model' in committed_store.columns\n"
    tests += "def test_commits(history):\n    pass\n"
    said = run(project, tests, PATH=str(project))  # where no git is
    assert "2 passed, 1 skipped" in said, said
    assert "needs git and the commits before this one" in said
