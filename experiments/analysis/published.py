"""What was published: by the study, Rendle, Krichene, Zhang, Anderson (RecSys 2020, arXiv 2005.09683), and by NCF,
He, Liao, Zhang, Nie, Hu, Chua (WWW 2017, arXiv 1708.05031).

Protocol: leave-one-out, one positive among about 100 sampled candidates; mean over users. Keys are data set, method and
the column of runs.csv that the number is compared with.
"""

Curves = dict[str, dict[int, float]]  # column -> embedding_dim -> value


def _curves(dims: tuple[int, ...], hit_ratio: tuple[float, ...], ndcg: tuple[float, ...]) -> Curves:
    return {"hit_ratio@10": dict(zip(dims, hit_ratio, strict=True)), "ndcg@10": dict(zip(dims, ndcg, strict=True))}


_MF = (16, 32, 64, 96, 128, 192)
_MLP = (16, 32, 64, 128)  # the figure places 8, 16, 32, 64 predictive factors at twice as many dimensions,
_NEUMF = (24, 48, 96, 192)  # and NeuMF, which has an MLP and a GMF part, at three times as many

# Figure 2. MF is the mean of 8 runs, read off the figure (error about 0.0003). MLP and NeuMF are not runs of the study:
# the figure repeats the three-digit numbers of He et al. (2017), whose epoch was picked on the test set.
FIGURE2: dict[str, dict[str, Curves]] = {
    "ml-1m": {
        "MF": _curves(
            _MF, (0.6887, 0.7135, 0.7258, 0.7273, 0.7283, 0.7294), (0.4122, 0.4365, 0.4470, 0.4500, 0.4518, 0.4522)
        ),
        "NeuMF, pretrained": _curves(_NEUMF, (0.684, 0.707, 0.726, 0.730), (0.403, 0.426, 0.445, 0.447)),
        "NeuMF": _curves(_NEUMF, (0.688, 0.696, 0.701, 0.705), (0.410, 0.420, 0.425, 0.426)),
        "MLP": _curves(_MLP, (0.671, 0.684, 0.692, 0.702), (0.399, 0.410, 0.425, 0.426)),
    },
    "pinterest": {
        "MF": _curves(
            _MF,
            (0.8800, 0.8866, 0.8867, 0.8870, 0.8877, 0.8896),
            # The last marker is cut by the axis (at least 0.579); its value is the headline table's.
            (0.5605, 0.5725, 0.5760, 0.5771, 0.5780, 0.5794),
        ),
        "NeuMF, pretrained": _curves(_NEUMF, (0.878, 0.880, 0.879, 0.877), (0.555, 0.558, 0.555, 0.552)),
        "NeuMF": _curves(_NEUMF, (0.869, 0.871, 0.870, 0.872), (0.546, 0.547, 0.549, 0.551)),
        "MLP": _curves(_MLP, (0.859, 0.865, 0.868, 0.869), (0.536, 0.538, 0.542, 0.545)),
    },
}

DIGITS = {"MF": 4, "MLP": 3, "NeuMF": 3, "NeuMF, pretrained": 3}  # of those numbers
DIMS_PER_FACTOR = {"MLP": 2, "NeuMF": 3, "NeuMF, pretrained": 3}  # where the figure places f predictive factors

# The weights that the authors of NCF saved beside their code in August 2017, 8 predictive factors, as our evaluation
# ranks with them (tests/models/test_keras.py). NeuMF is both joined with alpha = 0.5, before any fine-tuning.
SAVED_FACTORS = 8
SAVED_WEIGHTS: dict[str, dict[str, dict[str, float]]] = {
    "ml-1m": {
        "GMF": {"hit_ratio@10": 0.6368, "ndcg@10": 0.3691},
        "MLP": {"hit_ratio@10": 0.6710, "ndcg@10": 0.3963},
        "NeuMF, pretrained": {"hit_ratio@10": 0.6710, "ndcg@10": 0.3969},
    }
}

# Figure 3: how much larger than the dot product's the RMSE of an MLP is on fresh pairs of vectors, mean of 5 repeats,
# read off the figure (error about 0.0005): (width_multiplier, embedding_dim) -> num_users -> gap. The figure ends at
# 0.10: what lies above it is not known.
_USERS = (4_000, 8_000, 16_000, 32_000, 64_000, 128_000)


def _last(*gaps: float) -> dict[int, float]:
    return dict(zip(_USERS[-len(gaps) :], gaps, strict=True))


FIGURE3: dict[tuple[int, int], dict[int, float]] = {
    (1, 16): _last(0.057, 0.053, 0.0485, 0.048, 0.0513, 0.0435),
    (1, 32): _last(0.0590, 0.0546, 0.0494, 0.0469, 0.0447, 0.0465),
    (1, 64): _last(0.0744, 0.0537, 0.0502, 0.0457, 0.0419),
    (1, 128): _last(0.0698, 0.0544, 0.0498),
    (2, 16): _last(0.0242, 0.0197, 0.0125, 0.0085, 0.0073, 0.0064),
    (2, 32): _last(0.0474, 0.0336, 0.0265, 0.0207, 0.0127, 0.010),
    (2, 64): _last(0.0836, 0.0515, 0.0346, 0.0287, 0.0253),
    (2, 128): _last(0.0695, 0.0426, 0.0317),
    (4, 16): _last(0.0269, 0.0186, 0.0132, 0.0086, 0.0063, 0.0049),
    (4, 32): _last(0.0898, 0.0526, 0.0317, 0.0209, 0.0155, 0.0131),
    (4, 64): _last(0.0796, 0.0417, 0.0234, 0.0169),
    (4, 128): _last(0.0480, 0.0276),
}
FIGURE3_LINES = {0.01: "very significant", 0.001: "significant"}  # what such a gap means, by the figure's legend
