"""The page and its parts on made-up tables: 60 users, a handful of methods."""

import re
from pathlib import Path

import numpy as np
import pytest

from experiments import at_k, corrected, headline, report, sources, weak_evaluation
from experiments.contenders import CONTENDERS, standings
from experiments.methods import Method
from experiments.page import to_html
from experiments.report import SECTIONS, Tables, main
from experiments.sources import Asked
from ncfjax.evaluation.metrics import hit_ratio, mrr, ndcg
from ncfjax.store import BASELINE_TYPES, RUN_TYPES, Store

USERS, OTHERS = 60, 400
COMMON = {"status": "completed", "dataset": "ml-1m", "split": "test", "negatives": "file", "commit": "abc1234",
          "version": "", "started_at": "2026-01-01T00:00:00+00:00", "device": "cpu"}  # fmt: skip
STRICT = {"ties": "against", "self_negatives": "masked"}


def ranks_of(skill: float, seed: int) -> dict[str, np.ndarray]:
    """Full ranks of some skill, and among 99 of the others."""
    rng = np.random.default_rng(seed)
    full = np.minimum((OTHERS * rng.random(USERS) ** skill).astype(int), OTHERS)
    sampled = rng.hypergeometric(full, OTHERS - full, 99)
    return {"sampled": sampled, "full": full, "num_others": np.full(USERS, OTHERS)}


def a_row(store: Store, run_id: str, skill: float, **cells) -> str:
    """Stores a run with its ranks and their metrics."""
    ranks = ranks_of(skill, int(run_id, 16))
    metrics = {
        f"{prefix}{name}": float(metric)
        for prefix, of in (("", ranks["sampled"]), ("full_", ranks["full"]))
        for name, metric in (("hit_ratio@10", hit_ratio(of, 10)), ("ndcg@10", ndcg(of, 10)), ("mrr", mrr(of)))
    }
    row = dict.fromkeys(store.run_types) | COMMON | {"run_id": run_id} | metrics | cells
    curve = [{"epoch": epoch, "metric": name, "value": metrics[name] * epoch / 2}
             for epoch in (1, 2) for name in ("hit_ratio@10", "ndcg@10")]  # fmt: skip
    store.append(row, curve, ranks)
    return run_id


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Popularity, EASE and MF d=192 with two seeds, and the rules of a weak evaluation for two baselines."""
    baselines = Store(tmp_path / "baselines-ml-1m", BASELINE_TYPES)
    a_row(baselines, "a1", 1.5, model="popularity", phase="run", **STRICT)
    a_row(baselines, "a2", 4.0, model="ease", phase="final", regularization=1320.0, **STRICT)
    a_row(baselines, "a3", 9.0, model="popularity", phase="run", ties="favour", self_negatives="masked")
    figure2 = Store(tmp_path / "figure2-ml-1m")
    for seed in (0, 1):
        mf = {"model": "dot", "objective": "expected", "phase": "run", "embedding_dim": 192, "seed": seed}
        a_row(figure2, f"b{seed}", 3.0, **mf, epoch=2, num_epochs=2)
    weak = Store(tmp_path / "weak-evaluation-ml-1m", BASELINE_TYPES)
    rules = [(ties, own) for ties in ("against", "order", "favour") for own in ("masked", "counted")]
    for number, (ties, own) in enumerate(rules):
        for model, skill in (("popularity", 1.5), ("ease", 4.0)):
            run_id = f"{'c' if model == 'ease' else 'd'}{number}"
            a_row(weak, run_id, skill, model=model, phase="run", ties=ties, self_negatives=own)
    return tmp_path


def cells_of(table: str, first: str) -> list[list[str]]:
    """The rows of a table in Markdown whose first cell this is."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    return [row for row in rows if row[0].strip() == first]


# ---- the headline table


def test_the_headline_has_a_row_per_method_and_says_which_were_not_run(tables):
    found = standings(tables)
    text = headline.table(found)
    assert text.count("\n") == 1 + len(CONTENDERS) and text.count("not run yet") == len(CONTENDERS) - 3
    (ease,) = cells_of(text, "EASE")
    rows = Store(tables / "baselines-ml-1m", BASELINE_TYPES).runs().set_index("run_id")
    value = rows.loc["a2", "hit_ratio@10"]
    assert ease[1:3] == ["0.7192", f"{value:.4f}"] and ease[4] == f"{value - 0.7192:+.4f}"
    assert ease[-1] == "`python -m experiments.baselines +study=baselines_ml-1m_ease`"
    (mf,) = cells_of(text, "MF d=192")
    runs = Store(tables / "figure2-ml-1m").runs()["ndcg@10"]
    assert mf[6].startswith(f"{runs.mean():.4f} ± ") and mf[11] == "2"


def test_the_interval_over_users_is_that_of_a_mean_of_as_many(tables):
    (ease,) = [of for of in standings(tables) if of.contender.name == "EASE"]
    hits = ranks_of(4.0, 0xA2)["sampled"] < 10
    assert headline.over_users(ease, "hit_ratio@10") == pytest.approx(1.96 * hits.std(ddof=1) / np.sqrt(USERS))


def test_a_method_takes_its_own_rows_only(tables):
    """Popularity under another rule of ties lies in the same table."""
    (popularity,) = [of for of in standings(tables) if of.contender.name == "popularity"]
    assert list(popularity.rows["run_id"]) == ["a1"]


def test_two_rows_of_one_seed_are_refused(tables):
    a_row(Store(tables / "baselines-ml-1m", BASELINE_TYPES), "a4", 4.0, model="ease", phase="final", **STRICT)
    with pytest.raises(ValueError, match="EASE: expected one row per seed in .*baselines-ml-1m, got 2"):
        standings(tables)


def test_the_figure_is_drawn_of_what_there_is(tables):
    figure = headline.draw(standings(tables))
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert sum("EASE" in text for text in texts) == 4 and not any("SLIM" in text for text in texts)


# ---- the parts


def test_metrics_at_k_are_those_of_the_ranks(tables):
    store = Store(tables / "baselines-ml-1m", BASELINE_TYPES)
    (row,) = cells_of(at_k.table([Method("EASE", store, ("a2",))], "full"), "EASE")
    full = ranks_of(4.0, 0xA2)["full"]
    expected = [metric(full, k) for metric in (hit_ratio, ndcg, mrr) for k in at_k.KS] + [mrr(full)]
    assert row[1:] == [f"{value:.4f}" for value in expected]


def test_corrected_estimates_stand_beside_the_exact_metric(tables):
    methods, others = Tables(tables).methods, Tables(tables).num_others
    found = {name: corrected.estimated(methods, others, name) for name in corrected.METRICS}
    for of in found["HR@10"]:
        skill = {"popularity": (1.5, [0xA1]), "EASE": (4.0, [0xA2]), "MF d=192": (3.0, [0xB0, 0xB1])}[of.method]
        ranks = [ranks_of(skill[0], seed) for seed in skill[1]]
        assert of.exact == pytest.approx(np.mean([hit_ratio(run["full"], 10) for run in ranks]))
        assert of.estimates["none"].mean == pytest.approx(np.mean([hit_ratio(run["sampled"], 10) for run in ranks]))
        assert abs(of.estimates["γ = 0.1"].mean - of.exact) < abs(of.estimates["none"].mean - of.exact)
    assert corrected.table(found).count("\n") == 1 + 2 * 3
    assert corrected.errors_table(found).count("\n") == 1 + 2 * len(corrected.CORRECTIONS)


def test_a_weakness_is_told_by_how_far_it_moves_the_strict_metric(tables):
    text = weak_evaluation.table(tables, standings(tables))
    runs = Store(tables / "weak-evaluation-ml-1m", BASELINE_TYPES).runs().set_index(["model", "ties", "self_negatives"])
    favour = [row for row in cells_of(text, "ties in favour") if row[1] == "ease"]
    strict, weak = (runs.loc[("ease", ties, "masked"), "hit_ratio@10"] for ties in ("against", "favour"))
    assert favour[0][2:4] == [f"{strict:.4f}", f"{weak - strict:+.4f}"]
    assert len(cells_of(text, "99 candidates, not all")) == 3
    # Of MF, the best look at test was the last.
    assert cells_of(text, "epoch chosen on test")[0][1:4:2] == ["MF d=192", "+0.0000 ± 0.0000"]


# ---- where from


def test_a_table_that_is_missing_incomplete_or_stale_is_named(tables):
    studies = [
        Asked("python -m one", "baselines-ml-1m", frozenset({"a1", "a3"})),
        Asked("python -m two", "figure2-ml-1m", frozenset({"b0", "b1", "b2"})),
        Asked("python -m three", "figure3", frozenset({"e1"})),
        Asked("python -m four", "weak-evaluation-ml-1m", frozenset({"c0"})),
    ]
    states = {of.folder: of.states for of in sources.sources(tables, studies)}
    assert states == {
        "baselines-ml-1m": [],  # a2 is a final run, which follows from a tuning
        "figure2-ml-1m": ["incomplete: 1 of 3 runs of `python -m two`"],
        "figure3": ["missing: `python -m three`"],
        "weak-evaluation-ml-1m": ["stale: 11 rows that no study asks for"],
    }
    text = sources.table(sources.sources(tables, studies))
    assert "| results/figure3/runs.csv | 0 |" in text and "complete |" in text


def test_rows_of_uncommitted_code_or_of_another_version_are_stale(tables, monkeypatch):
    monkeypatch.setattr(sources, "version", lambda: "9.9")
    store = Store(tables / "baselines-ml-1m", BASELINE_TYPES)
    a_row(store, "a5", 1.0, model="slim", phase="final", **STRICT | {"commit": "abc+dirty", "version": "0.0"})
    (found,) = sources.sources(tables, [Asked("x", "baselines-ml-1m", frozenset({"a1", "a3"}))])
    assert found.states == ["stale: 1 row of uncommitted code", "stale: rows of version 0.0, this is 9.9"]


def test_what_a_study_asks_for_is_what_its_command_runs():
    asked = sources._asked(sources.COMMANDS[2], "baselines_ml-1m")
    assert asked[:2] == ("python -m experiments.baselines +study=baselines_ml-1m", "baselines-ml-1m")
    runs = Store(Path(__file__).parents[2] / "results" / asked.folder, BASELINE_TYPES).runs()
    assert len(asked.run_ids) == 2 and asked.run_ids <= set(runs["run_id"])


# ---- the page


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without reading all of conf/."""
    monkeypatch.setattr(sources, "asked", lambda: [Asked("python -m two", "figure2-ml-1m", frozenset({"b0", "b1"}))])


def test_the_page_is_built_from_whatever_tables_there_are(tables, quick, capsys):
    assert main([f"results_dir={tables}"]) == 0
    text, html = (tables / "REPORT.md").read_text(), (tables / "report.html").read_text()
    for section in SECTIONS:
        assert f"## {section.title}" in text and f"<h2>{section.title}</h2>" in html.replace("&amp;", "&")
    missing = re.findall(r"\*\*Missing\*\*: (.*)", text)
    assert len(missing) == 6 and all("got none" in of for of in missing)
    assert headline.table(standings(tables)) in text
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"ncfjax: {tables}/REPORT.md and {tables}/report.html")
    before = (tables / "REPORT.md").read_bytes()
    assert main([f"results_dir={tables}"]) == 0
    assert (tables / "REPORT.md").read_bytes() == before


def test_the_page_stands_alone(tables, quick):
    main([f"results_dir={tables}"])
    html = (tables / "report.html").read_text()
    assert html.count("<img") == 2 == html.count('src="data:image/svg+xml;base64,')
    assert not re.search(r'(src|href)="(?!data:)', html) and "http-equiv" not in html


def test_markdown_becomes_tables_that_scroll_and_figures_that_are_inside(tmp_path):
    (tmp_path / "a.svg").write_text("<svg/>")
    html = to_html("# T\n\n![a](a.png)\n\n| x |\n| --- |\n| 1 < 2 |\n", "T", tmp_path)
    assert '<div class="wide"><table>' in html and "1 &lt; 2" in html and "PHN2Zy8+" in html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["results_dir={}/empty"], "expected a folder with STUDY/runs.csv, got none"),
        (["result_dir=x"], "result_dir: no such key, did you mean results_dir?"),
        (["results_dir"], "report: "),
    ],
)
def test_a_wrong_command_is_one_line(tmp_path, arguments, message, capsys):
    assert main([argument.format(tmp_path) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_says_what_is_written(capsys):
    assert main(["--help"]) == 0
    assert "REPORT.md" in capsys.readouterr().out
    assert report.__doc__


def test_a_sweeps_references_are_not_asked_for(tmp_path):
    store = Store(tmp_path / "s", RUN_TYPES)
    a_row(store, "f1", 1.0, model="popularity", phase="run", objective="")
    (found,) = sources.sources(tmp_path, [Asked("x", "s", frozenset())])
    assert found.states == []
