"""Saved models: what comes back is what was saved, and what is no whole model of this version is refused by name."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.data.ratings import Scale
from ncfjax.data.summary import summarize
from ncfjax.saved import FORMAT, export_npz, is_saved, load_model, save_model
from ncfjax.saved.writing import checksum
from tests.saved.models import (
    IDS,
    ITEMS,
    MOVIES,
    NAMES,
    NUM_ITEMS,
    NUM_USERS,
    RATED,
    TRAIN,
    USERS,
    recommender,
    save,
    trained,
)

ALL_USERS = np.arange(NUM_USERS)


def everything(model):
    if getattr(model, "on_host", False):
        return model.score_all(ALL_USERS)
    return np.asarray(jax.jit(lambda model, users: model.score_all(users))(model, jnp.asarray(ALL_USERS)))


@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_model_scores_as_the_saved_one_to_the_last_bit(tmp_path, name):
    of = save(tmp_path / "m", name)
    loaded = load_model(tmp_path / "m")
    assert type(loaded.model) is type(of.model) and jax.tree.structure(loaded.model) == jax.tree.structure(of.model)
    for ours, theirs in zip(jax.tree.leaves(loaded.model), jax.tree.leaves(of.model), strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs), strict=True)
    np.testing.assert_array_equal(loaded.score_all(ALL_USERS), everything(of.model))
    assert (loaded.kind, loaded.method) == (of.kind, name) and loaded.score_all([1, 2]).flags.writeable
    pairs = loaded.score(USERS[::-1], ITEMS[::-1])
    np.testing.assert_allclose(pairs, loaded.score_all(ALL_USERS)[USERS, ITEMS][::-1], rtol=1e-5, atol=1e-5)


def test_every_similarity_baseline_and_method_for_ratings_is_among_these():
    from experiments.tasks.rating.config import METHOD
    from ncfjax.baselines.methods import METHODS
    from ncfjax.models.registry import similarity_names

    methods = {f"{name} dot" if name == "gradient" else name for name in METHOD.options}
    assert {*similarity_names(), *METHODS, *methods} <= set(NAMES)


def test_names_histories_and_titles_come_back(tmp_path):
    save(tmp_path / "m", "dot", run={"run_id": "ab", "seed": 0, "ndcg@10": 0.25, "mrr": float("nan"), "note": None})
    data = load_model(tmp_path / "m").data
    assert data.name == "tiny" and data.user_ids.tolist() == IDS["user_ids"].tolist()
    assert data.item_ids.tolist() == IDS["item_ids"].tolist() and data.movies.titles == MOVIES.titles
    np.testing.assert_array_equal(data.movies.years, MOVIES.years)
    np.testing.assert_array_equal(data.movies.has_genre, MOVIES.has_genre)
    assert data.movies.genres == MOVIES.genres and data.average_ratings is None and data.scale is None
    for user in range(NUM_USERS):
        assert data.history(user).tolist() == ITEMS[USERS == user].tolist()
    np.testing.assert_array_equal(data.counts, np.bincount(ITEMS, minlength=NUM_ITEMS))
    assert load_model(tmp_path / "m").run == {"run_id": "ab", "seed": 0, "ndcg@10": 0.25}


def test_the_scale_and_the_averages_of_ratings_come_back(tmp_path):
    words = Scale.of_words("bad", "fair", "good", "great", "best")
    data = summarize("worded", RATED.with_values(RATED.values, words))
    save_model(tmp_path / "m", trained("biases").model, kind="rating", method="biases", data=data)
    loaded = load_model(tmp_path / "m").data
    assert loaded.scale == words and loaded.content == data.content
    expected = [RATED.values[ITEMS == item].mean() if (ITEMS == item).any() else np.nan for item in range(NUM_ITEMS)]
    np.testing.assert_allclose(loaded.average_ratings, expected, rtol=1e-6)


def test_rows_that_only_fill_up_a_table_are_saved_and_not_loaded(tmp_path):
    padded, options = recommender("mlp", NUM_USERS + 3, NUM_ITEMS + 2), trained("mlp").options
    data = summarize("tiny", TRAIN)
    save_model(tmp_path / "m", padded, kind="recommender", method="mlp", data=data, options=options)
    loaded = load_model(tmp_path / "m").model
    assert loaded.user.shape[0] == NUM_USERS and loaded.item.shape[0] == NUM_ITEMS
    np.testing.assert_array_equal(loaded.user[...], padded.user[:NUM_USERS])
    np.testing.assert_array_equal(loaded.item[...], padded.item[:NUM_ITEMS])


# ---- another process


_ELSEWHERE = """
import sys
import numpy as np
from ncfjax import load_model
model = load_model(sys.argv[1])
np.save(sys.argv[2], model.score_all(np.arange(model.data.num_users)))
"""


@pytest.mark.parametrize("name", ["ease"])  # which needs its history, too
def test_a_fresh_process_in_another_folder_scores_alike(tmp_path, name):
    save(tmp_path / "m", name)
    expected = load_model(tmp_path / "m").score_all(ALL_USERS)
    shutil.move(tmp_path / "m", tmp_path / "moved")
    command = [sys.executable, "-c", _ELSEWHERE, tmp_path / "moved", tmp_path / "scores.npy"]
    subprocess.run(command, check=True, timeout=100, cwd=tmp_path, env=_without_data())
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), expected)


def _without_data() -> dict[str, str]:
    import os

    root = str(Path(__file__).parents[2])
    return {**os.environ, "NCFJAX_DATA": "/nowhere", "PYTHONPATH": root}


def test_numpy_alone_reads_the_export(tmp_path):
    save(tmp_path / "m", "gmf")
    export_npz(tmp_path / "m", tmp_path / "gmf.npz")
    with np.load(tmp_path / "gmf.npz", allow_pickle=False) as file:
        arrays = dict(file)
    p, q, weight = (arrays[name] for name in ("user", "item", "similarity.output.weight"))
    expected = load_model(tmp_path / "m").score_all(ALL_USERS)
    np.testing.assert_allclose((p * weight) @ q.T + arrays["similarity.output.bias"], expected, rtol=1e-5, atol=1e-6)
    starts, items = arrays["history_starts"], arrays["history_items"]
    assert items[starts[2] : starts[3]].tolist() == ITEMS[USERS == 2].tolist()
    assert arrays["titles"][5] == "Amélie 5" and json.loads(str(arrays["metadata"]))["format"] == FORMAT


def test_an_export_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    save(tmp_path / "m", "gmf")
    (tmp_path / "gmf.npz").write_bytes(b"old")

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            export_npz(tmp_path / "m", tmp_path / "gmf.npz")
    assert (tmp_path / "gmf.npz").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "gmf.npz", "m"]


def test_a_data_set_of_a_file_whose_name_is_no_text_is_named_as_it_is(tmp_path):
    save(tmp_path / "m", "gmf", run={"dataset": "x\udcff"})
    assert load_model(tmp_path / "m").run["dataset"] == "x\udcff"


def test_a_folder_and_a_file_may_begin_at_home(tmp_path, monkeypatch):
    save(tmp_path / "m", "gmf")
    monkeypatch.setenv("HOME", str(tmp_path))
    export_npz("~/m", "~/gmf")
    assert load_model("~/m").folder == tmp_path / "m" and (tmp_path / "gmf.npz").is_file()


# ---- what is refused


@pytest.fixture
def saved(tmp_path):
    save(tmp_path / "m", "mlp")
    return tmp_path / "m"


def change(folder: Path, **values) -> None:
    metadata = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(metadata | values))


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(ValueError) as error:
        load_model(folder)
    for word in words:
        assert re.search(word, str(error.value)), str(error.value)


def test_no_folder_and_no_model_in_it_are_refused(tmp_path):
    refused(tmp_path / "nothing", "nothing: expected a saved model, got no model.json")
    assert not is_saved(tmp_path)
    (tmp_path / "model.json").write_text("[1, 2")
    refused(tmp_path, "model.json: expected what save_model writes, got JSONDecodeError")
    (tmp_path / "model.json").write_text('{"name": "another program"}')
    refused(tmp_path, "model.json: expected what save_model writes, got KeyError: 'format'")


def test_another_format_is_refused_by_name(saved):
    change(saved, format=FORMAT + 1)
    refused(saved, f"model.json: expected format {FORMAT}, got {FORMAT + 1}")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"rows": {"users": NUM_USERS + 1, "items": NUM_ITEMS}},
            rf"user: expected float32\[{NUM_USERS + 1}, 12\], got",
        ),
        ({"num_users": NUM_USERS - 1}, r"data.history_sizes: expected int32\[8\], got int32\[9\]"),
        ({"kind": "imitator"}, "expected recommender or baseline or rating of .*, got imitator of Recommender"),
        ({"config": {"form": "Tree"}}, "expected .*, got recommender of Tree"),
        ({"config": {"form": "Popularity"}}, "counts: expected .*, got none"),
    ],
)
def test_what_does_not_fit_the_arrays_is_refused(saved, values, words):
    change(saved, **values)
    refused(saved, words)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"embedding_dim": 16, "options": {}}, r"item: expected float32\[13, 16\], got float32\[13, 12\]"),
        ({"similarity": "gmf", "options": {}}, r"similarity.output.weight: expected float32\[12\], got float32\[6\]"),
        ({"options": {"layers": [24, 6, 6]}}, r"similarity.output.weight|similarity.tower"),
        ({"similarity": "nmf"}, "nmf: no such name"),
        ({"options": {"biases": True}}, "only model=dot"),
    ],
)
def test_another_shape_or_similarity_is_refused_by_name(saved, values, words):
    config = json.loads((saved / "model.json").read_text())["config"]
    change(saved, config=config | values)
    refused(saved, words)


def test_a_file_that_is_missing_or_cut_off_is_refused_by_name(saved, tmp_path):
    names = json.loads((saved / "model.json").read_text())["files"]
    assert len(names) > 5 and "names.npz" in names
    for name, size in names.items():
        for cut in (None, size // 2):
            shutil.copytree(saved, tmp_path / "copy")
            file = tmp_path / "copy" / name
            file.unlink()
            if cut is not None and cut < size:
                file.write_bytes((saved / name).read_bytes()[:cut])
            got = "no file" if cut is None or cut >= size else f"{cut} bytes"
            refused(tmp_path / "copy", f"{re.escape(name)}: expected {size} bytes, got {got}") if size else None
            shutil.rmtree(tmp_path / "copy")


def test_a_damaged_file_of_the_right_size_is_refused_by_name(saved):
    for name, size in json.loads((saved / "model.json").read_text())["files"].items():
        content = (saved / name).read_bytes()
        if size:
            (saved / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            refused(saved, re.escape(name) + r": expected what was saved \(CRC-32 [0-9a-f]{8}\), got another content")
        (saved / name).write_bytes(content)
    load_model(saved)


def test_a_checkpoint_that_is_none_is_refused(saved):
    """Its checksums are right: such a folder was written by something else."""
    (saved / "arrays" / "_METADATA").write_text("not JSON")
    names = json.loads((saved / "model.json").read_text())["files"]
    sizes = {name: (saved / name).stat().st_size for name in names}
    change(saved, files=sizes, checksums={name: checksum(saved / name) for name in names})
    refused(saved, "arrays: expected a sound checkpoint, got")


def test_options_that_do_not_make_the_model_and_tables_that_are_too_small_are_not_saved(tmp_path):
    of, more = trained("mlp"), {"kind": "recommender", "method": "mlp"}
    with pytest.raises(ValueError, match="similarity.output.weight|similarity.tower"):
        save_model(tmp_path / "m", of.model, data=of.data, options={"layers": (24, 5)}, **more)
    with pytest.raises(ValueError, match=f"expected tables of at least {NUM_USERS} users and {NUM_ITEMS} items"):
        small = recommender("mlp", NUM_USERS - 1)
        save_model(tmp_path / "m", small, data=of.data, options=of.options, **more)
    assert list(tmp_path.iterdir()) == []


# ---- writers that fail or are killed


def test_a_model_of_another_type_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="expected a model that is one of Recommender, .*, got dict"):
        save_model(tmp_path / "m", {"w": np.ones(3)}, kind="baseline", method="mine", data=trained("dot").data)


def test_a_model_that_is_there_is_replaced(tmp_path):
    save(tmp_path / "m", "dot")
    save(tmp_path / "m", "ease")
    assert load_model(tmp_path / "m").method == "ease"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "m"]


def test_a_disk_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ncfjax.saved.writing.write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path / "m", "dot")
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


_KILLED = """
import itertools, os, signal, sys
from pathlib import Path
from tests.saved.models import save

folder, number, calls = Path(sys.argv[1]), int(sys.argv[2]), itertools.count()
def last(function):
    def call(*args, **more):
        if "part" in str(args) + str(more) and next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **more)
    return call
save(folder / "old", "dot")
for name in ("rename", "mkdir"):
    setattr(os, name, last(getattr(os, name)))
save(folder / "old", "gmf")
save(folder / "new", "gmf")
print(next(calls))
"""


def killed(folder: Path, number: int) -> str:
    command = [sys.executable, "-c", _KILLED, folder, str(number)]
    return subprocess.run(command, timeout=100, env=_without_data(), capture_output=True, text=True).stdout


def test_a_kill_at_any_moment_leaves_whole_models_alone(tmp_path):
    num_calls = int(killed(tmp_path / "whole", -1))
    assert num_calls == 10, "two models, of each five folders that are made or renamed"
    found = []
    for number in (2, 9):  # in the midst of writing, and before a whole model takes its place
        folder = tmp_path / str(number)
        assert killed(folder, number) == "", "it was killed"
        there = {path.name: load_model(path).method for path in folder.iterdir() if not path.name.startswith(".")}
        found.append(there)
        save(folder / "new", "neumf")  # what was left is no obstacle
        assert load_model(folder / "new").method == "neumf"
        assert not list(folder.glob(".new*"))
    assert found == [{"old": "dot"}, {"old": "gmf"}]
