"""The study's headline table with error bars: simple methods, the dot product and the learned similarities.

over seeds   half the 95 % t-interval of the mean over runs; a method without a seed has none
over users   half the 95 % interval of the mean over the users that were asked, 1.96 s / sqrt(users), s the standard
             deviation of a user's mean over runs: what another draw of users would change

python -m experiments.plot headline         results/baselines-ml-1m/figures/headline.png and .svg
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from experiments.columns import COLUMNS, SAMPLED, K
from experiments.comparison import markdown, signed, text
from experiments.contenders import Published, Standing, standings
from experiments.lines import Estimate, estimate
from experiments.panels import COLOURS, save, slide
from ncfjax.store import Store

HEAD = (
    "| method | HR@10 paper | ours | over users | difference | NDCG@10 paper | ours | over users | difference "
    "| full HR@10 | full NDCG@10 | seeds | hyperparameters | source | command |"
)
# What a name begins with -> its colour: simple methods, dot products of learned vectors, learned similarities.
_KINDS = {"iALS": 0, "MF": 0, "GMF": 1, "MLP": 1, "NeuMF": 1}
_LABELS = ("dot product of learned vectors", "learned similarity", "item-based, popularity")


def headline(store: Store, folder: Path) -> tuple[str, list[Path]]:
    """The table in Markdown, and the paths of headline.png and .svg; `store` is that of the baselines.

    Raises:
        ValueError, StoreError, OSError: see `standings` and `save`.
    """
    found = standings(store.folder.parent)
    return table(found), save(folder / "headline", lambda: draw(found))


def table(found: Sequence[Standing]) -> str:
    """A row per contender in the order of CONTENDERS; one without a row in its table says so."""
    return markdown(HEAD, [_cells(of) for of in found])


def _cells(of: Standing) -> list[str]:
    contender, published = of.contender, of.contender.published
    source = published.source if published else ""
    last = [contender.setting, source, f"`{contender.command}`"]
    if of.rows.empty:
        papers = [_paper(published, column) for column in SAMPLED]
        return [contender.name, papers[0], "not run yet", "", "", papers[1], *[""] * 6, *last]
    cells = [contender.name]
    for column in SAMPLED:
        mean = over_seeds(of, column)
        cells += [_paper(published, column), text(mean), f"± {over_users(of, column):.4f}"]
        cells.append(signed(mean.mean - _value(published, column), published.digits) if published else "")
    full = [text(over_seeds(of, column)) for column in COLUMNS if column not in SAMPLED]
    seeds = str(len(of.rows)) if of.rows["seed"].notna().all() else ""
    return [*cells, *full, seeds, *last]


def _value(published: Published, column: str) -> float:
    return published.hit_ratio if column.startswith("hit") else published.ndcg


def _paper(published: Published | None, column: str) -> str:
    return f"{_value(published, column):.{published.digits}f}" if published else ""


def over_seeds(of: Standing, column: str) -> Estimate:
    """Mean over the runs and the half-width of its 95 % t-interval."""
    return estimate(of.rows[column].to_numpy(float))


def over_users(of: Standing, column: str) -> float:
    """The half-width of the mean over users."""
    shown = COLUMNS[column]
    ranks = np.stack([of.store.ranks(run_id)[shown.protocol] for run_id in of.rows["run_id"]])
    of_users = np.asarray(shown.metric(ranks[..., None], K)).mean(axis=0)
    return float(1.96 * stats.sem(of_users))


# ---- the figure


def draw(found: Sequence[Standing]) -> Figure:
    """Each metric from the sampled protocol (left) to the full catalogue (right): methods that cross change places.

    Places are by the mean over runs, which stands beside the name.
    """
    figure, shown = slide(), [of for of in found if len(of.rows)]
    pairs = [[name for name, column in COLUMNS.items() if column.name == metric] for metric in (f"HR@{K}", f"NDCG@{K}")]
    for axes, columns in zip(figure.subplots(1, 2), pairs, strict=True):
        _draw_metric(axes, shown, columns)
    handles = [figure.axes[0].plot([], [], "o-", color=COLOURS[n], label=label)[0] for n, label in enumerate(_LABELS)]
    figure.legend(handles=handles, loc="outside lower left", ncols=3, frameon=False)
    figure.suptitle("MovieLens-1M: the order of the methods under both protocols", x=0.01, ha="left")
    return figure


def _draw_metric(axes: Axes, shown: Sequence[Standing], columns: Sequence[str]) -> None:
    means = [np.array([over_seeds(of, column).mean for of in shown]) for column in columns]
    places = [np.argsort(np.argsort(-of, kind="stable")) for of in means]
    for number, of in enumerate(shown):
        name = of.contender.name
        (left, right), ends = (values[number] for values in means), [place[number] for place in places]
        axes.plot([0, 1], ends, "o-", color=COLOURS[_KINDS.get(name.split()[0], 2)], lw=2)
        axes.text(-0.1, ends[0], f"{name}  {left:.4f}", ha="right", va="center", fontsize=12)
        axes.text(1.1, ends[1], f"{right:.4f}  {name}", ha="left", va="center", fontsize=12)
    name = COLUMNS[columns[0]].name
    axes.text(-0.1, -1, f"{name}, 1 + 99 sampled", ha="right", va="center", fontsize=13, weight="bold")
    axes.text(1.1, -1, f"{name}, full catalogue", ha="left", va="center", fontsize=13, weight="bold")
    axes.set_xlim(-2.3, 3.3)  # a name needs about twice the room of the lines
    axes.set_ylim(len(shown) - 0.5, -1.5)
    axes.set_axis_off()
