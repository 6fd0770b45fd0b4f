"""The page in a browser: what it shows, how it asks, and that a text stays a text."""

import dataclasses
import html
import re
import shutil
import subprocess
from functools import cache
from urllib.parse import urlencode

import pytest

from ncfjax.recommend.request import Refused
from tests.experiments.web.conftest import running
from tests.recommend.models import saved

pytestmark = pytest.mark.slow
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
EVIL = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"> & (1980)"


@pytest.fixture(scope="session")
def shown(tmp_path_factory):
    """The page after its script, as HTML."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"needs a browser, one of {', '.join(BROWSERS)}")
    profile = tmp_path_factory.mktemp("profile")

    @cache  # a browser takes two seconds to start
    def dumped(address: str) -> str:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
        command = [browser, *flags, f"--user-data-dir={profile}", address]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return lambda site, **values: dumped(f"http://127.0.0.1:{site.port}/?{urlencode(values, doseq=True)}")


def texts(page: str, name: str) -> list[str]:
    return [html.unescape(text) for text in re.findall(rf'class="{name}">([^<]*)<', page)]


def test_two_models_are_shown_side_by_side_with_what_they_cost(site, shown):
    page = shown(site, user=104, k=3, genre=["Comedy", "Sci-Fi"], why="true")
    answers = site.recommend(users=[104], k=3, genre=["Comedy", "Sci-Fi"]).json["answers"]
    rows = [row for answer in answers for row in answer["answer"]["users"][0]["recommendations"]]
    assert texts(page, "title") == [row["title"] for row in rows] and len(rows) == 6
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["ials, embedding_dim=6, of tiny", "mlp, of tiny"]
    assert re.findall(r"<dt>multiplications</dt><dd>([\d,]+)</dd>", page) == ["180", "1,746"]
    assert len(re.findall(r"<dt>milliseconds</dt><dd>[\d.]+</dd>", page)) == 2
    assert "because of Film number" in page and "Multiplications differ by a factor of 9.7." in page


HISTORY = {"who": "history", "history": "Film number 3\n508", "deny": "Film number 5", "k": 30}


def test_a_history_and_what_is_denied_are_asked_for_line_by_line(site, shown):
    page = shown(site, **HISTORY)
    assert page.count("somebody new, 2 films in the history, 27 candidates") == 2
    assert "Film number 5 (1985)" not in texts(page, "title") and "is folded in by a ridge solve" in page
    assert "because" not in page


def test_a_refusal_is_shown_in_place_with_the_names_that_come_closest(site, shown):
    page = shown(site, user=1040)
    (error,) = re.findall(r'<p id="error" class="error" role="alert">(.*?)</p>', page)
    assert html.unescape(error).startswith("user 1040: no such user among 40; did you mean 104")
    assert not texts(page, "title")


def test_a_title_or_a_refusal_that_holds_a_script_is_shown_as_text(served, shown, monkeypatch):
    """One of three models refuses: the other two are compared."""
    from experiments.web.served import Served

    def refuse(request):
        raise Refused(EVIL)

    refusing = served("popularity")
    monkeypatch.setattr(refusing, "answer", refuse)

    data = saved("ials").data
    titles = (EVIL, *data.movies.titles[1:])
    evil = dataclasses.replace(data, movies=data.movies._replace(titles=titles, genres=("<b>A", "<b>B", "<b>C")))
    models = [Served(dataclasses.replace(saved("ials"), data=evil)), served("mlp"), refusing]
    with running(models) as site:
        page = shown(site, who="history", history="501", k=30)
    assert EVIL in texts(page, "title") and texts(page, "error")[1:] == [EVIL]  # the first is shown without a script
    assert "29 films are in every list. Multiplications differ by a factor of 9.7." in page
    assert "<title>ncfjax: model beside model</title>" in page and "<img" not in page and "<b>A" not in page
    assert page.count("<script") == 1


def test_every_input_has_a_label(site, shown):
    page = shown(site, **HISTORY)
    inputs = re.findall(r'<(?:input|textarea)[^>]*\bid="([\w-]+)"', page)
    labelled = set(re.findall(r'<label for="([\w-]+)"', page)) | {"include_seen", "why"}  # which stand within theirs
    assert len(inputs) == 10 and set(inputs) <= labelled
    boxes = re.findall(r"<(\w+)[^>]*><input[^>]*type=\"(?:checkbox|radio)\"", page)
    assert len(boxes) == 2 + 2 * 3 + 2 and set(boxes) == {"label"}
