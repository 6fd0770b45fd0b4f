"""Cost against the size of the catalogue, counted and measured; the internship report's pair among it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.retrieval import ENOUGH, IMITATIONS, RECALL, Catalogue, Search
from experiments.figures import panels
from experiments.figures.markdown import table
from experiments.figures.retrieval import COUNT, MS, middle, search_name
from ncfjax.cost import REPORT_EMBEDDING_DIM, REPORT_LAYERS, REPORT_MULTIPLICATIONS

SIZES = (
    "| model | d | items | multiplications, pair by pair | first layer split | ms, pair by pair | first layer split "
    "| times MF of this d: counted | measured | search | recall@10 | ms | times exact search | queries/s | build s "
    "| MB |"
)
PAIR = (
    "| | multiplications of a score: the report's | ours | of a query, split | ns of a score, pair by pair "
    "| ms of a query, split |"
)


def tables(found: list[Catalogue]) -> str:
    parts = {
        f"By the size of the catalogue; searches are the fastest that find {ENOUGH:.0%}": sizes_table(found),
        "The internship report's pair, size 100": pair_table(found),
    }
    return "\n\n".join(f"**{title}**\n\n{text}" for title, text in parts.items() if text)


def sizes_table(found: Sequence[Catalogue]) -> str:
    rows = []
    for one in found:
        for search in _searches(one) or [None]:
            rows.append([*_costs(one, found), *_searched(one, search)])
    return table(SIZES, rows)


def _searches(one: Catalogue) -> list[Search]:
    kinds = [("clusters",), ("ivf",), IMITATIONS]
    return [search for methods in kinds if (search := one.least_effort(*methods)) is not None]


def _costs(one: Catalogue, found: Sequence[Catalogue]) -> list[object]:
    exact, pairs, base = one.exact, one.pairs, dot_of(one, found)
    cells = [one.name, one.embedding_dim, f"{one.num_items:,}"]
    cells += [f"{pairs.value(COUNT):,.0f}" if pairs else None, f"{exact.value(COUNT):,.0f}"]
    cells += [milliseconds(pairs.value(MS)) if pairs else None, milliseconds(exact.value(MS))]
    if base is None:
        return [*cells, None, None]
    return [*cells, *(f"{ratio(one.exact, base.exact, column):.1f}" for column in (COUNT, MS))]


def dot_of(one: Catalogue, found: Sequence[Catalogue]) -> Catalogue | None:
    """The dot product of the same size over as many items, beside a learned one; None where there are several."""
    size = one.dataset, one.embedding_dim, one.num_items
    same = [
        base for base in found if base.model == "dot" and (base.dataset, base.embedding_dim, base.num_items) == size
    ]
    return same[0] if len(same) == 1 and one.is_learned else None


def ratio(ours: Search, other: Search, column: str) -> float:
    return ours.value(column) / other.value(column)


def milliseconds(value: float) -> str:
    """With three digits that count."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _searched(one: Catalogue, search: Search | None) -> list[object]:
    if search is None:
        return [f"none finds {ENOUGH:.0%}", *[None] * 6]
    return [
        f"{search_name(search)}: {search.effort}",
        f"{search.value(RECALL):.3f}",
        milliseconds(search.value(MS)),
        f"{one.speed_up(search):.1f}",
        f"{search.value('queries_per_second'):,.0f}",
        f"{search.value('build_seconds'):.1f}",
        f"{search.value('memory_bytes') / 1e6:,.1f}",
    ]


# ---- the internship report's pair


def report_pair(found: Sequence[Catalogue]) -> tuple[Catalogue, Catalogue] | None:
    """Its dot product and its NeuMF, over one catalogue; None where there is none, or several."""
    layers = "-".join(map(str, REPORT_LAYERS))
    sized = [one for one in found if one.embedding_dim == REPORT_EMBEDDING_DIM]
    pairs = [
        (dot, neumf)
        for dot in sized
        for neumf in sized
        if (dot.model, neumf.model, neumf.layers) == ("dot", "neumf", layers) and dot.num_items == neumf.num_items
    ]
    return pairs[0] if len(pairs) == 1 else None


def pair_table(found: Sequence[Catalogue]) -> str:
    if (pair := report_pair(found)) is None:
        return ""
    rows = [
        [one.name, f"{REPORT_MULTIPLICATIONS[one.model]:,}", f"{per_score(one, COUNT):,.0f}"]
        + [f"{one.exact.value(COUNT):,.0f}", f"{1e6 * per_score(one, MS):.1f}", f"{one.exact.value(MS):.2f}"]
        for one in pair
    ]
    dot, neumf = pair
    by_report = REPORT_MULTIPLICATIONS["neumf"] / REPORT_MULTIPLICATIONS["dot"]
    measured = [per_score(neumf, column) / per_score(dot, column) for column in (COUNT, MS)]
    split = [ratio(neumf.exact, dot.exact, column) for column in (COUNT, MS)]
    rows.append(["times", *(f"{value:.0f}" for value in (by_report, measured[0], split[0], measured[1], split[1]))])
    return table(PAIR, rows)


def per_score(one: Catalogue, column: str) -> float:
    """Of what scores the whole catalogue pair by pair."""
    if one.pairs is None:
        raise ValueError(f"{one.label}, {one.num_items} items: expected a run of search=pairs, got none")
    return one.pairs.value(column) / one.num_items


# ---- the figure


def _lines(found: Sequence[Catalogue]) -> list[tuple[str, list[tuple[int, Search]]]]:
    """Of the middle size of each model: every item scored, and the fastest search that finds enough."""
    lines = []
    for model in ("dot", "mlp", "neumf"):
        ones = middle(found, model)
        if not ones:
            continue
        lines.append((f"{ones[0].label}: every item", [(one.num_items, one.exact) for one in ones]))
        if all(one.pairs for one in ones) and model != "dot":
            lines.append((f"{ones[0].label}: pair by pair", [(one.num_items, one.pairs) for one in ones]))
        for methods, name in ((("clusters",), "clusters"), (IMITATIONS, "two stages")):
            points = [(one.num_items, search) for one in ones if (search := one.least_effort(*methods))]
            if points:
                lines.append((f"{ones[0].label}: {name}", points))
    return lines


def draw(found: list[Catalogue]) -> Figure:
    """Time against the number of items, and time against counted multiplications."""
    figure, lines = panels.new_figure(), _lines(found)
    left, right = figure.subplots(1, 2, sharey=True)
    for number, (label, points) in enumerate(lines):
        left.plot(
            [size for size, _ in points], [s.value(MS) for _, s in points], label=label, **panels.line_style(number)
        )
    _draw_counted(right, found)
    for axes, title in ((left, "milliseconds per query"), (right, "counted and measured cost of a query")):
        axes.set_title(title, loc="left")
        axes.set_xscale("log")
        axes.set_yscale("log")
    left.set_xlabel("items of the catalogue")
    right.set_xlabel("multiplications, counted")
    title = f"What a query costs; searches that find {ENOUGH:.0%} of a model's ten best items"
    return panels.complete(figure, title, [label for label, _ in lines])


def _draw_counted(axes: Axes, found: Sequence[Catalogue]) -> None:
    kinds = {
        "counted: every item": [one.exact for one in found],
        "counted: pair by pair": [one.pairs for one in found if one.pairs],
        "counted: clusters": [search for one in found for search in one.of("clusters")],
        "counted: two stages": [search for one in found for search in one.of(*IMITATIONS)],
    }
    for number, (label, searches) in enumerate(kinds.items()):
        points = sorted((search.value(COUNT), search.value(MS)) for search in searches)
        if points:
            style = panels.line_style(number + 4) | {"ls": "none", "mfc": "white"}
            axes.plot(*zip(*points, strict=True), label=label, **style)


# ---- in words


def answer(found: list[Catalogue]) -> str:
    """Ratios of an MLP to the dot product, and of the report's pair."""
    parts = []
    for one in found:
        if one.model == "mlp" and one.num_items == 100_000 and (base := dot_of(one, found)) and one.pairs:
            counted, measured = (ratio(one.exact, base.exact, column) for column in (COUNT, MS))
            by_pairs = [ratio(one.pairs, base.exact, column) for column in (COUNT, MS)]
            parts.append(
                f"at d={one.embedding_dim} {measured:.0f} times the dot product's time, {counted:.0f} counted "
                f"(pair by pair {by_pairs[1]:.0f}, {by_pairs[0]:.0f} counted)"
            )
    if not parts:
        raise ValueError("expected an MLP and a dot product of one size over 100,000 items, got none")
    text = f"Among 100,000 items a query of the MLP takes, with its first layer split, {'; '.join(parts)}."
    if (pair := report_pair(found)) is not None:
        dot, neumf = pair
        by_pairs, split = per_score(neumf, MS) / per_score(dot, MS), ratio(neumf.exact, dot.exact, MS)
        text += (
            f' The internship report counts "125 times" for its NeuMF and says "not 20 times" in time: measured are '
            f"{by_pairs:.0f} times pair by pair, and {split:.0f} times where a query meets the whole catalogue."
        )
    return text
