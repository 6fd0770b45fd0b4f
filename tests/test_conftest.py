"""The fixtures of this folder, tried in a project that has no data beside it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("required", "outcome"), [("", "1 skipped"), ("1", "1 error")])
def test_missing_real_data_skip_a_test_unless_they_are_required(tmp_path, required, outcome):
    tests = tmp_path / "project" / "tests"
    tests.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("conftest.py"), tests)
    (tests / "test_data.py").write_text("def test_data(real_data):\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", tests, "--rootdir", tmp_path, "-p", "no:cacheprovider"],
        env=os.environ | {"NCFJAX_REQUIRE_DATA": required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout
    assert f"needs the real data sets in {tmp_path / 'shared' / 'data'}" in done.stdout
