"""What a score costs and what can be served (analysis/retrieval.py): tables, two figures, and the answer in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.pairwise import NO_DIFFERENCE, PairwiseTest, family_size
from experiments.analysis.retrieval import (
    ENOUGH,
    IMITATIONS,
    RANKED,
    RECALL,
    Catalogue,
    Search,
    common_stages,
    own_rankings,
)
from experiments.figures import panels
from experiments.figures.markdown import difference_text, p_text, table
from ncfjax.cost import REPORT_EMBEDDING_DIM

MS, SHARE, COUNT = "milliseconds_per_query", "share_scored", "multiplications"
COSTS = (
    "| model | d | layers | seeds | HR@10 | NDCG@10 | multiplications, pair by pair | first layer split "
    "| ms, pair by pair | first layer split | queries/s |"
)
STAGES = (
    "| model | d | first stage | HR@10 less the model's | NDCG@10 less the model's | better | recall@10, 1 % re-ranked "
    "| 3 % | least of the seeds | ms | ms, new user | times exact search |"
)
SEARCHES = "| model | d | search | recall@10 | share scored | full HR@10 | ms | times exact search | build s | MB |"
NEAR = 0.99  # of recall@10: that much, and a model can be served through its imitation
NAMES = {
    "ivf": "faiss IVF",
    "hnsw": "faiss HNSW",
    "svd": "SVD",
    "cur": "CUR",
    "distill_ranking": "distilled",
}


@dataclass(frozen=True)
class Retrieval:
    """Of one data set's catalogue."""

    catalogues: list[Catalogue]
    tests: dict[str, list[PairwiseTest]]  # of first stages as they are

    def test(self, column: str, stage: Search) -> PairwiseTest:
        return next(test for test in self.tests[column] if test.ours is stage)


def search_name(search: Search) -> str:
    """ "SVD, rank 32"."""
    return NAMES.get(search.method, search.method) + (f", rank {search.rank}" if search.rank else "")


def retrieval(found: list[Catalogue]) -> Retrieval:
    return Retrieval(found, own_rankings(found))


# ---- tables


def tables(numbers: Retrieval) -> str:
    family = family_size(numbers.tests[RANKED[0]])
    rule = (
        f"First stages as they are, against the model whose scores they imitate; corrected by Holm over {family} pairs "
        "for each metric. Theirs are all held-out users; recall is of those who ask. Times are of one query after the "
        "other; of a new user the scores of the anchor items are computed first, where there are such."
    )
    titled = {
        "Every item scored": costs_table(numbers.catalogues),
        "Two stages": f"{stages_table(numbers)}\n\n{rule}",
        "recall@10 with 3 % re-ranked, by the rank of an SVD": ranks_table(numbers.catalogues),
        f"The least effort that finds {ENOUGH:.0%}, and the whole best cluster": searches_table(numbers.catalogues),
    }
    return "\n\n".join(f"**{title}**\n\n{text}" for title, text in titled.items() if text)


def costs_table(found: Sequence[Catalogue]) -> str:
    return table(COSTS, map(_costs, found))


def _costs(one: Catalogue) -> list[object]:
    exact, pairs = one.exact, one.pairs
    quality = [f"{exact.value(column):.4f}" for column in RANKED]
    searches = (pairs, exact)
    counted = [f"{search.value(COUNT):,.0f}" if search else None for search in searches]
    measured = [f"{search.value(MS):.2f}" if search else None for search in searches]
    at_once = f"{exact.value('queries_per_second'):,.0f}"
    return [one.name, one.embedding_dim, one.layers, len(exact), *quality, *counted, *measured, at_once]


def stages_table(numbers: Retrieval) -> str:
    rows = [_stage(numbers, one, stage) for one, stage in common_stages(numbers.catalogues)]
    return table(STAGES, rows)


def _stage(numbers: Retrieval, one: Catalogue, stage: Search) -> list[object]:
    tests = [numbers.test(column, stage) for column in RANKED]
    better = ", ".join(_better(test) for test in tests)
    ranked = {share: reranked(one, stage, share) for share in (0.01, 0.03)}
    recalls = [f"{search.value(RECALL):.4f}" if search else None for search in ranked.values()]
    last = ranked[0.03] or ranked[0.01]
    times = [None] * 4
    if last is not None:
        new = last.value("milliseconds_per_new_query")
        times = [f"{last.least_recall:.4f}", f"{last.value(MS):.2f}", f"{new:.2f}", f"{one.speed_up(last):.1f}"]
    differences = [f"{difference_text(test.comparison)}, p = {p_text(test.p_value)}" for test in tests]
    return [one.name, one.embedding_dim, search_name(stage), *differences, better, *recalls, *times]


def _better(test: PairwiseTest) -> str:
    if test.winner == NO_DIFFERENCE:
        return NO_DIFFERENCE
    return "first stage" if test.winner == test.ours.name else "model"


def reranked(one: Catalogue, stage: Search, share: float) -> Search | None:
    """The same first stage with most candidates, but no more than this share of the catalogue, to .1 %."""
    same = [search for search in one.of(stage.method) if (search.sizes, search.probes) == (stage.sizes, None)]
    found = [s for s in same if s.num_candidates and round(s.num_candidates / one.num_items, 3) <= share]
    return found[-1] if found else None


def by_rank(one: Catalogue) -> list[Search]:
    """SVDs of several ranks, each with most candidates within 3 % of the items; none of a dot product."""
    searches = [reranked(one, stage, 0.03) for stage in one.of("svd") if stage.num_candidates == 0]
    found = sorted((search for search in searches if search), key=lambda search: search.rank)
    return found if one.is_learned and len(found) > 1 else []


def ranks_table(found: Sequence[Catalogue]) -> str:
    several = {id(one): {search.rank: search for search in by_rank(one)} for one in found if by_rank(one)}
    if not several:
        return ""
    ranks = sorted({rank for searches in several.values() for rank in searches})
    rows = []
    for one in found:
        if searches := several.get(id(one)):
            values = [f"{searches[rank].value(RECALL):.4f}" if rank in searches else None for rank in ranks]
            rows.append([one.name, one.embedding_dim, min(map(len, searches.values())), *values])
    return table(f"| model | d | least seeds | {' | '.join(f'rank {rank}' for rank in ranks)} |", rows)


def searches_table(found: Sequence[Catalogue]) -> str:
    rows = []
    for one in found:
        best_cluster = [search for search in one.of("clusters") if search.probes == 1]
        least = [one.least_effort(method) for method in ("clusters", "ivf", "hnsw", *IMITATIONS)]
        rows += [_searched(one, search) for search in (*best_cluster, *filter(None, least))]
    return table(SEARCHES, rows)


def _searched(one: Catalogue, search: Search) -> list[object]:
    share, hit_ratio = search.value(SHARE), search.value("full_hit_ratio@10")
    return [
        one.name,
        one.embedding_dim,
        f"{search_name(search)}: {search.effort}",
        f"{search.value(RECALL):.3f}",
        f"{share:.3f}" if share == share else None,
        f"{hit_ratio:.4f}" if hit_ratio == hit_ratio else None,
        f"{search.value(MS):.2f}",
        f"{one.speed_up(search):.1f}",
        f"{search.value('build_seconds'):.1f}",
        f"{search.value('memory_bytes') / 1e6:.1f}",
    ]


# ---- the figure of one data set


def middle(found: Sequence[Catalogue], model: str) -> list[Catalogue]:
    """Of the models that were trained here from scratch, those of the middle size; the report's is none of them."""
    plain = [one for one in found if one.model == model and not one.kind and one.embedding_dim != REPORT_EMBEDDING_DIM]
    dims = sorted({one.embedding_dim for one in plain})
    return [one for one in plain if one.embedding_dim == dims[len(dims) // 2]] if dims else []


def _lines(found: Sequence[Catalogue]) -> list[tuple[str, list[Search]]]:
    """Of the middle sizes: of each method the index with most runs, in the order of effort."""
    drawn = {
        "dot": ("clusters", "hnsw"),
        "mlp": ("clusters", "svd", "distill_ranking"),
        "neumf": ("clusters", "distill_ranking"),
    }
    lines = []
    for model, methods in drawn.items():
        for one, method in [(one, method) for one in middle(found, model)[:1] for method in methods]:
            by_index: dict[str, list[Search]] = {}
            for search in one.of(method):
                by_index.setdefault(search_name(search), []).append(search)
            if by_index:
                name, searches = max(by_index.items(), key=lambda item: sum(map(len, item[1])))
                lines.append((f"{one.label}: {name}", searches))
    return lines


def _draw_ranks(axes: Axes, found: Sequence[Catalogue]) -> None:
    """Recall by the rank of an SVD, of learned similarities with several."""
    for number, one in enumerate(one for one in found if by_rank(one)):
        points = [(search.rank, search.value(RECALL)) for search in by_rank(one)]
        style = panels.line_style(number) | {"ls": "--", "mfc": "white"}
        axes.plot(*zip(*points, strict=True), label=f"{one.label}: SVD by rank", **style)


def draw(numbers: Retrieval) -> Figure:
    """Recall against the share of the catalogue that the model scores, against time, and against the rank of an SVD."""
    figure, lines = panels.new_figure(), _lines(numbers.catalogues)
    has_ranks = any(by_rank(one) for one in numbers.catalogues)
    by_share, by_time, *by_ranks = figure.subplots(1, 2 + has_ranks, sharey=True)
    for number, (label, searches) in enumerate(lines):
        for axes, column in ((by_share, SHARE), (by_time, MS)):
            points = [(search.value(column), search.value(RECALL)) for search in searches if search.value(column) > 0]
            if points:
                axes.plot(*zip(*sorted(points), strict=True), label=label, **panels.line_style(number))
    for number, model in enumerate(("dot", "mlp", "neumf")):
        for one in middle(numbers.catalogues, model)[:1]:
            style = {"color": "#404040", "ls": (":", "--", "-.")[number], "lw": 1.5, "zorder": 1}
            by_time.axvline(one.exact.value(MS), label=f"{one.label}: every item", **style)
    labels = {by_share: ("recall@10", "share scored by the model"), by_time: ("recall@10", "milliseconds per query")}
    for axes in by_ranks:
        _draw_ranks(axes, numbers.catalogues)
        labels[axes] = "recall@10, 3 % re-ranked", "rank of the imitation"
    for axes, (title, label) in labels.items():
        axes.set_title(title, loc="left")
        axes.set_xlabel(label)
        axes.set_xscale("log", base=2 if axes in by_ranks else 10)
    title = f"What is found of a model's ten best items: {_dataset(numbers)}"
    return panels.complete(figure, title, [label for label, _ in lines])


# ---- in words


def answer(numbers: Retrieval) -> str:
    """How much two stages find, and what their first stage is worth alone."""
    learned = common_stages(numbers.catalogues)
    parts = [text for share in (0.03, 0.01) if (text := _found(learned, share))]
    if not parts:
        raise ValueError("expected first stages of learned similarities, and candidates that are re-ranked, got none")
    tests = numbers.tests[RANKED[1]]
    same = sum(test.winner == NO_DIFFERENCE for test in tests)
    worse = sum(_better(test) == "model" for test in tests)
    best = max(tests, key=lambda test: test.comparison.difference)
    return (
        f"{_dataset(numbers)}: of a learned similarity's ten best items a dot product that imitates it finds, with "
        f"{'; with '.join(parts)}.{_price(numbers)} As a recommender of its own, by NDCG@10, the imitation is not told "
        f"apart from its model in {same} of {len(tests)} cases, worse in {worse} and better in "
        f"{len(tests) - same - worse}; at best {difference_text(best.comparison)} ({best.ours.label})."
    )


def _found(learned: Sequence[tuple[Catalogue, Search]], share: float) -> str:
    """The least recall over models and seeds of each imitation, the best first."""
    least: dict[str, float] = {}
    for one, stage in learned:
        if search := reranked(one, stage, share):
            name = search_name(stage)
            least[name] = min(search.least_recall, least.get(name, 1.0))
    texts = [f"{recall:.3f} ({name})" for name, recall in sorted(least.items(), key=lambda item: -item[1])]
    return f"{share:.0%} of the items re-ranked, at least {', '.join(texts)}" if texts else ""


def _price(numbers: Retrieval) -> str:
    """What the middle sizes take, beside the dot product."""
    told = []
    for one in [one for model in ("mlp", "neumf") for one in middle(numbers.catalogues, model)[:1]]:
        stages = [stage for other, stage in common_stages(numbers.catalogues) if other is one]
        found = [search for stage in stages if (search := reranked(one, stage, 0.03))]
        if found:
            best = max(found, key=lambda search: search.least_recall)
            told.append(
                f"{one.label} takes {one.exact.value(MS):.2f} ms with every item scored and {best.value(MS):.2f} ms "
                f"with {best.num_candidates} of {one.num_items:,}, after {search_name(best)}"
            )
    dot = [f"; {one.label} takes {one.exact.value(MS):.2f} ms" for one in middle(numbers.catalogues, "dot")[:1]]
    text = "; ".join(told) + "".join(dot)
    return f" A query of {text}.{_argument(numbers)}" if told else ""


def _argument(numbers: Retrieval) -> str:
    """What is left of the study's: a forward pass for every item."""
    near: dict[bool, list[str]] = {True: [], False: []}
    for one in numbers.catalogues:
        found = [search for stage in one.first_stages if (search := reranked(one, stage, 0.03))]
        if one.is_learned and found:
            near[any(search.least_recall >= NEAR for search in found)].append(one.label)
    fails, holds = ("; ".join(near[is_near]) or "none" for is_near in (True, False))
    return (
        f" If {NEAR:.0%} within 3% of the items is enough, the study's argument against them, a forward pass for every "
        f"item, fails for {fails}, and holds for {holds}. The search is a dot product's in any case."
    )


def _dataset(numbers: Retrieval) -> str:
    return panels.dataset_title(numbers.catalogues[0].dataset)
