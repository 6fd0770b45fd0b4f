"""Rows name the code that made them, and say where it differs from its commit."""

import re
import shutil
import subprocess

import pytest

from experiments.engine import provenance
from experiments.engine.provenance import commit, origin


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A committed source tree; returns how git is called in it."""
    if shutil.which("git") is None:
        pytest.skip("needs git")

    def git(*arguments: str) -> str:
        settings = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *settings, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    for folder in ("ncfjax", "experiments", "conf", "hydra_plugins", "results"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("as committed")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message=all")
    monkeypatch.setattr(provenance, "ROOT", tmp_path.resolve())
    return git


def test_committed_code_has_its_commit(repository):
    assert commit() == repository("rev-parse", "HEAD") and re.fullmatch(r"[0-9a-f]{40}", commit())


@pytest.mark.parametrize("folder", ["ncfjax", "experiments", "conf", "hydra_plugins"])
@pytest.mark.parametrize("name", ["file", "new file"])
def test_code_that_differs_from_its_commit_is_dirty(folder, name, repository, tmp_path):
    (tmp_path / folder / name).write_text("changed")
    assert commit() == repository("rev-parse", "HEAD") + "+dirty"


def test_staged_code_is_dirty_too(repository, tmp_path):
    (tmp_path / "ncfjax" / "file").write_text("changed")
    repository("add", ".")
    assert commit().endswith("+dirty")


def test_results_make_no_code_dirty(repository, tmp_path):
    (tmp_path / "results" / "file").write_text("more rows")
    assert not commit().endswith("+dirty")


def test_a_tree_that_is_no_repository_of_its_own_has_no_commit(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "ncfjax")
    assert commit() == ""


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit() == ""


def test_the_origin_is_a_command_that_a_shell_understands():
    cells = origin("sweep", ["grid.seed=range(0,8)", "num_epochs=2"])
    assert cells["command"] == "python -m experiments.sweep 'grid.seed=range(0,8)' num_epochs=2"
    assert set(cells) == {"command", "commit", "version"}
