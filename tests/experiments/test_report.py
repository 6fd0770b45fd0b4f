"""The page and its parts on made-up tables: 60 users, a handful of methods."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments import baselines, report
from experiments.analysis.corrected import CORRECTIONS, corrected
from experiments.analysis.cut_offs import KS, cut_offs
from experiments.analysis.methods import Method, headline_rows, methods, with_rows
from experiments.analysis.results import Results
from experiments.analysis.tables import TableState, table_states
from experiments.analysis.weak_evaluation import RULES, moves, rule_moves
from experiments.cli import claims, studies
from experiments.cli.studies import ExpectedRuns
from experiments.entries import columns
from experiments.figures import headline
from experiments.figures.evaluation import cut_off_tables, errors_table, estimates_table, moves_table
from experiments.figures.html import slug
from experiments.figures.sections import SECTIONS
from experiments.figures.tables import problems, states_table
from experiments.report import main
from ncfjax.evaluation.metrics import hit_ratio, mrr, ndcg
from ncfjax.store import Store

COLUMNS = columns()

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
        for prefix, values in (("", ranks["sampled"]), ("full_", ranks["full"]))
        for name, metric in (
            ("hit_ratio@10", hit_ratio(values, 10)),
            ("ndcg@10", ndcg(values, 10)),
            ("mrr", mrr(values)),
        )
    }
    row = dict.fromkeys(store.columns) | COMMON | {"run_id": run_id} | metrics | cells
    curve = [{"epoch": epoch, "metric": name, "value": metrics[name] * epoch / 2}
             for epoch in (1, 2) for name in ("hit_ratio@10", "ndcg@10")]  # fmt: skip
    store.append(row, curve, ranks)
    return run_id


def make_tables(folder: Path) -> Results:
    """Popularity, EASE and MF d=192 with two seeds, and the rules of a weak evaluation for two baselines."""
    results = Results(folder, COLUMNS)
    baselines = results.store("baselines-ml-1m", "baselines")
    a_row(baselines, "a1", 1.5, model="popularity", phase="run", **STRICT)
    a_row(baselines, "a2", 4.0, model="ease", phase="final", regularization=1320.0, **STRICT)
    a_row(baselines, "a3", 9.0, model="popularity", phase="run", ties="favour", self_negatives="masked")
    figure2 = results.store("figure2-ml-1m", "sweep")
    for seed in (0, 1):
        mf = {"model": "dot", "objective": "expected", "phase": "run", "embedding_dim": 192, "seed": seed}
        a_row(figure2, f"b{seed}", 3.0, **mf, epoch=2, num_epochs=2)
    weak = results.store("weak-evaluation-ml-1m", "baselines")
    rules = [
        (ties, self_negatives) for ties in ("against", "order", "favour") for self_negatives in ("masked", "counted")
    ]
    for number, (ties, self_negatives) in enumerate(rules):
        for model, skill in (("popularity", 1.5), ("ease", 4.0)):
            run_id = f"{'c' if model == 'ease' else 'd'}{number}"
            a_row(weak, run_id, skill, model=model, phase="run", ties=ties, self_negatives=self_negatives)
    return results


@pytest.fixture
def tables(tmp_path: Path) -> Results:
    return make_tables(tmp_path)


@pytest.fixture
def by_name(tables) -> dict[str, Method]:
    return {method.name: method for method in methods(tables)}


def cells_of(table: str, first: str) -> list[list[str]]:
    """The rows of a table in Markdown whose first cell this is."""
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    return [row for row in rows if row[0].strip() == first]


# ---- the headline table


def test_the_headline_has_a_row_per_method_and_says_which_were_not_run(tables):
    text = headline.headline_table(methods(tables))
    num_published = sum(not row.study for row in headline_rows())
    assert text.count("\n") == 1 + len(headline_rows()) and text.count("not run here") == num_published == 2
    assert text.count("not run yet") == len(headline_rows()) - num_published - 3
    (ease,) = cells_of(text, "EASE")
    rows = tables.store("baselines-ml-1m", "baselines").runs().set_index("run_id")
    value = rows.loc["a2", "hit_ratio@10"]
    assert ease[1:3] == ["0.7192", f"{value:.4f}"] and ease[4] == f"{value - 0.7192:+.4f}"
    (source,) = cells_of(headline.sources_table(methods(tables)), "EASE")
    assert source[1:3] == ["chosen on the holdout, as published", "Dacrema et al. 2021"]
    assert source[3] == "`python -m experiments.baselines +study=baselines_ml-1m_ease`"
    (mf,) = cells_of(text, "MF d=192")
    runs = tables.store("figure2-ml-1m", "sweep").runs()["ndcg@10"]
    assert mf[6].startswith(f"{runs.mean():.4f} ± ") and mf[11] == "2"


def test_the_interval_over_users_is_that_of_a_mean_of_as_many(by_name):
    hits = ranks_of(4.0, 0xA2)["sampled"] < 10
    assert by_name["EASE"].half_width_over_users("hit_ratio@10") == pytest.approx(
        1.96 * hits.std(ddof=1) / np.sqrt(USERS)
    )


def test_a_method_takes_its_own_rows_only(by_name):
    """Popularity under another rule of ties lies in the same table."""
    assert list(by_name["popularity"].rows["run_id"]) == ["a1"]


def test_two_rows_of_one_seed_are_refused(tables):
    a_row(tables.store("baselines-ml-1m", "baselines"), "a4", 4.0, model="ease", phase="final", **STRICT)
    with pytest.raises(ValueError, match="EASE: expected one row per seed in .*baselines-ml-1m, got 2"):
        methods(tables)


def test_the_figure_is_drawn_of_what_there_is(tables):
    figure = headline.draw(methods(tables))
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert sum("EASE" in text for text in texts) == 4 and not any("SLIM" in text for text in texts)


# ---- the parts


def test_metrics_at_k_are_those_of_the_ranks(by_name):
    _, row = cells_of(cut_off_tables(cut_offs([by_name["EASE"]])), "EASE")
    full = ranks_of(4.0, 0xA2)["full"]
    expected = [metric(full, k) for metric in (hit_ratio, ndcg, mrr) for k in KS] + [mrr(full)]
    assert row[1:] == [f"{value:.4f}" for value in expected]


def test_corrected_estimates_stand_beside_the_exact_metric(tables):
    run = with_rows(methods(tables))
    by_metric = corrected(run)
    for method in by_metric["HR@10"]:
        skill = {"popularity": (1.5, [0xA1]), "EASE": (4.0, [0xA2]), "MF d=192": (3.0, [0xB0, 0xB1])}[method.method]
        ranks = [ranks_of(skill[0], seed) for seed in skill[1]]
        assert method.exact == pytest.approx(np.mean([hit_ratio(run["full"], 10) for run in ranks]))
        assert method.estimates["none"].mean == pytest.approx(np.mean([hit_ratio(run["sampled"], 10) for run in ranks]))
        assert abs(method.estimates["γ = 0.1"].mean - method.exact) < abs(method.estimates["none"].mean - method.exact)
    assert estimates_table(by_metric).count("\n") == 1 + 2 * 3
    assert errors_table(by_metric).count("\n") == 1 + 2 * len(CORRECTIONS)


def test_a_weakness_is_told_by_how_far_it_moves_the_strict_metric(tables):
    text = moves_table(moves(tables))
    runs = tables.store("weak-evaluation-ml-1m", "baselines").runs().set_index(["model", "ties", "self_negatives"])
    favour = [row for row in cells_of(text, "ties in favour") if row[1] == "ease"]
    strict, weak = (runs.loc[("ease", ties, "masked"), "hit_ratio@10"] for ties in ("against", "favour"))
    assert favour[0][2:4] == [f"{strict:.4f}", f"{weak - strict:+.4f}"]
    assert len(cells_of(text, "99 candidates, not all")) == 3
    # Of MF, the best look at test was the last.
    assert cells_of(text, "epoch chosen on test")[0][1:4:2] == ["MF d=192", "+0.0000 ± 0.0000"]


def test_a_weak_evaluation_that_is_half_run_shows_what_there_is(tables):
    store = tables.table("weak-evaluation-ml-1m", "baselines")
    runs = store.runs().set_index("run_id")
    assert {move.weakness for move in rule_moves(runs)} == set(RULES.values())
    only_popularity = rule_moves(runs.drop(index=["c4"]))  # of EASE the rule favour, masked is missing
    assert [move.method for move in only_popularity if move.weakness == "ties in favour"] == ["popularity"]
    strict = [run_id for run_id in runs.index if run_id.endswith("0")]
    assert rule_moves(runs.drop(index=strict)) == [] == rule_moves(runs.loc[strict])


def test_a_run_without_its_curve_is_told_with_the_file(tables):
    (tables.folder / "figure2-ml-1m" / "curves.csv").unlink()
    with pytest.raises(ValueError, match="figure2-ml-1m/curves.csv: expected the curve of run b0, got none"):
        moves(tables)


# ---- where from


def states_of(tables: Results, *expected: tuple, version: str = "") -> dict[str, TableState]:
    """Of expected (entry, study, run_ids), which are the claims; the command is named after the study."""
    commands = {(entry, study): {f"python -m {study}": frozenset(run_ids)} for entry, study, run_ids in expected}
    claims = {study: frozenset(run_ids) | {"a2", "a5"} for _, study, run_ids in expected}  # and what follows
    tables = replace(tables, claim=lambda entry, study, table: claims[study], opened={})
    return {state.study: state for state in table_states(tables, commands, version)}


def test_a_table_that_is_missing_incomplete_or_stale_is_named(tables):
    states = states_of(
        tables,
        ("baselines", "baselines-ml-1m", {"a1", "a3"}),
        ("sweep", "figure2-ml-1m", {"b0", "b1", "b2"}),
        ("imitate", "figure3", {"e1"}),
        ("baselines", "weak-evaluation-ml-1m", {"c0"}),
    )
    assert {study: problems(state, "") for study, state in states.items()} == {
        "baselines-ml-1m": [],  # a2 is a final run, which follows from a tuning
        "figure2-ml-1m": ["incomplete: 1 of 3 runs of `python -m figure2-ml-1m`"],
        "figure3": ["missing: `python -m figure3`"],
        "weak-evaluation-ml-1m": ["stale: 11 rows that no study asks for"],
    }
    assert [study for study, state in states.items() if state.is_whole] == ["baselines-ml-1m"]
    text = states_table(list(states.values()), "")
    assert "| results/figure3/runs.csv | 0 |" in text and "complete |" in text


def test_rows_of_uncommitted_code_or_of_another_version_are_stale(tables):
    store = tables.store("baselines-ml-1m", "baselines")
    a_row(store, "a5", 1.0, model="slim", phase="final", **STRICT | {"commit": "abc+dirty", "version": "0.0"})
    (state,) = states_of(tables, ("baselines", "baselines-ml-1m", {"a1", "a3"}), version="9.9").values()
    assert problems(state, "9.9") == ["stale: 1 row of uncommitted code", "stale: rows of version 0.0, this is 9.9"]
    assert not state.is_whole


def test_what_a_study_expects_is_what_its_command_runs():
    expected = studies.expected_runs_of(baselines.ENTRY, "baselines_ml-1m")
    assert expected[:3] == ("baselines", "python -m experiments.baselines +study=baselines_ml-1m", "baselines-ml-1m")
    results = Results(Path(__file__).parents[2] / "results", COLUMNS)
    runs = results.store(expected.study, expected.entry).runs()
    assert len(expected.run_ids) == 2 and expected.run_ids <= set(runs["run_id"])


# ---- the page


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Without reading all of conf/."""
    expected = ExpectedRuns("sweep", "python -m two", "figure2-ml-1m", frozenset({"b0", "b1"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "claimed_runs", lambda *where: None)
        patch.setattr(studies, "expected_runs", lambda entries, results_dir: [expected])
        yield


@pytest.fixture(scope="module")
def pages(quick, tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, str, str]:
    """The tables, REPORT.md and report.html; only to be read."""
    results = make_tables(tmp_path_factory.mktemp("results"))
    assert main([f"results_dir={results.folder}"]) == 0
    return results, (results.folder / "REPORT.md").read_text(), (results.folder / "report.html").read_text()


@pytest.mark.slow
def test_the_page_is_built_from_whatever_tables_there_are(pages, capsys):
    tables, text, _ = pages
    for section in SECTIONS:
        assert f"<summary>{section.title}</summary>" in text
        assert not section.question or f"### {section.question}" in text
    missing = re.findall(r"\*\*Missing\*\*: (.*)", text[text.index("## Tables") :])
    assert len(missing) == 16 and all("got none" in reason for reason in missing)
    assert headline.headline_table(methods(tables)) in text
    folder = tables.folder
    assert main([f"results_dir={folder}"]) == 0
    assert (folder / "REPORT.md").read_text() == text
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"ncfjax: {folder}/REPORT.md and {folder}/report.html")


@pytest.mark.slow
def test_the_page_begins_with_answers_and_folds_all_tables_but_the_first(pages):
    _, text, _ = pages
    order = [text.index(f"\n## {chapter}\n") for chapter in ("Answers", "Figures", "Tables")]
    assert order == sorted(order) and text.count("<details") == len(SECTIONS)
    assert text.index(" open>") < text.index("<summary>The headline table</summary>") and text.count(" open>") == 1
    best = re.search(r"### Which method is best on MovieLens-1M\?\n\n(.*)", text)[1]
    assert best.startswith("By NDCG@10, among 99 sampled candidates EASE (0.") and "in the full catalogue EASE" in best


@pytest.mark.slow
def test_every_link_of_the_contents_leads_somewhere(pages):
    _, text, html = pages
    targets = set(re.findall(r'id="([^"]+)"', html))
    links = set(re.findall(r'href="#([^"]+)"', html))
    assert links and links <= targets
    assert links == set(re.findall(r"\]\(#([^)]+)\)", text))
    headings = {slug(heading) for heading in re.findall(r"^#+ (.*)", text, flags=re.MULTILINE)}
    assert links <= headings | set(re.findall(r'<details id="([^"]+)"', text))


@pytest.mark.slow
def test_the_page_stands_alone(pages):
    _, _, html = pages
    assert html.count("<img") == 2 == html.count('src="data:image/svg+xml;base64,')
    assert not re.search(r'(src|href)="(?!data:|#)', html) and "http-equiv" not in html


@pytest.mark.slow
def test_ctrl_c_leaves_the_page_and_every_figure_as_they_were(tables, capsys, monkeypatch):
    before = {path: path.read_bytes() for path in tables.folder.rglob("*") if path.is_file()}

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.figures.html.to_html", stop)
    assert main([f"results_dir={tables.folder}"]) == 130
    assert capsys.readouterr().err.endswith("report: stopped; every file is whole, as it was before or new\n")
    after = {path: path.read_bytes() for path in tables.folder.rglob("*") if path.is_file()}
    assert after == before


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
