"""The program on docs/python.md, as a reader would run it."""

import re
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_the_fifteen_lines_train_rank_and_compare_two_models(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 15
    page: dict = {}
    exec(compile(code, PAGE.name, "exec"), page)
    for model in ("dot", "gmf"):
        assert page["ranks"][model].shape == (4, len(page["data"].held_out))
        assert 0.1 < page["ndcg"](page["ranks"][model], 10).mean() < 0.3
    assert page["pair"].low < page["pair"].difference < page["pair"].high
    seeds = [np.asarray(trained.user[...]) for trained in page["models"]]
    assert len(seeds) == 4 and np.ptp(seeds, axis=0).max() > 0.1, "the models are there to look at, one for each seed"
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in printed] == ["dot", "gmf", "dot"]
