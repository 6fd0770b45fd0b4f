"""python -m experiments.baselines: well-tuned simple methods under the protocols of the sweep; rerun it to continue.

    python -m experiments.baselines dataset=ml-1m baseline=ease tune=true grid.regularization=200,500,1000,2000

--help explains the command line; conf/baselines.yaml holds the keys and their defaults, conf/baseline/ those of each
method, experiments/tasks/baseline what is different about this kind of run.
"""

from experiments.cli.entry import EntryPoint
from experiments.cli.main import main as run
from experiments.tasks.baseline.task import TASK

ENTRY = EntryPoint(TASK)


def main() -> None:
    run(ENTRY)


if __name__ == "__main__":
    main()
