"""What a sweep can be told: typed keys; checks.py says which values they take.

A configuration describes one job: the static choices (one compiled program) and the axes of its grid. Their product,
in the order of `Point`, is the list of its runs:

    points = learning_rate x regularization x stddev x negative_weight x seed

`run_config` is what makes a run what it is, and `run_id` is its hash. Where results lie, how often a run is looked at
(`eval_every`), and which other runs share its program are not part of it.
"""

import difflib
import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

# name -> its keys in conf/model/ beside embedding_dim
MODELS = {
    "dot": ("biases",),
    "gmf": ("regularize_weights",),
    "mlp": ("layers", "regularize_weights"),
    "neumf": ("layers", "regularize_weights"),
}
OBJECTIVES = ("expected", "sampled")
OPTIMIZERS = ("sgd", "adam", "lazy_adam")
# name -> its keys in conf/pretraining/
PRETRAININGS = {"none": (), "trained": ("alpha", "num_epochs", "learning_rate"), "keras": ("alpha", "gmf", "mlp")}
TUNE_BY = ("ndcg@10", "hit_ratio@10")
SELECT_EPOCHS = ("last", "holdout", "test")
SPLITS = ("test", "holdout")
PHASES = ("run", "tune", "final")
REFERENCES = ("popularity", "oracle")  # rows that are not trained
GROUPS = ("dataset", "model", "pretraining", "objective", "optimizer", "grid", "study")  # the folders of CONF
CONF = Path(__file__).resolve().parents[1] / "conf"


class ConfigError(ValueError):
    """The command or a file of conf/ asks for something that cannot be; the message says where, expected, got."""


@dataclass
class SyntheticConfig:
    num_users: int = MISSING
    num_items: int = MISSING
    rank: int = MISSING
    interactions_per_user: int = MISSING
    popularity_skew: float = MISSING
    preference_stddev: float = MISSING
    seed: int = MISSING


@dataclass
class DatasetConfig:
    name: str = MISSING
    prefix: str | None = None  # dataset=ncf: FOLDER/NAME of NAME.train.rating, NAME.test.rating, ...
    path: str | None = None  # dataset=csv: the file
    num_negatives: int = 99  # candidates beside the positive, where they are drawn
    seed: int = 0  # of the negatives that are drawn, for a test split or for the holdout
    synthetic: SyntheticConfig | None = None


@dataclass
class ModelConfig:
    name: str = MISSING
    embedding_dim: int = MISSING  # of the whole vector: with biases it includes the bias, as in the study
    biases: bool | None = None
    layers: Any = None  # list of integers: width of the tower's input [p; q], then of each ReLU layer
    regularize_weights: bool | None = None  # whether the similarity's own weights share the embeddings' penalty


@dataclass
class PretrainingConfig:
    """What NeuMF starts from: nothing, a GMF and an MLP trained before it, or weights in Keras files."""

    name: str = "none"
    alpha: float | None = None  # GMF's share in the joined output weights
    num_epochs: int | None = None  # pretraining=trained: of each of the two, by Adam
    learning_rate: float | None = None
    gmf: str | None = None  # pretraining=keras: the files
    mlp: str | None = None


@dataclass
class ObjectiveConfig:
    name: str = MISSING
    batch_size: int = MISSING  # expected: users; sampled: positives, or examples if they are shuffled
    num_negatives: int = MISSING
    shuffle_examples: bool = False  # sampled: a batch mixes positives and negatives of many users, as in NCF's code
    reject_positives: bool = False  # true: negatives are items that the user has not in training, as in NCF's code


@dataclass
class OptimizerConfig:
    name: str = MISSING


@dataclass
class GridConfig:
    """Each axis is a number or a list of numbers."""

    learning_rate: Any = MISSING
    regularization: Any = MISSING
    stddev: Any = MISSING
    negative_weight: Any = MISSING
    seed: Any = MISSING


@dataclass
class StudyConfig:
    name: str = MISSING  # folder under results_dir


@dataclass
class SweepConfig:
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    pretraining: PretrainingConfig = field(default_factory=PretrainingConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    study: StudyConfig = field(default_factory=StudyConfig)
    num_epochs: int = MISSING
    eval_every: int = MISSING
    select_epoch: str = "last"
    tune_by: str = "ndcg@10"
    split: str = MISSING
    phase: str = "run"  # set by tune=true, not by hand
    tune: bool = False
    final_seeds: Any = field(default_factory=list)  # a number or a list of numbers
    data_dir: str | None = None
    results_dir: str = MISSING
    memory_gb: float | None = None
    dry_run: bool = False


class Point(NamedTuple):
    """One member of a grid; the names are those of `grid.*`."""

    learning_rate: float
    regularization: float
    stddev: float
    negative_weight: float
    seed: int


AXES = Point._fields


def scaled(embedding_dim: int, *factors: str | float) -> list[int]:
    """Layers as multiples of embedding_dim: ${scaled:${model.embedding_dim},2,1,1/2} in conf/model/.

    Raises:
        ConfigError: one that is no integer.
    """
    widths = [embedding_dim * Fraction(str(factor)) for factor in factors]
    if any(width.denominator > 1 for width in widths):
        multiple = math.lcm(*(Fraction(str(factor)).denominator for factor in factors))
        raise ConfigError(
            f"model.embedding_dim: expected a multiple of {multiple}, as model.layers are "
            f"{', '.join(map(str, factors))} times it, got {embedding_dim}"
        )
    return [int(width) for width in widths]


def pick(swept: str | int, of: Mapping[Any, Any]) -> Any:
    """What a study sets for one of several swept values: ${pick:${model.name},{mlp:32,neumf:40}}.

    Raises:
        ConfigError: it sets nothing for this one.
    """
    if swept not in of:
        raise ConfigError(f"{swept}: expected one of {', '.join(map(str, of))}, for which this study is made")
    return of[swept]


def register() -> None:
    """Makes the schema known to conf/sweep.yaml, which lists it first, and what conf/ computes with."""
    ConfigStore.instance().store(name="sweep_schema", node=SweepConfig)
    OmegaConf.register_new_resolver("scaled", scaled, replace=True)
    OmegaConf.register_new_resolver("pick", pick, replace=True)


def keys() -> list[str]:
    """Every key that a sweep may set, in the order of the schema; `phase` is the sweep's own."""
    whole = SweepConfig(dataset=DatasetConfig(synthetic=SyntheticConfig()))
    return [key for key in keys_of(whole) if key != "phase"]


def keys_of(config: Any) -> list[str]:
    """The dotted names of all that a typed configuration holds, in order."""

    def walk(node: dict[str, Any], prefix: str) -> Iterable[str]:
        for name, child in node.items():
            yield from walk(child, f"{prefix}{name}.") if isinstance(child, dict) else [prefix + name]

    return list(walk(asdict(config), ""))


def nearest(got: str, valid: Iterable[str]) -> str:
    """A question that holds the name that comes closest, if one is close, and all the valid names."""
    names = list(valid)
    close = difflib.get_close_matches(got, names, n=1)
    # `embeding_dim=16`, `learning_rate=0.1`: the last part of a key without, or with a wrong, first part.
    last_parts = {name.rsplit(".", 1)[-1]: name for name in names}
    close = close or [last_parts[part] for part in difflib.get_close_matches(got.rsplit(".", 1)[-1], last_parts, n=1)]
    question = f"did you mean {close[0]}? " if close else ""
    return f"{question}valid: {', '.join(names)}"


def points(config: SweepConfig) -> list[Point]:
    """The runs of one job, the seed varying fastest."""
    rates = (map(float, getattr(config.grid, axis)) for axis in AXES if axis != "seed")
    return [Point(*values) for values in itertools.product(*rates, config.grid.seed)]


def set_keys(config: Any) -> dict[str, Any]:
    """The keys that are set. One that is null or false is left out, so that a later one does not rename old runs."""
    return {key: value for key, value in asdict(config).items() if value is not None and value is not False}


def data_config(config: SweepConfig) -> dict[str, Any]:
    """What decides which interactions are trained on and which are held out."""
    return set_keys(config.dataset) | {"split": config.split}


def run_config(config: SweepConfig, point: Point) -> dict[str, Any]:
    """One run, whole: two runs are the same run where this is the same."""
    run = {
        "phase": config.phase,
        "data": data_config(config),
        "model": set_keys(config.model),
        "objective": set_keys(config.objective),
        "optimizer": set_keys(config.optimizer),
        "num_epochs": config.num_epochs,
        **point._asdict(),
    }
    if config.pretraining.name != "none":
        run["pretraining"] = set_keys(config.pretraining) | weight_files(config.pretraining)
    if config.select_epoch == "test":  # then a look more often may find a better epoch
        run |= {"select_epoch": "test", "eval_every": config.eval_every}
    return run


def weight_files(pretraining: PretrainingConfig) -> dict[str, str]:
    """What pretraining=keras starts from, by content: other weights at the same path are another run."""
    if pretraining.name != "keras":
        return {}
    return {branch: _content(Path(str(getattr(pretraining, branch)))) for branch in ("gmf", "mlp")}


def _content(path: Path) -> str:
    """The start of the file's SHA-256; the path where there is no file, which is refused before anything is trained."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else str(path)


def reference_config(config: SweepConfig, name: str) -> dict[str, Any]:
    """One of REFERENCES on the data of a job."""
    return {"data": data_config(config), "model": name}
