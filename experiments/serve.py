"""python -m experiments.serve: a page on this machine over trained models, side by side.

    python -m experiments.serve                                       two small models of drawn data
    python -m experiments.serve dataset=ml-100k                       two of MovieLens-100K, trained in some seconds
    python -m experiments.serve model=FOLDER,OTHER_FOLDER port=8080
    curl 127.0.0.1:8000/api/recommend -H 'Content-Type: application/json' -d '{"users": [9], "k": 5}'

The page asks for whom, what kinds of film, from which years, and which not. Every model answers for itself, with its
milliseconds and its multiplications. Models are folders that save_models=true of sweep, baselines and ratings leaves;
without one a dot product (iALS) and a learned similarity (an MLP) are trained. Ctrl-C ends it.

It listens on 127.0.0.1 alone, and no data leave the machine. It needs `pip install -e '.[serve]'`. docs/serve.md.
"""

import sys
from collections.abc import Sequence
from functools import partial

from experiments.cli.compose import compose_alone
from experiments.cli.reader import run, with_keys
from experiments.engine.checks import ConfigError, expect

PATHS = ("model", "data_dir")
SMALL = ("ials", "mlp")  # a dot product and a learned similarity


def serve(arguments: Sequence[str]) -> None:
    """Answers until Ctrl-C.

    Raises:
        ValueError, HydraException, OmegaConfBaseException, OSError: whatever is wrong with the arguments.
    """
    config = compose_alone("serve", arguments, ["dataset"], PATHS, lists=True)
    try:
        from experiments.web import server
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise ConfigError(f"expected {missing}, got none: pip install -e '.[serve]'") from error
    from threadpoolctl import threadpool_limits

    from experiments.engine.device import prepare
    from experiments.tasks.loading import models_of
    from experiments.web.app import make_app
    from experiments.web.served import side_by_side
    from experiments.web.workers import Workers

    for key, least in (("threads", 1), ("waiting", 0)):
        expect(key, type(config[key]) is int and config[key] >= least, f"an integer >= {least}", config[key])
    with server.listen(config["port"]) as listener:
        prepare()
        threadpool_limits(1, "blas")  # NumPy's products are small here, and threads of a busy core are waited for
        models = side_by_side(models_of(config, SMALL))
        for number, model in enumerate(models, start=1):
            model.warm_up()
            print(f"model {number}: {model.cost['model']}", flush=True)
        workers = Workers(config["threads"], config["waiting"])
        print(f"{server.address(listener)}    (Ctrl-C ends it)", flush=True)
        server.serve(make_app(models, workers), listener)
        workers.close()


def main(arguments: Sequence[str]) -> int:
    help_text = partial(with_keys, __doc__, "serve")
    return run("serve", help_text, arguments, serve, stopped="nothing was written")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
