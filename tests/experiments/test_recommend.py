"""python -m experiments.recommend: what it prints, what it writes, and what it refuses."""

import csv
import io
import json

import pytest

from experiments.cli.answers import as_csv, as_json, as_table
from experiments.cli.entry import listed
from experiments.recommend import main
from ncfjax.recommend.answer import Answer, Prediction, Reason, Recommendation, UserAnswer
from ncfjax.recommend.request import KEYS
from ncfjax.saved import save_model
from tests.recommend.models import NUM_ITEMS, ROWS, TRAIN, USERS, saved

ITEM = {"item": 7, "title": "Sting, The (1973)", "year": 1973, "genres": ("Crime", "War"), "num_ratings": 1234}
BECAUSE = (Reason(8, "Up", 0.25), Reason(9, "Big", 0.125))
ROW = Recommendation(**ITEM, average_rating=4.25, rank=1, score=0.5, because=BECAUSE)
GUESS = Prediction(**ITEM, average_rating=None, model=1, score=5.5, stars=5.0, rmse=0.9, percentile=99.5, is_seen=True)
USERS_OF = (
    UserAnswer("a", 3, 20, (ROW,), note="one; two"),
    UserAnswer(None, 0, 0),
    UserAnswer("b", 3, 20, predictions=(GUESS,)),
)
ANSWER = Answer(("biases, of x",), USERS_OF)


# ---- how an answer looks


def test_a_table_names_everything_that_is_known(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert as_table(ANSWER).splitlines() == [
        "model: biases, of x",
        "",
        "user a, 3 items in the history: 1 of 20 candidates",
        "note: one",
        "note: two",
        "   item  title              genres      score  ratings  mean  because of",
        "1     7  Sting, The (1973)  Crime, War    0.5    1,234  4.25  Up 25.0 %; Big 12.5 %",
        "",
        "somebody new, 0 items in the history: 0 of 0 candidates",
        "nothing is left to recommend",
        "",
        "user b, 3 items in the history: predictions",
        "7 Sting, The (1973): 5.00 stars ± 0.90 (RMSE on held-out ratings), higher than 99.5 % of the user's other "
        "candidates; 1,234 ratings; it is in the user's history",
    ]  # fmt: skip


def test_json_reads_back_as_the_same_answer():
    user = json.loads(as_json(ANSWER))["users"][0]
    (row,) = user["recommendations"]
    because = tuple(Reason(**reason) for reason in row.pop("because"))
    assert Recommendation(**row | {"genres": tuple(row["genres"])}, because=because) == ROW
    assert (user["user"], user["num_seen"], user["num_candidates"], user["note"]) == ("a", 3, 20, "one; two")


def test_csv_has_a_row_for_each_item_of_each_user():
    users = (UserAnswer("a", 3, 20, (ROW, ROW)), UserAnswer("b", 3, 20, (ROW,)), UserAnswer("c", 3, 20))
    rows = list(csv.DictReader(io.StringIO(as_csv(Answer(("m",), users)))))
    assert [row["user"] for row in rows] == ["a", "a", "b"]
    assert rows[0] == {
        "user": "a", "rank": "1", "item": "7", "title": "Sting, The (1973)", "year": "1973", "genres": "Crime|War",
        "num_ratings": "1234", "average_rating": "4.25", "score": "0.5", "because": "8|9",
    }  # fmt: skip
    assert as_csv(Answer(("m",), ())) == ""


# ---- the command line


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Saved models by their methods."""
    root = tmp_path_factory.mktemp("models")
    for name in ("ials", "alternating"):
        model = saved(name)
        more = {"options": {"biases": False} if name == "ials" else None, "run": ROWS[name]}
        save_model(root / name, model.model, kind=model.kind, method=name, data=model.data, **more)
    return root


@pytest.fixture
def run(folders, capsys):
    """The exit code, and what the command says; `model=NAME` are the saved ones."""

    def command(*arguments):
        code = main(
            [argument.replace("model=", f"model={folders}/").replace(",+", f",{folders}/") for argument in arguments]
        )
        return code, *capsys.readouterr()

    return command


def test_lists_need_no_brackets():
    assert listed(["user=1,2", "k=3", "genre=[a,b]", "--help"]) == ["user=[1,2]", "k=3", "genre=[a,b]", "--help"]


def test_a_saved_model_recommends_and_says_why(run):
    code, text, _ = run("model=ials", "user=104", "k=3")
    lines = text.splitlines()
    assert code == 0 and lines[0] == "model: ials, embedding_dim=6, of tiny" and len(lines) == 7
    assert lines[2].startswith(f"user 104, {(USERS == 4).sum()} items in the history: 3 of ")
    assert "because of" in lines[3] and "Film number" in lines[4]


def test_a_file_is_written_whole_with_a_row_for_every_item_of_every_user(run, tmp_path):
    code, text, _ = run("model=ials", "user=all", "k=1000", "format=csv", f"output={tmp_path}/top/all.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "top" / "all.csv").read_text())))
    assert code == 0 and text == f"{tmp_path}/top/all.csv\n"
    assert len(rows) == 40 * NUM_ITEMS - len(TRAIN)


def test_the_three_families_from_one_command_line(run):
    answer = json.loads(run(
        "model=ials,+alternating", "weights=[2,1]", "user=104,105", "include_seen=true",
        "allow={104: [500, Film number 3, 506], 105: [509]}",
        "genre=comedy", "years=[1980,1990]", "prefer={childrens: 0.5}", "format=json",
    )[1])  # fmt: skip
    listed_ = [sorted(row["item"] for row in user["recommendations"]) for user in answer["users"]]
    assert listed_ == [[500, 503, 506], [509]] and len(answer["models"]) == 2
    (user,) = json.loads(run("model=alternating", "history=502,505", "ratings=5,1", "item=503", "format=json")[1])[
        "users"
    ]
    assert 1 <= user["predictions"][0]["stars"] <= 5 and user["predictions"][0]["rmse"] == 0.9


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["model=ials", "user=1040"], "user 1040: no such user among 40; did you mean 104"),
        (["model=ials", "user=104", "item=Film nmber 3"], "did you mean 503 (Film number 3 (1983))"),
        (["model=ials", "usr=104"], "usr: no such key, did you mean user?"),
        (["model=ials", "user=104", "k=1001"], "k: expected an integer from 1 to 1000, got 1001"),
        (["model=ials", "user=104", "format=xml"], "format: expected one of table, json, csv, got 'xml'"),
        (["model=ials", "user=104", "genre=comdy"], "did you mean Comedy?"),
        (["model=gone", "user=104"], "expected a saved model, got no model.json"),
        (["model=", "user=104"], "model: expected one of"),
        (["dataset=ml-10m", "user=104"], "dataset: expected one of synthetic, ml-100k, ml-1m, got 'ml-10m'"),
        (["train=neumf"], "train: expected one of ials, mlp, alternating, got 'neumf'"),
    ],
)
def test_a_wrong_argument_ends_with_one_line_and_exit_code_2(run, arguments, refusal):
    code, text, error = run(*arguments)
    assert code == 2 and text == ""
    assert refusal in error.splitlines()[-1] and error.startswith(("recommend: ", "no model=FOLDER"))


def test_help_has_examples_and_every_key(run):
    code, text, _ = run("--help")
    assert code == 0 and text.count("python -m experiments.recommend ") > 5
    assert all(f"\n{key}: " in text for key in KEYS if key not in ("users", "items"))


def test_without_arguments_a_small_model_of_drawn_data_answers(run):
    code, text, error = run()
    assert code == 0 and "model: ials, embedding_dim=16, of synthetic\n\nuser 0, " in text
    assert error == "no model=FOLDER: training a small one, train=ials of synthetic\n"


@pytest.mark.slow
def test_a_small_learned_similarity_answers_too(run):
    code, text, _ = run("train=mlp", "user=0", "k=2")
    assert code == 0 and text.startswith("model: mlp, embedding_dim=16, of synthetic\n\nuser 0, ")


def test_a_small_model_of_ratings_tells_its_error(run):
    code, text, _ = run("train=alternating", "user=0", "item=3")
    assert code == 0 and "stars ± 0.7" in text


@pytest.mark.realdata
def test_movielens_has_titles_genres_and_means(run, real_data):
    code, text, _ = run("dataset=ml-100k", f"data_dir={real_data}", "user=10", "k=2", "genre=film-noir")
    assert code == 0 and "Film-Noir" in text and "mean" in text
