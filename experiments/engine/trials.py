"""The trials of a search as jobs: stage by stage, each decided by the scores of those before it.

    1   `trials.drawn` trials, each for a third of its epochs
    2   the better half of them for all of their epochs, from there on where its task has checkpoints
    3   `trials.around` trials near the four best so far, each for a third of its epochs
    4   the better half of them for all of their epochs; then 3 and 4 again, `trials.rounds` times in all, ever nearer
    5   the best so far with values of one's own, `trials.by_hand`, halved likewise
    6   the four best again, `trials.num_seeds` seeds in all: what one seed reached by luck may fail with the next

A stage follows from the seed and from stored scores: started again, a search asks for the same runs, and finds those
that are done. All runs compete, the short ones too, until stage 6, whose best in the mean wins. Where a study has
several jobs, each is a search by itself; one with trials.drawn=0 begins at stage 3, around the best of the last one
before it that drew any, from which it may differ in one key: the size.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

from experiments.engine.checkpoints import KEEP, checkpoints_of
from experiments.engine.checks import TuningError, expect
from experiments.engine.config import AXIS, SEEDS
from experiments.engine.jobs import Job, make_job
from experiments.engine.progress import pluralize
from experiments.engine.search import (
    NEAR,
    Options,
    Space,
    Trial,
    around,
    at_an_end,
    by_hand,
    check_space,
    drawn,
    overrides_of,
)
from experiments.engine.task import Compose, Task
from experiments.engine.tuning import candidates, choose, stored_scores, tune_overrides
from ncfjax.store import Store

BEST = 4  # trials that others are drawn around, and that are trained with more seeds
FIRST = 3  # the first look at a trial is after 1 / FIRST of its epochs
_AROUND = 2  # added to the seed: their places are others than those of the drawn ones, which take two


class Stage(NamedTuple):
    """What is trained before the next decision."""

    jobs: list[Job]
    what: str  # "model=dot, 24 trials, the first look"
    done_with: Sequence[Job] = ()  # those whose checkpoints nothing goes on from after it


class Score(NamedTuple):
    """Of a trial, in the better of its runs."""

    value: float
    is_whole: bool  # it is that of the longer run


class _Asked(NamedTuple):
    job: Job
    trials: list[Trial]  # in the order of the job's candidates


class Search:
    """The searches of a study, given as the overrides of its jobs without those that are searched over."""

    def __init__(self, task: Task, all_overrides: Sequence[list[str]], space: Space, compose: Compose):
        """Raises ConfigError where it cannot be: a range that is none, a configuration that cannot be tuned."""
        check_space(space)
        self.task, self.all_overrides, self.space, self.compose = task, all_overrides, space, compose
        self.ends: list[str] = []  # what there is to say of winners at an end of what was tried
        self.without_trials: list[str] = []  # jobs that had no trial to begin around
        self.configs = [self._compose(overrides, drawn(space, 1, 0)) for overrides in all_overrides]
        self._check_tuned()
        self._check_axes()
        self._check_groups()
        self._check_origins()
        self._check_by_hand()

    def _check_tuned(self) -> None:
        for dimension in self.space:
            expected = "one value or a list, unless tune=true"
            expect(dimension.key, self.configs[0].tune, expected, "an interval or choice()")

    def _check_axes(self) -> None:
        searched = {dimension.key for dimension in self.space}
        for config in self.configs:
            for axis, values in vars(config.grid).items():
                is_one = axis == SEEDS or AXIS + axis in searched or len(values or [None]) == 1
                expect(f"{AXIS}{axis}", is_one, "one value or an interval, as other keys are searched over", values)

    def _check_groups(self) -> None:
        """A winner is the winner of one group: what makes another group is no choice of a search."""
        first, group = drawn(self.space, 1, 0)[0], self.task.tuning_group(self.configs[0])
        for k, dimension in enumerate(self.space):
            for text in dimension.values if isinstance(dimension, Options) else ():
                config = self._compose(self.all_overrides[0], [(*first[:k], text, *first[k + 1 :])])
                expected = "a list, as each value has a winner of its own"
                expect(dimension.key, self.task.tuning_group(config) == group, expected, "choice()")

    def _check_origins(self) -> None:
        origin = None
        for overrides, config in zip(self.all_overrides, self.configs, strict=True):
            drawn_count, rounds = config.trials.drawn, config.trials.rounds
            if drawn_count:
                expect("trials.drawn", drawn_count >= BEST, f"0 or an integer >= {BEST}", drawn_count)
                origin = overrides
                continue
            expect("trials.drawn", origin is not None, f"an integer >= {BEST}, of the first job", 0)
            expect("trials.rounds", rounds > 0, "an integer >= 1, as trials.drawn=0", rounds)
            others = [line for line in overrides if line not in origin]
            expected = f"a job that differs in one key from {' '.join(origin)}, around whose best it begins"
            expect("trials.drawn=0", len(others) == 1, expected, " ".join(overrides))

    def _check_by_hand(self) -> None:
        """What is wrong with them shows before anything is run; they are known only after all others."""
        any_trial = drawn(self.space, 1, 0)[0]
        for overrides, config in zip(self.all_overrides, self.configs, strict=True):
            for trial in by_hand(self.space, config.trials.by_hand, any_trial):
                self._compose(overrides, [trial])

    def first(self) -> list[Job]:
        """The jobs of the first stages: what is known before there are scores."""
        there = zip(self.all_overrides, self.configs, strict=True)
        asked = [self._asked(overrides, self._drawn(config), False) for overrides, config in there]
        return [one.job for some in asked for one in some]

    def later(self) -> list[Job]:
        """For each job that draws none, one such as it will have: what is wrong shows before anything is run."""
        there = zip(self.all_overrides, self.configs, strict=True)
        return [self._job(o, drawn(self.space, 1, 0), True) for o, config in there if not config.trials.drawn]

    def stages(self, store: Store) -> Iterator[Stage]:
        """All of them; the runs of one have to be in the store before the next is asked for."""
        self.ends.clear(), self.without_trials.clear()
        origin: dict[Trial, Score] = {}
        for overrides, config in zip(self.all_overrides, self.configs, strict=True):
            scores: dict[Trial, Score] = {}
            name = " ".join(overrides) or self.task.label(config)
            if config.trials.drawn:
                yield from self._halved(store, overrides, self._drawn(config), scores, f"{name}, ")
                origin = scores
            for number in range(config.trials.rounds):
                if best := _best(scores or origin):
                    seed = config.trials.seed + _AROUND + number
                    near = around(self.space, best, config.trials.around, seed, NEAR / (1 + number))
                    yield from self._halved(store, overrides, near, scores, f"{name}, around the best, ")
            if scores and config.trials.by_hand:
                own = by_hand(self.space, config.trials.by_hand, max(scores, key=scores.get))
                yield from self._halved(store, overrides, own, scores, f"{name}, by hand, ")
            if not scores:
                self.without_trials.append(name)
            elif means := (yield from self._confirmed(store, overrides, config, scores, name)):
                winner = max(means, key=means.get)
                self.ends += [f"{name}: the best trial's {said}" for said in at_an_end(self.space, winner, [*scores])]

    def _drawn(self, config) -> list[Trial]:
        return drawn(self.space, config.trials.drawn, config.trials.seed) if config.trials.drawn else []

    def _halved(
        self, store: Store, overrides: list[str], trials: list[Trial], scores: dict[Trial, Score], name: str
    ) -> Iterator[Stage]:
        """Two stages; the scores of the trials are added as soon as they are there."""
        trials = list(dict.fromkeys(trials))
        count = pluralize(len(trials), "trial")
        short = self._asked(overrides, trials, False)
        yield Stage([asked.job for asked in short], f"{name}{count}, the first look")
        first = self._scores(store, short)
        better = sorted(first, key=first.get, reverse=True)[: -(-len(trials) // 2)]
        whole = self._asked(overrides, better, True)
        done_with = [asked.job for asked in short]
        yield Stage([asked.job for asked in whole], f"{name}the better half of {count}", done_with)
        last = self._scores(store, whole)
        for trial, score in first.items():
            scores[trial] = max(Score(score, False), Score(last.get(trial, score), trial in last))

    def _confirmed(
        self, store: Store, overrides: list[str], config, scores: dict[Trial, Score], name: str
    ) -> Generator[Stage, None, dict[Trial, float]]:
        """One stage; returns the mean scores of the best trials over more seeds, or, without these, the scores."""
        if not (seeds := _more_seeds(config)):
            return {trial: score.value for trial, score in scores.items()}
        best, asked = _best(scores), []
        for is_whole in (False, True):
            trials = [trial for trial in best if scores[trial].is_whole == is_whole]
            asked += self._asked(overrides, trials, is_whole, seeds)
        count = pluralize(len(seeds), "seed")
        yield Stage([one.job for one in asked], f"{name}, the best {len(best)} with {count} each")
        return self._scores(store, asked)

    def _asked(
        self, overrides: list[str], trials: Sequence[Trial], is_whole: bool, seeds: Sequence[int] = ()
    ) -> list[_Asked]:
        """The jobs of some trials, those of one program together; with seeds of their own, or those of the study."""
        programs: dict[tuple[str, ...], list[Trial]] = {}
        for trial in trials:
            lines = zip(self.space, overrides_of(self.space, trial), strict=True)
            programs.setdefault(tuple(line for dimension, line in lines if dimension.is_compiled), []).append(trial)
        return [_Asked(self._job(overrides, members, is_whole, seeds), members) for members in programs.values()]

    def _job(self, overrides: list[str], trials: list[Trial], is_whole: bool, seeds: Sequence[int] = ()) -> Job:
        lines = self._lines(overrides, trials)
        look = [] if is_whole else self._first_look(lines)
        if seeds:  # nothing goes on from these runs
            own = f"{AXIS}{SEEDS}=[{','.join(map(str, seeds))}]"
            lines, look = [*lines, own], [line for line in look if line != KEEP]
        return make_job(self.task, [*lines, *look], self.compose)

    def _first_look(self, lines: list[str]) -> list[str]:
        """The overrides that end a job after its first look, from which it can go on."""
        config = self.compose(lines)
        shortened = self.task.shortened(config, FIRST)
        return [*shortened, KEEP] if shortened and self.task.checkpointed_epochs(config) else shortened

    def forget(self, stage: Stage) -> None:
        """Removes what the trials of a stage have gone on from, and what the others will not."""
        for job in stage.done_with:
            if num_epochs := self.task.checkpointed_epochs(job.config):
                checkpoints_of(self.task, job.config, list(job.runs.values())).remove(num_epochs)

    def _lines(self, overrides: list[str], trials: list[Trial]) -> list[str]:
        """Of a job whose members differ in the axes alone."""
        axes = [
            f"{dimension.key}=[{','.join(trial[k] for trial in trials)}]"
            for k, dimension in enumerate(self.space)
            if not dimension.is_compiled
        ]
        lines = zip(self.space, overrides_of(self.space, trials[0]), strict=True)
        shared = [line for dimension, line in lines if dimension.is_compiled]
        return tune_overrides([*overrides, *shared, *axes, "zip=true"])

    def _compose(self, overrides: list[str], trials: list[Trial]):
        return self.compose(self._lines(overrides, trials))

    def _scores(self, store: Store, asked: Sequence[_Asked]) -> dict[Trial, float]:
        """Of the trials that have one: a diverged one has none."""
        if not asked:
            return {}
        stored = stored_scores(self.task, [one.job for one in asked], store)
        there = {}
        for job, trials in asked:
            for candidate, trial in zip(candidates(job), trials, strict=True):
                if winner := choose([candidate], stored):
                    there[trial] = winner.score
        return there


def _best(scores: dict[Trial, Score]) -> list[Trial]:
    """The first of equal ones first."""
    return sorted(scores, key=lambda trial: scores[trial].value, reverse=True)[:BEST]


def _more_seeds(config) -> list[int]:
    """The seeds of the study and those that follow, `trials.num_seeds` in all; none where that is no more."""
    given = list(getattr(config.grid, SEEDS, None) or [])
    missing = config.trials.num_seeds - len(given)
    return [*given, *range(max(given) + 1, max(given) + 1 + missing)] if given and missing > 0 else []


def known(search: Search, store: Store) -> list[Job]:
    """What there is to do: the first stages, and what the stored scores have decided since."""
    first = search.first()
    asked = [job.overrides for job in first]
    return first + [job for job in replayed(search, store) if job.overrides not in asked]


def replayed(search: Search, store: Store) -> list[Job]:
    """The jobs of the stages that the stored scores decide; those of the last one may have missing runs."""
    jobs: list[Job] = []
    try:
        for stage in search.stages(store):
            jobs += stage.jobs
            done = store.completed()
            if any(job.pending(done) for job in stage.jobs):
                break
    except TuningError:  # scores that cannot be read decide nothing
        pass
    return jobs
