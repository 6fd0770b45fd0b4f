"""python -m experiments.imitate: how far a network stays behind the dot product that it is trained to imitate.

    python -m experiments.imitate num_users=4000,8000 embedding_dim=16 width_multiplier=1,2 grid.seed=0,1

Figure 3 of Rendle et al. (2020), variants of its network, and the distillation of a dot model fitted to a data set.
--help explains the command line; conf/imitate.yaml holds the keys and their defaults, experiments/tasks/imitator what
is different about this kind of run. Rerun a command to continue it.
"""

from experiments.cli.entry import EntryPoint
from experiments.cli.main import main as run
from experiments.tasks.imitator.task import TASK
from ncfjax.store import Store


def table(store: Store, run_ids: set[str]) -> str:
    """The cells of Figure 3 beside the paper's; of a recommender, what is lost where a network ranks in its place."""
    from experiments.analysis import distillation, figure3
    from experiments.figures.distillation import distilled_table
    from experiments.figures.figure3 import gap_table

    runs = store.runs()
    runs = runs[runs["run_id"].isin(list(run_ids))]
    if runs["target"].eq("dot").all():
        return gap_table(figure3.gap_cells(runs))
    return distilled_table(distillation.distilled_cells(store, run_ids))


ENTRY = EntryPoint(TASK, table=table)


def main() -> None:
    run(ENTRY)


if __name__ == "__main__":
    main()
