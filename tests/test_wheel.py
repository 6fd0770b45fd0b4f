"""The wheel: a command runs from it where no checkout is."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_wheel_holds_the_configuration_and_the_sweeper_and_its_commands_find_them(tmp_path: Path):
    pytest.importorskip("hatchling", reason="needs hatchling, which builds the wheel: pip install hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path / "dist"]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = (tmp_path / "dist").iterdir()
    with ZipFile(wheel) as archive:
        files = [name for name in archive.namelist() if ".dist-info/" not in name]
        archive.extractall(tmp_path / "wheel")
    conf = {f"experiments/conf/{path.relative_to(ROOT / 'conf')}" for path in (ROOT / "conf").rglob("*.yaml")}
    read = {str(path.relative_to(ROOT)) for path in (ROOT / "experiments").rglob("*.yaml")}
    read |= {f"experiments/web/page/page.{kind}" for kind in ("html", "css", "js")}
    assert len(conf) > 50 and len(read) > 4 and conf | read | {"hydra_plugins/ncfjax/sweeper.py"} <= set(files)
    assert {name.split("/")[0] for name in files} == {"ncfjax", "experiments", "hydra_plugins"}

    command = [sys.executable, "-m", "experiments.baselines", "baseline=popularity", f"results_dir={tmp_path}"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "wheel")}
    done = subprocess.run(command, cwd=tmp_path / "dist", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "runs.csv (1 row)" in done.stdout and f"{tmp_path}/baselines/" in done.stdout
