"""The server: what it answers, what it refuses, and many who ask at once."""

import json
import random
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import asdict
from functools import cache

import numpy as np
import pytest

from ncfjax.recommend.recommenders import Recommenders
from ncfjax.recommend.request import Request
from tests.experiments.web.conftest import running
from tests.recommend.models import NUM_ITEMS, NUM_USERS, saved

pytestmark = pytest.mark.slow
MODELS = ("ials", "mlp")  # of the site
MOST_BYTES = 64 * 1024


@cache
def recommenders(name: str) -> Recommenders:
    return Recommenders([saved(name)])


def plain(name: str, values: dict) -> dict:
    """What the command line's function answers, as JSON has it."""
    return json.loads(json.dumps(asdict(recommenders(name).recommend(Request.of(values)))))


# ---- answers


@pytest.mark.parametrize(
    "values",
    [
        {"users": [104], "k": 3},
        {"users": "105", "years": [1985, 2000], "not_genre": ["comedy"], "deny": [506], "include_seen": True},
        {"history": ["Film number 3", 508], "k": 2, "explain": 1},
        {"users": [104, 105], "items": [503]},
        {},
    ],
)
def test_every_model_answers_for_itself_what_the_command_line_answers(site, values):
    reply = site.recommend(**values)
    answers = reply.json["answers"]
    assert reply.status == 200 and reply.headers["content-type"] == "application/json"
    assert [answer["answer"] for answer in answers] == [plain(name, values) for name in MODELS]
    assert [answer["multiplications"] for answer in answers] == [180, 6 * 6 + 30 * (6 * 6 + 6 * 3 + 3)]
    assert all(0 < answer["milliseconds"] < 60_000 for answer in answers)


def test_the_models_are_described_for_a_form(site):
    ials, mlp = site.get("/api/models").json["models"]
    assert ials["model"] == "ials, embedding_dim=6, of tiny" and mlp["method"] == "mlp"
    assert (ials["num_users"], ials["num_items"], ials["first_user"]) == (NUM_USERS, NUM_ITEMS, 100)
    assert ials["genres"] == ["Children's", "Comedy", "Sci-Fi"] and ials["years"] == [1980, 2009]


def test_names_hold_the_text_and_are_few(site):
    assert site.get("/api/names?text=NUMBER+17").json["names"] == ["Film number 17 (1997)"]
    assert len(site.get("/api/names?text=film").json["names"]) == 20
    assert site.get("/api/names?text=%3Cb%3E").json["names"] == []


def test_one_model_that_cannot_answer_says_why_beside_the_others_answer(served):
    with running([served("alternating"), served("ials")]) as site:
        rated, ials = site.recommend(history=[503], ratings=[17]).json["answers"]
    assert rated["error"].startswith("ratings: expected") and "answer" not in rated
    assert ials["answer"]["users"][0]["recommendations"]


def test_a_model_without_a_count_says_why(served):
    with running([served("ease")]) as site:
        (answer,) = site.recommend(users=[104]).json["answers"]
    assert answer["multiplications"] is None and "added up" in answer["not_counted"]


# ---- refusals


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"history": ["Film nmber 3"]}, "no such item among 30; did you mean 503 (Film number 3 (1983))"),
        ({"users": [1040]}, "user 1040: no such user among 40; did you mean 104"),
        ({"users": [104], "k": 1001}, "k: expected an integer from 1 to 1000, got 1001"),
        ({"users": [104], "k": "10"}, "k: expected an integer from 1 to 1000, got '10'"),
        ({"user": [104]}, "user: no such key, did you mean users?"),
        ({"users": [104], "genre": "comdy"}, "did you mean Comedy?"),
        ({"users": [104], "prefer": {"Comedy": 10**400}}, "prefer: expected {GENRE: NUMBER, ...}"),
        ({"users": [104], "years": [10**30, None], "num_ratings": [10**30, None], "k": 10**400}, "k: expected an"),
        ({"users": [104], "weights": [1]}, "weights: expected none, as each model answers for itself"),
        ({"users": "all"}, "users: expected some, got 'all'"),
        ({"users": [*range(100, 140)], "k": 26}, "expected at most 1,000 rows in an answer"),
        ({"history": ["\ud800"]}, "no such item among 30"),
        ({"history": ["x" * 60_000]}, "no such item among 30"),
    ],
)
def test_what_cannot_be_is_refused_in_the_words_of_the_command_line(site, values, message):
    reply = site.recommend(**values)
    assert reply.status == 400 and list(reply.json) == ["error"] and message in reply.json["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "expected JSON, got JSONDecodeError"),
        ('{"k": 1', "expected JSON, got JSONDecodeError"),
        (b"\xff\xfe\xff", "expected JSON, got "),
        ("[" * 60_000, "expected JSON, got RecursionError"),
        ('{"k": 1' + "0" * 5_000 + "}", "expected JSON, got ValueError"),
        ("[1]", "expected an object of keys and values, got list"),
        ('{"users": [104], "prefer": {"Comedy": NaN}}', "prefer: expected"),
    ],
)
def test_what_is_no_request_is_refused(site, body, message):
    reply = site.ask("POST", "/api/recommend", body, Content_Type="application/json")
    assert reply.status == 400 and reply.json["error"].startswith(message)


def test_numbers_too_large_for_an_array_leave_nothing(site):
    (answer, _) = site.recommend(users=[104], years=[10**30, None], num_ratings=[10**30, None]).json["answers"]
    assert answer["answer"]["users"][0]["num_candidates"] == 0


def test_a_body_that_is_too_long_or_no_json_is_refused(site):
    longest = json.dumps({"users": [104]}).ljust(MOST_BYTES)
    assert site.ask("POST", "/api/recommend", longest, Content_Type="application/json").status == 200
    reply = site.ask("POST", "/api/recommend", longest + " ", Content_Type="application/json")
    assert reply.status == 413 and "65,536 bytes" in reply.json["error"]
    reply = site.ask("POST", "/api/recommend", "{}", Content_Type="text/plain")
    assert reply.status == 415 and reply.json["error"] == "Content-Type: expected application/json, got text/plain"


def test_an_address_or_a_method_that_there_is_not_is_refused_as_json(site):
    assert (site.get("/nothing").status, site.get("/nothing").json) == (404, {"error": "Not Found"})
    reply = site.get("/api/recommend?users=104")
    assert (reply.status, reply.json, reply.headers["allow"]) == (405, {"error": "Method Not Allowed"}, "POST")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::1]:8000"])
def test_another_host_is_refused_so_that_no_name_can_be_led_here(site, host):
    reply = site.get("/api/models", Host=host)
    assert reply.status == 421 and reply.json == {"error": "Host: expected 127.0.0.1 or localhost, got another"}
    assert site.get("/api/models", Host="LocalHost:9").status == 200


def test_every_answer_forbids_to_load_from_elsewhere(site):
    for reply in (site.get("/"), site.get("/page.js"), site.get("/api/models"), site.get("/no"), site.recommend(k=0)):
        assert reply.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert reply.headers["x-content-type-options"] == "nosniff" and "access-control" not in str(reply.headers)


def test_the_page_names_nothing_elsewhere(site):
    texts = [site.get(path).text for path in ("/", "/page.css", "/page.js")]
    assert all(len(text) > 1_000 for text in texts)
    assert not any("//" in text.replace("// ", "") for text in texts), "an address of another machine"
    assert not any(word in texts[2] for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("))


@pytest.mark.parametrize(
    ("work", "fault"),
    [
        (lambda request: {}["gone"], "KeyError: 'gone'"),
        (lambda request: np.zeros(2) + np.zeros(3), "ValueError: operands could not be broadcast together"),
        (lambda request: {"answer": np.nan}, "ValueError: Out of range float values are not JSON compliant"),
    ],
    ids=["a key", "shapes", "no JSON"],
)
def test_a_fault_of_ours_is_one_message_with_the_usual_headers(served, monkeypatch, capfd, work, fault):
    model = served("ials")
    monkeypatch.setattr(model, "answer", work)
    with running([served("mlp"), model]) as site:
        reply = site.recommend(users=[104])
        assert site.get("/").status == 200
    name = fault.partition(":")[0]
    assert (reply.status, reply.json) == (500, {"error": f"{name}: the terminal of the server says more"})
    assert "content-security-policy" in reply.headers and fault in capfd.readouterr().err


# ---- many at once


def test_two_hundred_at_once_get_the_answers_that_each_gets_alone(site):
    rng = random.Random(0)
    different = [{"users": [101 + 3 * place], "k": (1, 5, 10)[place % 3]} for place in range(12)]
    histories = [{"history": [500 + 9 * place], "k": 5} for place in range(2)]
    alone = {json.dumps(values): [plain(name, values) for name in MODELS] for values in different + histories}
    questions = rng.choices(different, k=195) + rng.choices(histories, k=5)
    together = threading.Barrier(len(questions))

    def ask(values):
        together.wait()
        return site.recommend(**values)

    with ThreadPoolExecutor(len(questions)) as pool:
        replies = list(pool.map(ask, questions))
    assert {reply.status for reply in replies} == {200}
    for values, reply in zip(questions, replies, strict=True):
        assert [answer["answer"] for answer in reply.json["answers"]] == alone[json.dumps(values)]


def test_a_full_queue_is_said_and_the_server_stays_able_to_talk(served, monkeypatch):
    model, begun, go_on = served("ials"), threading.Semaphore(0), threading.Event()
    answer = model.answer

    def wait(request):
        begun.release()
        assert go_on.wait(60)
        return answer(request)

    monkeypatch.setattr(model, "answer", wait)
    with running([model], threads=1, waiting=1) as site, ThreadPoolExecutor(3) as pool:
        try:
            replies = [pool.submit(site.recommend, users=[104])]
            assert begun.acquire(timeout=60)
            replies += [pool.submit(site.recommend, users=[105]) for _ in range(2)]  # one waits, for the other no place
            (refused,), waiting = wait_for(replies, timeout=60, return_when=FIRST_COMPLETED)
            assert site.get("/").status == 200
        finally:
            go_on.set()
        assert (refused.result().status, refused.result().headers["retry-after"]) == (503, "1")
        assert refused.result().json == {"error": "1 requests wait already; try again in a moment"}
        assert [reply.result().status for reply in waiting] == [200, 200]
        assert site.recommend(users=[106]).status == 200
