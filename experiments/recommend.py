"""python -m experiments.recommend: what trained models recommend and predict, for a user, many users or a history.

    python -m experiments.recommend                                       a small model of drawn data, its first user
    python -m experiments.recommend dataset=ml-100k user=10               and what of the history they come from
    python -m experiments.recommend dataset=ml-100k 'history=["Star Wars (1977)", 98]' k=5
    python -m experiments.recommend dataset=ml-100k train=alternating user=10 item=98,172
    python -m experiments.recommend dataset=ml-100k user=10 genre=comedy 'years=[1990,1999]' 'prefer={romance: 0.5}'
    python -m experiments.recommend model=results/sweep/models/RUN_ID user=10 'deny=[50,100]' include_seen=true
    python -m experiments.recommend model=FOLDER,OTHER_FOLDER 'weights=[2,1]' user=all format=csv output=top.csv

    recommend      user (one, several, all), or history with or without ratings; without either what is popular
    predict        the same with item: stars and their error of a model of ratings, else the score and its percentile
    constrained    allow, deny, genre, not_genre, years, title, num_ratings; prefer adds to scores; several models blend

Users and items go by the ids of their data set's files, items by titles too. Models are folders that save_models=true
of sweep, baselines and ratings leaves; without one a small one is trained. Keys are Hydra overrides: quote what has
brackets or spaces. docs/recommend.md explains them.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from experiments.cli.compose import compose_alone
from experiments.cli.reader import expect_folders, run, with_keys, write_files
from experiments.engine.checks import expect

FIRST = ["user=0"]  # of the drawn data, where nothing is asked
PATHS = ("model", "data_dir", "output")
# Ids may look like numbers: 007 is not 7.
TEXTS = ("dataset", "train", "format", "user", "history", "item", "allow", "deny", "genre", "not_genre", "title")


def recommend(arguments: Sequence[str]) -> None:
    """Prints, or writes, the answer to what the command line asks.

    Raises:
        ValueError, HydraException, OmegaConfBaseException, OSError: whatever is wrong with it.
    """
    config = compose_alone("recommend", arguments or FIRST, TEXTS, PATHS, lists=True)
    from experiments.cli.answers import FORMATS, as_format  # JAX takes a second, and --help needs none
    from experiments.engine.device import prepare
    from experiments.tasks.loading import models_of
    from ncfjax.recommend.recommenders import Recommenders
    from ncfjax.recommend.request import KEYS, Request

    expect("format", config["format"] in FORMATS, f"one of {', '.join(FORMATS)}", config["format"])
    config |= {"users": config["user"], "items": config["item"]}
    request = Request.of({name: config[name] for name in KEYS})
    path = None if config["output"] is None else Path(config["output"])
    if path:
        expect("output", not path.is_dir(), "a file", config["output"])
        expect_folders([path.parent])
    prepare()
    text = as_format(Recommenders(models_of(config, [config["train"]])).recommend(request), config["format"])
    if path is None:
        return print(text)
    write_files({path: f"{text}\n".encode()})
    print(path)


def main(arguments: Sequence[str]) -> int:
    return run("recommend", partial(with_keys, __doc__, "recommend"), arguments, recommend)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
