"""What the metrics job scores with: the prepared models of the workspace and the prices."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.errors import JobError, ModelsNotPrepared
from jobs.models_on_demand import OnDemand, language_on_demand, perplexity_on_demand, toxicity_on_demand
from jobs.prepare import PERPLEXITY_OFF, perplexity_folder, prepared, toxicity_folder
from lakehouse.errors import TableMissing
from lakehouse.store import open_uri, read_rows, storage_options, table_uri
from metrics.cost import Price
from metrics.price_list import NoPrice, prices_of_csv, prices_of_rows
from metrics.scoring import Scorers, TextCache
from settings import Settings


@dataclass(frozen=True)
class ScoringTools:
    """Everything that `metrics.scoring.score_rows` needs but the rows. The cache lives as long as one run."""

    scorers: Scorers
    prices: tuple[Price, ...] = ()
    cache: TextCache = field(default_factory=TextCache)
    models: tuple[OnDemand[Any], ...] = ()
    """Those of the scorers that load their model when the first text needs it."""

    def load_models(self, names: Collection[str]) -> None:
        """Load those of `models` that are called so now, so that no text's scoring time has it. Raises EngineError."""
        for model in self.models:
            if model.name in names:
                model.model()


def load_scoring_tools(settings: Settings) -> ScoringTools:
    """The scorers of the prepared models, which are loaded when a text needs them, and the prices.

    Raises: ModelsNotPrepared. JobError, if the price file is wrong. EngineError, if a model file is damaged.
    """
    if not prepared(settings):
        raise ModelsNotPrepared(
            f"The models for scoring are not in {settings.models_folder}; run `python -m jobs prepare` once."
        )
    perplexity = None
    if settings.perplexity_model != PERPLEXITY_OFF:
        perplexity = perplexity_on_demand(perplexity_folder(settings), settings.cores)
    toxicity = toxicity_on_demand(toxicity_folder(settings), settings.cores)
    language = language_on_demand()
    given: tuple[Any, ...] = (perplexity, toxicity, language)
    models = tuple(scorer for scorer in given if isinstance(scorer, OnDemand))
    return ScoringTools(Scorers(perplexity, toxicity, language), load_prices(settings), models=models)


def load_prices(settings: Settings) -> tuple[Price, ...]:
    """The prices of the user's own file first, then those of the table `prices`.

    Raises: JobError, if the file cannot be read, naming the line, or a row of the table is no price.
    """
    own = _prices_of_file(Path(settings.prices_file)) if settings.prices_file else []
    return (*own, *_prices_of_table(settings))


def _prices_of_file(file: Path) -> list[Price]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"The price file {file} (LAKEHELM_PRICES_FILE) cannot be read: {error}") from error
    try:
        return prices_of_csv(text, file.name)
    except NoPrice as error:
        raise JobError(f"The price file {file} cannot be used: {error}.") from error


def _prices_of_table(settings: Settings) -> list[Price]:
    try:
        uri = table_uri(settings, "prices")
        table = open_uri(uri, storage_options(settings, uri))
    except TableMissing:
        return []
    try:
        return prices_of_rows(read_rows(table).to_pylist())
    except NoPrice as error:
        raise JobError(f"The table prices cannot be used: {error}.") from error
