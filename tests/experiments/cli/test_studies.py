"""The studies of conf/: each belongs to one command, is what its head says, and finds its committed runs done."""

import re
import shlex
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import claims, studies
from experiments.cli.compose import checked_jobs, configured
from experiments.cli.entry import options
from experiments.engine.config import CONF
from experiments.engine.jobs import Job
from experiments.entries import claims_in, entry_points
from ncfjax.store import Store

ENTRIES = {entry.name: entry for entry in entry_points()}
RESULTS = CONF.parent / "results"
# A study is composed once for all tests of this file.
checks, jobs_of = cache(checked_jobs), cache(studies.jobs_of)
COMMITTED_IDS = Path(__file__).with_name("run_ids.txt").read_text().splitlines()

# entry point, study -> folder of the results, jobs, runs, and how many of these the committed tables do not have
STUDIES = {
    ("baselines", "baselines_ml-1m"): ("baselines-ml-1m", 2, 2, 0),
    ("baselines", "baselines_ml-1m_ease"): ("baselines-ml-1m", 1, 8, 0),
    ("baselines", "baselines_ml-1m_ials"): ("baselines-ml-1m", 2, 16, 0),
    ("baselines", "baselines_ml-1m_item_knn"): ("baselines-ml-1m", 1, 20, 0),
    ("baselines", "baselines_ml-1m_slim"): ("baselines-ml-1m", 1, 9, 0),
    ("baselines", "baselines_ml-1m_user_knn"): ("baselines-ml-1m", 1, 20, 0),
    ("baselines", "baselines_ml-20m"): ("baselines-ml-20m", 2, 2, 2),
    ("baselines", "baselines_ml-20m_ease"): ("baselines-ml-20m", 1, 3, 3),
    ("baselines", "baselines_ml-20m_ials"): ("baselines-ml-20m", 2, 2, 2),
    ("baselines", "baselines_msd"): ("baselines-msd", 2, 2, 2),
    ("baselines", "baselines_msd_ease"): ("baselines-msd", 1, 3, 3),
    ("baselines", "baselines_msd_ials"): ("baselines-msd", 2, 2, 2),
    ("baselines", "weak_evaluation_ml-1m"): ("weak-evaluation-ml-1m", 24, 24, 0),
    ("imitate", "distillation_ml-1m"): ("distillation-ml-1m", 12, 36, 3),
    ("imitate", "figure3"): ("figure3", 72, 360, 147),
    ("imitate", "figure3_small"): ("figure3", 27, 54, 0),
    ("imitate", "figure3_variants_activation"): ("figure3", 8, 16, 0),
    ("imitate", "figure3_variants_input"): ("figure3", 8, 16, 0),
    ("imitate", "figure3_variants_layers"): ("figure3", 5, 10, 0),
    ("ratings", "cold_items"): ("cold-items-ml-100k", 25, 80, 0),
    ("ratings", "cold_items_content"): ("cold-items-ml-100k", 30, 330, 0),
    ("ratings", "first_steps"): ("ratings", 12, 12, 12),
    ("ratings", "netflix"): ("ratings-netflix", 4, 4, 4),
    ("ratings", "netflix_excerpt"): ("ratings-netflix-excerpt", 5, 19, 0),
    ("ratings", "netflix_excerpt_similarities"): ("ratings-netflix-excerpt", 2, 32, 0),
    ("ratings", "ratings_ml-100k"): ("ratings-ml-100k", 80, 430, 0),
    ("ratings", "ratings_ml-1m"): ("ratings-ml-1m", 6, 16, 0),
    ("ratings", "ratings_ml-1m_ensemble"): ("ratings-ml-1m", 1, 6, 0),
    ("ratings", "report_leak"): ("report-leak", 4, 16, 0),
    ("ratings", "worked_example"): ("worked-example", 15, 15, 0),
    ("retrieval", "retrieval_ml-1m"): ("retrieval-ml-1m", 24, 270, 0),
    ("retrieval", "retrieval_ml-1m_mlp"): ("retrieval-ml-1m", 18, 112, 0),
    ("retrieval", "retrieval_ml-1m_neumf"): ("retrieval-ml-1m", 18, 112, 0),
    ("retrieval", "retrieval_ml-1m_pretrained"): ("retrieval-ml-1m", 6, 48, 0),
    ("retrieval", "retrieval_ml-1m_rank"): ("retrieval-ml-1m", 15, 45, 0),
    ("retrieval", "retrieval_ml-1m_report"): ("retrieval-scale", 4, 4, 0),
    ("retrieval", "retrieval_ml-1m_saved_weights"): ("retrieval-ml-1m", 12, 96, 0),
    ("retrieval", "retrieval_pinterest-u37501"): ("retrieval-pinterest-u37501", 16, 180, 0),
    ("retrieval", "retrieval_pinterest-u37501_mlp"): ("retrieval-pinterest-u37501", 12, 96, 0),
    ("retrieval", "retrieval_pinterest-u37501_neumf"): ("retrieval-pinterest-u37501", 12, 96, 0),
    ("retrieval", "retrieval_scale"): ("retrieval-scale", 54, 126, 0),
    ("retrieval", "retrieval_scale_mlp"): ("retrieval-scale", 36, 72, 0),
    ("retrieval", "retrieval_scale_neumf"): ("retrieval-scale", 36, 72, 0),
    ("retrieval", "retrieval_scale_pretrained"): ("retrieval-scale", 12, 24, 0),
    ("sweep", "block_size_ml-1m"): ("block-size-ml-1m", 4, 16, 0),
    ("sweep", "controls_ml-1m"): ("controls-ml-1m", 3, 80, 0),
    ("sweep", "controls_pinterest-u37501"): ("controls-pinterest-u37501", 2, 32, 0),
    ("sweep", "controls_pinterest-u37501_euclid"): ("controls-pinterest-u37501", 1, 8, 0),
    ("sweep", "equal_budget_ml-1m"): ("equal-budget-ml-1m", 6, 54, 0),
    ("sweep", "equal_budget_ml-1m_free_weights"): ("equal-budget-ml-1m", 4, 36, 18),
    ("sweep", "equal_budget_ml-1m_neumf"): ("equal-budget-ml-1m", 4, 36, 0),
    ("sweep", "equal_budget_pinterest-u37501"): ("equal-budget-pinterest-u37501", 4, 24, 0),
    ("sweep", "figure2_ml-1m"): ("figure2-ml-1m", 6, 48, 0),
    ("sweep", "figure2_ml-1m_fast"): ("figure2-fast-ml-1m", 3, 24, 0),
    ("sweep", "figure2_ml-1m_gmf"): ("figure2-ml-1m", 6, 24, 0),
    ("sweep", "figure2_ml-1m_mlp"): ("figure2-ml-1m", 4, 16, 4),
    ("sweep", "figure2_ml-1m_neumf"): ("figure2-ml-1m", 4, 16, 0),
    ("sweep", "figure2_ml-1m_sampled"): ("figure2-ml-1m", 3, 12, 0),
    ("sweep", "ncf_reference_ml-1m"): ("ncf-reference-ml-1m", 3, 12, 0),
    ("sweep", "ncf_reference_ml-1m_on_test"): ("ncf-reference-ml-1m", 3, 12, 0),
    ("sweep", "ncf_reference_ml-1m_pretrained"): ("ncf-reference-ml-1m", 1, 3, 0),
    ("sweep", "precision_ml-1m"): ("precision-ml-1m", 3, 24, 0),
    ("sweep", "retrieval_models_ml-1m"): ("retrieval-models-ml-1m", 3, 9, 0),
    ("sweep", "retrieval_models_ml-1m_gmf"): ("retrieval-models-ml-1m", 3, 9, 0),
    ("sweep", "retrieval_models_ml-1m_mlp"): ("retrieval-models-ml-1m", 3, 7, 0),
    ("sweep", "retrieval_models_ml-1m_neumf"): ("retrieval-models-ml-1m", 3, 7, 0),
    ("sweep", "retrieval_models_ml-1m_pretrained"): ("retrieval-models-ml-1m", 1, 3, 0),
    ("sweep", "retrieval_models_ml-1m_report"): ("retrieval-models-ml-1m", 2, 2, 0),
    ("sweep", "retrieval_models_pinterest-u37501"): ("retrieval-models-pinterest-u37501", 6, 18, 0),
    ("sweep", "retrieval_models_pinterest-u37501_neumf"): ("retrieval-models-pinterest-u37501", 2, 6, 0),
    ("sweep", "search_ml-1m"): ("search-ml-1m", 29, 144, 0),
    ("sweep", "search_ml-1m_bilinear"): ("search-ml-1m", 32, 138, 0),
    ("sweep", "search_ml-1m_cosine"): ("search-ml-1m", 33, 145, 8),
    ("sweep", "search_ml-1m_distilled"): ("search-ml-1m", 7, 21, 0),
    ("sweep", "search_ml-1m_euclid"): ("search-ml-1m", 19, 150, 0),
    ("sweep", "search_ml-1m_gmf"): ("search-ml-1m", 33, 159, 0),
    ("sweep", "search_ml-1m_mixture_of_logits"): ("search-ml-1m", 58, 127, 8),
    ("sweep", "search_ml-1m_mlp"): ("search-ml-1m", 36, 163, 8),
    ("sweep", "search_ml-1m_neumf"): ("search-ml-1m", 42, 152, 0),
    ("sweep", "search_ml-1m_pretrained"): ("search-ml-1m", 6, 17, 8),
    ("sweep", "search_ml-1m_pretrained_on_test"): ("search-ml-1m", 1, 8, 0),
    ("sweep", "search_ml-1m_residual"): ("search-ml-1m", 31, 143, 8),
    ("sweep", "search_ml-1m_residual_pretrained"): ("search-ml-1m", 9, 60, 0),
    ("sweep", "search_pinterest-u37501"): ("search-pinterest-u37501", 6, 38, 0),
    ("sweep", "search_pinterest-u37501_bilinear"): ("search-pinterest-u37501", 6, 33, 0),
    ("sweep", "search_pinterest-u37501_cosine"): ("search-pinterest-u37501", 14, 30, 0),
    ("sweep", "search_pinterest-u37501_euclid"): ("search-pinterest-u37501", 6, 38, 0),
    ("sweep", "search_pinterest-u37501_gmf"): ("search-pinterest-u37501", 10, 35, 0),
    ("sweep", "search_pinterest-u37501_mixture_of_logits"): ("search-pinterest-u37501", 16, 24, 0),
    ("sweep", "search_pinterest-u37501_mlp"): ("search-pinterest-u37501", 14, 24, 0),
    ("sweep", "search_pinterest-u37501_neumf"): ("search-pinterest-u37501", 19, 30, 0),
    ("sweep", "search_pinterest-u37501_residual"): ("search-pinterest-u37501", 13, 24, 0),
    ("sweep", "synthetic"): ("sweep", 3, 36, 36),
    ("sweep", "tuning_ml-1m"): ("tuning-ml-1m", 3, 60, 0),
}


@pytest.fixture(autouse=True)
def composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "checked_jobs", checks)
    monkeypatch.setattr(studies, "jobs_of", jobs_of)


def test_the_studies_are_those_listed_here_and_each_belongs_to_one_command():
    offered = [(name, study) for name, entry in ENTRIES.items() for study in options(entry.task)["study"]]
    assert sorted(offered) == sorted(STUDIES)
    assert sorted(path.stem for path in (CONF / "study").rglob("*.yaml")) == sorted(study for _, study in offered)


@pytest.mark.slow  # composes 268 jobs; make check has the ids of the committed runs
@pytest.mark.parametrize(("entry", "study"), STUDIES, ids=lambda name: name)
def test_a_study_is_what_its_head_says_and_finds_its_committed_runs_done(entry: str, study: str):
    """`dry_run=true` of any of them says as many to train as it always did."""
    folder, num_jobs, num_runs, num_pending = STUDIES[entry, study]
    jobs = jobs_of(ENTRIES[entry], study)
    assert studies.folder_of(ENTRIES[entry].task, study) == folder
    run_ids = {run_id for job in jobs for run_id in job.runs}
    assert ({job.config.study.name for job in jobs}, len(jobs), len(run_ids)) == ({folder}, num_jobs, num_runs)
    done = committed_ids(folder) if folder != entry else set()  # what a user has trained there is not committed
    assert len(run_ids - done) == num_pending
    head = (CONF / "study" / entry / f"{study}.yaml").read_text().split("\nhydra:")[0].split("defaults:")[0]
    assert f"python -m experiments.{entry} +study={study}" in head and ("Expected" in head or "HR@10" in head)
    gap = r"\s(# )?"  # lines may break anywhere
    where = rf"(minutes{gap}on{gap}two{gap}CPU{gap}cores|(minutes|hours){gap}on{gap}one{gap}GPU)"
    minutes = rf"About{gap}[\d.]+{gap}{where}"
    assert re.search(minutes, head)


def committed_ids(folder: str) -> set[str]:
    """None of a study that was never run: Netflix's files are not here."""
    table = RESULTS / folder / "runs.csv"
    return set(pd.read_csv(table, usecols=["run_id"], dtype=str)["run_id"]) if table.is_file() else set()


@pytest.mark.parametrize("line", COMMITTED_IDS, ids=lambda line: line.split()[0])
def test_a_committed_run_keeps_its_id(line: str):
    """Three runs of every committed table, and the last final one; a test of resuming cannot see that all change."""
    run_id, _, _, module, study, *overrides = shlex.split(line)
    entry = ENTRIES[module.removeprefix("experiments.")]
    config = checks(entry, study)(overrides)
    (point,) = entry.task.points(config)
    assert entry.task.id_of(config, point) == run_id and run_id in committed_ids(config.study.name)


@pytest.mark.slow  # composes what the test above composes
def test_no_row_beside_those_of_a_claim_changes_what_is_read_of_a_committed_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, committed_table: Path, committed_store: Store
):
    """Copies of rows, each changed in one cell, whichever: they are counted, and the report reads what it read."""
    monkeypatch.setattr(claims, "claimed_jobs", lambda entry, study, results_dir: jobs_of(entry, study))
    monkeypatch.setattr(claims, "checked_jobs", lambda entry, study, *_: checks(entry, study))
    folder = shutil.copytree(committed_table.parent, tmp_path / committed_table.parent.name)
    before, trial = committed_store.runs(), Store(folder, committed_store.columns)
    changed = {str: "another", int: 7, float: 0.7}
    columns = [column for column in before if column != "run_id"]
    for place in (0, len(before) // 2, len(before) - 1):
        row = before.iloc[place].where(before.iloc[place].notna(), None).to_dict()
        for number, column in enumerate(columns):
            other = {"run_id": f"{place:08x}{number:08x}", column: changed[committed_store.columns[column]]}
            trial.append(row | other, [], {})
    entry = next(entry for entry, study in STUDIES if STUDIES[entry, study][0] == folder.name)
    read = claims_in(tmp_path).store(folder.name, entry)
    pd.testing.assert_frame_equal(read.runs(), before)
    assert read.num_ignored == 3 * len(columns)


def test_every_committed_table_has_a_run_whose_id_is_written_down(committed_studies: list[str]):
    written = {line.split()[0] for line in COMMITTED_IDS}
    assert [study for study in committed_studies if len(written & committed_ids(study)) < 3] == []


def test_the_runs_that_a_report_waits_for_are_those_of_the_studies_that_are_written_down():
    """What a command runs without an argument is none of them."""
    everything = list(studies.expected_runs([ENTRIES["baselines"]]))
    assert [(runs.study, len(runs.run_ids)) for runs in everything] == [
        (folder, num_runs) for (name, _), (folder, _, num_runs, _) in STUDIES.items() if name == "baselines"
    ]
    assert everything[1].command == "python -m experiments.baselines +study=baselines_ml-1m_ease"


# ---- studies and the command line


def test_a_study_of_another_command_is_refused_with_the_command_that_has_it(refusal: Callable[..., str]):
    for name, entry in ENTRIES.items():
        other = next(study for owner, study in STUDIES if owner != name)
        owner = next(owner for owner, study in STUDIES if study == other)
        message = refusal(entry, f"+study={other}")
        assert f"study={other}: no such study" in message
        assert message.endswith(f"; python -m experiments.{owner} +study={other} has one")


@pytest.mark.parametrize("spelling", ["+study=tuning_ml-1m", "++study=tuning_ml-1m", "+study/sweep=tuning_ml-1m"])
def test_every_spelling_of_a_study_is_understood(spelling: str):
    assert configured(ENTRIES["sweep"], spelling).study.name == "tuning-ml-1m"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("+study=figure2", "study=figure2: no such study, did you mean figure2_ml-1m?"),
        ("study=mine", "study=mine: +study=NAME runs conf/study/sweep/NAME.yaml, study.name=NAME chooses the folder"),
        ("study=tuning_ml-1m", "study=tuning_ml-1m: +study=NAME runs conf/study/sweep/NAME.yaml"),
    ],
)
def test_a_study_that_is_not_there_is_refused(argument: str, message: str, refusal: Callable[..., str]):
    assert message in refusal(ENTRIES["sweep"], argument)


def test_a_study_can_be_changed_on_the_command_line(jobs_of: Callable[..., list[Job]]):
    (job,) = jobs_of(ENTRIES["sweep"], "+study=figure2_ml-1m", "model.embedding_dim=48", "grid.seed=7")
    assert (job.config.model.embedding_dim, job.config.grid.seed) == (48, [7])


MINE = """\
# @package _global_
hydra: {sweeper: {params: {model.embedding_dim: '4,8', objective.num_negatives: [2, 3], grid.seed: '0,1'}}}
grid: {learning_rate: [0.1, 0.2], regularization: 0}
study: {name: mine}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's own folder of studies of the sweep."""
    path = tmp_path / "study" / "sweep"
    path.mkdir(parents=True)
    (path / "mine.yaml").write_text(MINE)
    return path


@pytest.fixture
def dry_run(run_sweep: Callable[..., int], folder: Path, results: Path, capfd) -> Callable[..., str]:
    """What a dry run of a user's own study prints, on either stream."""

    def dry_run(*arguments: str, code: int = 0) -> str:
        own = f"hydra.searchpath=[file://{folder.parents[1]}]"
        assert run_sweep(own, *arguments, f"results_dir={results}", "dry_run=true") == code
        return "".join(capfd.readouterr())

    return dry_run


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> list[list[Job]]:
    """The jobs of dry runs, in the place of their estimate."""
    jobs: list[list[Job]] = []
    monkeypatch.setattr(
        "experiments.engine.study.estimate", lambda task, planned, done, afterwards: jobs.append(list(planned))
    )
    return jobs


def test_a_study_in_the_users_own_folder_runs_and_the_command_line_wins(dry_run, estimated: list[list[Job]]):
    dry_run("+study=mine")
    described = [(job.config.model.embedding_dim, job.config.objective.num_negatives) for job in estimated[0]]
    assert described == [(4, 2), (4, 3), (8, 2), (8, 3)]
    assert all(len(job.runs) == 4 and job.config.study.name == "mine" for job in estimated[0])
    dry_run("+study=mine", "model.embedding_dim=5", "grid.seed=7")
    assert [job.config.model.embedding_dim for job in estimated[1]] == [5, 5]
    assert {point.seed for job in estimated[1] for point in job.runs.values()} == {7}


def test_a_copy_of_a_study_under_another_name_is_the_same_study(dry_run, estimated: list[list[Job]], folder: Path):
    (folder / "copy.yaml").write_text((CONF / "study" / "sweep" / "figure2_ml-1m.yaml").read_text())
    dry_run("+study=copy")
    assert [job.runs for job in estimated[0]] == [job.runs for job in jobs_of(ENTRIES["sweep"], "figure2_ml-1m")]


def test_a_study_without_its_first_line_says_what_it_lacks(dry_run, folder: Path):
    (folder / "mine.yaml").write_text(MINE.partition("\n")[2])
    message = dry_run("+study=mine", code=2)
    assert (
        f"{folder / 'mine.yaml'}: expected the line `# @package _global_` before its keys" in message
        and "Traceback" not in message
    )


def test_a_study_of_a_folder_that_a_flag_names_is_checked_too(run_sweep: Callable[..., int], folder: Path, capfd):
    (folder / "mine.yaml").write_text(MINE.partition("\n")[2])
    for flag in (["--config-dir", str(folder.parents[1])], [f"--config-dir={folder.parents[1]}"]):
        assert run_sweep(*flag, "+study=mine") == 2
        assert f"{folder / 'mine.yaml'}: expected the line `# @package _global_`" in capfd.readouterr().err


def test_a_study_outside_its_commands_folder_says_where_it_belongs(dry_run, folder: Path):
    (folder / "mine.yaml").rename(folder.parent / "mine.yaml")
    message = dry_run("+study=mine", code=2)
    assert (
        "study/mine.yaml: expected it in " in message
        and "study/sweep, whose command runs it" in message
        and "Traceback" not in message
    )


def test_a_study_of_unknown_keys_is_refused_by_name(dry_run, folder: Path):
    (folder / "mine.yaml").write_text("# @package _global_\nmodel: {depth: 3}\n")
    message = dry_run("+study=mine", code=2)
    assert "depth" in message and "Traceback" not in message


def test_the_store_of_a_study_lies_under_its_name(results: Path):
    config = configured(ENTRIES["sweep"], "+study=figure2_ml-1m", f"results_dir={results}")
    store = ENTRIES["sweep"].task.store(config)
    assert isinstance(store, Store) and store.folder == results / "figure2-ml-1m"
