"""What a study shows while it trains."""

import io

import pytest

from experiments.engine import progress as module
from experiments.engine.progress import Progress, duration, pluralize, progress


def test_durations_are_readable():
    assert [duration(s) for s in (0.4, 59.4, 59.6, 3661)] == ["0 s", "59 s", "1:00 min", "1:01:01 h"]


def test_a_noun_has_its_number():
    assert [pluralize(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]


def test_within_a_study_there_is_one_progress():
    with progress(10.0, stream=io.StringIO()) as study:
        with progress(3.0, "a job: ") as job:
            job.resume()
            job.advance(4.0, "epoch 1")
        assert job is study and study.done == 4.0
    with progress(3.0, "a job: ", stream=io.StringIO()) as alone:
        assert alone is not study


@pytest.fixture
def clock(monkeypatch):
    """Seconds that only a test lets pass."""
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_the_time_left_follows_from_the_pace_of_the_work_alone(clock):
    bar, stream = (lambda s: (Progress(10.0, "job: ", s, has_bar=False), s))(io.StringIO())
    clock[0] = 100.0  # compiling
    bar.resume()
    clock[0] = 104.0
    bar.advance(2.0, "epoch 1")
    assert lines(stream) == ["job:  20%, 1:44 min gone, about 16 s left, epoch 1"]


def test_lines_come_now_and_then_and_work_beyond_the_total_counts_as_done(clock):
    stream = io.StringIO()
    bar = Progress(4.0, "", stream, has_bar=False)
    for second in (1, 2, 3, 40):
        clock[0] = second
        bar.advance(3.0, f"second {second}")
    assert [line.rsplit(" ", 1)[-1] for line in lines(stream)] == ["1", "40"] and lines(stream)[-1].startswith("100%")


def test_work_that_is_done_elsewhere_is_told_in_lines_also_on_a_terminal(clock):
    bar, stream = (lambda s: (Progress(10.0, "", s, has_bar=True), s))(io.StringIO())
    for seconds, done in ((30.0, 1.0), (31.0, 2.0), (90.0, 5.0)):
        clock[0] = seconds
        bar.elsewhere(done, f"{done:.0f} of 10 runs stored")
    first, last = lines(stream)  # a second later is too soon
    assert first == " 10%, 30 s gone, about 4:30 min left, 1 of 10 runs stored"
    assert last == " 50%, 1:30 min gone, about 1:30 min left, 5 of 10 runs stored" and bar.done == 0


def test_a_terminal_has_a_bar_and_its_jobs_draw_none(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    with progress(2.0, stream=terminal) as study:
        study.show("compiling")
        study.advance(1.0, "epoch 1")
    assert "50% |" in terminal.getvalue() and "epoch 1" in terminal.getvalue()
    terminal = Terminal()
    with progress(2.0, "job: ", stream=terminal) as job:
        job.show("compiling")
        job.advance(1.0, "epoch 1")
    assert terminal.getvalue().startswith("job:  50%, ")


def test_what_an_earlier_command_did_is_no_work_of_this_one():
    stream = io.StringIO()
    bar = Progress(10.0, "", stream, has_bar=False)
    bar.skip(6.0)
    bar.advance(2.0, "half of the rest")
    assert (bar.total, bar.done) == (4.0, 2.0) and " 50%" in stream.getvalue()
    Progress(0.0, "", stream, has_bar=False).advance(0.0, "nothing to do")
    assert "100%, " in stream.getvalue()
