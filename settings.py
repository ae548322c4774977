"""Every setting of Lakehelm: its name, its default and what it means.

A setting is read from the environment variable `LAKEHELM_<NAME>` (upper case), or from a file of that name in the
folder that `LAKEHELM_SECRETS_DIR` points to. Nothing else is a source, so a secret never has to stand in a file of
the project. `docs/settings.md` is generated from this file (`make docs`).
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

VISION_PROVIDERS = ("openai", "anthropic", "google", "databricks", "server")
"""Where multimodal models are reached."""


def comparable_name(name: str) -> str:
    """A name as it is compared: upper and lower case make no difference in an e-mail address, and only there.

    Beyond ASCII nothing is folded, as different addresses could become one (`ſ` becomes `s`).
    """
    name = name.strip()
    return name.lower() if "@" in name and name.isascii() else name


def _comma_separated(names: str) -> list[str]:
    return [name for part in names.split(",") if (name := part.strip())]


class Settings(BaseSettings):
    """All settings. The defaults are the embedded default: one laptop, no cloud, no key."""

    model_config = SettingsConfigDict(
        env_prefix="LAKEHELM_",
        secrets_dir=os.environ.get("LAKEHELM_SECRETS_DIR") or None,
        extra="ignore",
        frozen=True,
        # An error names the setting, not its value: storage options hold secrets, and errors go to logs.
        hide_input_in_errors=True,
    )

    home: Path = Field(
        default=Path(".lakehelm"),
        description="The workspace folder: tables, MLflow's database, prepared models, logs. Created when it is "
        "missing.",
    )
    lake_uri: str = Field(
        default="",
        description="Where the Delta tables stand: a folder or `s3://`, `abfss://`, `gs://` address. "
        "Empty: `lake` in the workspace folder.",
    )
    inference_table_uri: str = Field(
        default="",
        description="The inference table that the metrics job reads, if another system writes it: a path, an "
        "object-store "
        "address or `uc://catalog.schema.table`. Empty: `inference_table` in the lake, written by the local gateway.",
    )
    served_entities_uri: str = Field(
        default="",
        description="The table that says which version a served entity is (on Databricks "
        "`uc://system.serving.served_entities`). "
        "Empty: `served_entities` in the lake.",
    )
    storage_options: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="Options for the object store as a JSON object, in the names of the Rust `object_store` crate. May "
        "hold secrets.",
    )

    host: str = Field(
        default="",
        description="Address of a Databricks workspace (`https://…`). Empty: the local gateway and local MLflow are "
        "used.",
    )
    token: SecretStr = Field(default=SecretStr(""), description="Access token for `host`. A secret.")
    mlflow_tracking_uri: str = Field(
        default="",
        description="MLflow tracking server. Empty: `databricks` with a host, else a SQLite database in the workspace "
        "folder.",
    )
    mlflow_registry_uri: str = Field(
        default="",
        description="MLflow model registry. Empty: `databricks-uc` with a host, else the tracking server.",
    )
    test_model: str = Field(
        default="test.chatbot",
        description="Registered model of the test environment; three-level name on Unity Catalog.",
    )
    prod_model: str = Field(
        default="prod.chatbot",
        description="Registered model of the production environment; three-level name on Unity Catalog.",
    )
    endpoint: str = Field(default="chatbot", description="The serving endpoint that the first screen shows.")

    gateway_port: int = Field(default=8765, ge=1, le=65535, description="Port of the local gateway on 127.0.0.1.")
    gateway_token: SecretStr = Field(
        default=SecretStr(""),
        description="Bearer token of the local gateway. Empty: made at the first start and kept in `gateway.token` in "
        "the "
        "workspace folder (mode 0600). A secret.",
    )
    gateway_flush_seconds: float = Field(
        default=5.0,
        gt=0,
        description="How often the gateway moves its spooled requests into the inference table.",
    )
    gateway_drain_seconds: float = Field(
        default=30.0,
        ge=0,
        description="How long a version that is taken away may finish the requests it already has.",
    )
    worker_start_seconds: float = Field(
        default=120.0,
        gt=0,
        description="How long a model worker may take to become ready before the update counts as failed.",
    )

    identity: Literal["none", "oidc", "databricks"] = Field(
        default="none",
        description="Who uses the dashboard. `none`: the operating system's user, as admin, and only this machine is "
        "listened to. `oidc`: people sign in (`[auth]` of Streamlit's secrets). `databricks`: the headers that "
        "Databricks Apps forward, trusted only there.",
    )
    roles: dict[str, Literal["viewer", "operator", "approver", "admin"]] = Field(
        default_factory=dict,
        description="Roles by e-mail address, or by the provider's identifier of a person (`sub`), as a JSON object; "
        "`*` is everybody else who signs in. Not used with `identity` = `none`.",
    )
    sign_in_hours: float = Field(
        default=12.0,
        gt=0,
        description="How long a sign-in with `oidc` lasts; after that people sign in again.",
    )
    four_eyes: bool = Field(
        default=False,
        description="Whether a promotion to Production takes two people: one asks for it, another one approves.",
    )
    gate_rules_file: str = Field(
        default="",
        description="Your own rules of the promotion gate and the guard (TOML). Empty: `registry/rules.toml`.",
    )
    golden_questions_file: str = Field(
        default="",
        description="Your own golden questions for evaluations (JSONL: `question` with `expected_phrases`, or with "
        "`expected_refusal` true; `sources`, optional). Empty: those of the demo, for the demo's chatbot only.",
    )
    replayed_prompts: int = Field(
        default=30,
        ge=0,
        description="How many of the last logged prompts an evaluation asks of the candidate.",
    )
    guard: bool = Field(
        default=False,
        description="Whether the guard may act: abort a canary, or roll back to the last known good version. Off: it "
        "only opens alerts.",
    )
    watch_seconds: float = Field(
        default=10.0,
        gt=0,
        description="How often canary ramps, the guard and changes from outside are looked at.",
    )

    dashboard_address: str = Field(
        default="127.0.0.1",
        description="Address that the dashboard listens on. Another than this machine's own needs an `identity`.",
    )
    dashboard_port: int = Field(default=8501, ge=1, le=65535, description="Port of the dashboard.")
    time_zone: str = Field(
        default="", description="Time zone of the pages, as `Europe/Berlin`. Empty: that of the browser."
    )
    toxicity_threshold: float = Field(
        default=0.5, ge=0, le=1, description="A text whose toxicity is at least this is flagged."
    )
    duckdb_memory: str = Field(default="512MB", description="The most memory that DuckDB may use in one process.")

    metrics_interval_seconds: int = Field(
        default=300, ge=5, description="How often the scheduler starts the metrics job."
    )
    score_budget_seconds: float = Field(
        default=240.0,
        gt=0,
        description="How long one scheduled run of the metrics job may take. Where that is too short for the models to "
        "score every row, they score a random sample.",
    )
    job_timeout_seconds: float = Field(
        default=900.0, gt=0, description="A run that takes longer than this is ended by the scheduler and reported."
    )
    threads: int = Field(
        default=0,
        ge=0,
        description="Threads that scoring may use. 0: the number of processor cores this process may use.",
    )
    score_cache_texts: int = Field(
        default=1_000_000,
        ge=0,
        description="Of how many texts the scores are kept from run to run, as hashes without the words; `compact` "
        "drops those that were unused for longest. 0: none are kept.",
    )
    perplexity_model: str = Field(
        default="smollm2-135m-q4_1",
        description="The causal language model behind perplexity: the one from the package, a GGUF file, a Hugging "
        "Face folder, or a name on Hugging Face's hub (`gpt2`). `none`: perplexity is left out, and its rows say so.",
    )
    perplexity_precision: Literal["float", "int8"] = Field(
        default="float",
        description="How the language model computes on a CPU. `float`: in bf16 where the processor has it, else in "
        "f32. `int8`: in integers (models of the llama family): about 1 % off, short texts by more, and about twice as "
        "fast on processors with VNNI and without bf16. The scorer's name says which.",
    )
    toxicity_model: Literal[
        "auto", "original", "unbiased", "multilingual", "original-small", "unbiased-small", "keyword"
    ] = Field(
        default="auto",
        description="A detoxify variant, or `keyword` for the offline fallback. `auto`: `original` where its weights "
        "can be had when models are prepared, else the fallback, which the pages name.",
    )
    detoxify_checkpoint: str = Field(
        default="",
        description="A local detoxify checkpoint of the variant in `toxicity_model`. Only from a source you trust.",
    )
    prices_file: str = Field(
        default="",
        description="Your own price table (CSV: model, version, input_usd_per_million, output_usd_per_million, "
        "effective_from). "
        "It comes before every other source of prices.",
    )

    vision_models: str = Field(
        default="",
        description="Multimodal models that questions about an image can be asked, besides the embedded reader, "
        "separated by commas: `openai:NAME`, `anthropic:NAME`, `google:NAME`, `databricks:ENDPOINT` (of the workspace "
        "in `host`) or `server:NAME` (at `vision_server_url`). The image is sent to the one that is asked, and to "
        "nobody else.",
    )
    vision_server_url: str = Field(
        default="",
        description="Your OpenAI-compatible server for `server:` models (Ollama, vLLM, llama.cpp), as "
        "`http://127.0.0.1:11434/v1`.",
    )
    vision_server_key: SecretStr = Field(
        default=SecretStr(""), description="Key for `vision_server_url`, if it wants one. A secret."
    )
    vision_openai_key: SecretStr = Field(
        default=SecretStr(""), description="Key of OpenAI for `openai:` models. A secret."
    )
    vision_anthropic_key: SecretStr = Field(
        default=SecretStr(""), description="Key of Anthropic for `anthropic:` models. A secret."
    )
    vision_google_key: SecretStr = Field(
        default=SecretStr(""), description="Key of Google's Gemini API for `google:` models. A secret."
    )
    vision_timeout_seconds: float = Field(
        default=120.0,
        gt=0,
        description="How long a multimodal model may say nothing, before its answer or within it, until it is given "
        "up.",
    )

    drift_tables: str = Field(
        default="",
        description="Profile and drift tables of a Databricks monitor that the pages read instead of ours: the address "
        "before `_profile_metrics` and `_drift_metrics`, as `uc://catalog.schema.table`.",
    )
    alert_rules_file: str = Field(
        default="", description="Your own rules of the alerts (TOML). Empty: `registry/alert_rules.toml`."
    )
    alert_webhook_url: SecretStr = Field(
        default=SecretStr(""),
        description="Where alerts are posted to: one of Slack's incoming webhooks, or any that takes JSON. A secret.",
    )
    alert_mail_password: SecretStr = Field(
        default=SecretStr(""), description="Password for the mail server in the rules of the alerts. A secret."
    )
    retraining_rules_file: str = Field(
        default="", description="Your own rules of retraining (TOML). Empty: `registry/retraining_rules.toml`."
    )
    telemetry_url: str = Field(
        default="",
        description="OpenTelemetry collector (OTLP over HTTP) that gateway and jobs send their figures to, as "
        "`http://127.0.0.1:4318`. Empty: nothing is sent.",
    )

    demo_days: int = Field(default=30, ge=1, le=366, description="How many days of traffic the demo workspace has.")
    demo_trickle_seconds: float = Field(
        default=8.0,
        ge=0,
        description="Pause between two questions that `make run` asks the demo endpoint. 0: none are asked.",
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("roles")
    @classmethod
    def _each_name_once(cls, roles: dict[str, str]) -> dict[str, str]:
        if len({comparable_name(name) for name in roles}) < len(roles):
            raise ValueError("one e-mail address is there twice, in upper and lower case: name everybody once")
        return roles

    @field_validator("host")
    @classmethod
    def _without_slash(cls, host: str) -> str:
        return host.strip().rstrip("/")

    @field_validator("vision_models")
    @classmethod
    def _providers_known(cls, models: str) -> str:
        for model in _comma_separated(models):
            provider, _, name = model.partition(":")
            if provider not in VISION_PROVIDERS or not name:
                raise ValueError(
                    f"a model is written as PROVIDER:NAME, with one of {', '.join(VISION_PROVIDERS)} as provider"
                )
        return models

    @field_validator("vision_server_url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        url = url.strip().rstrip("/")
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("the address of the server starts with http:// or https://")
        if parts.username or parts.password:
            raise ValueError("the key stands in vision_server_key, not in the address")
        if parts.query or parts.fragment:
            raise ValueError("the address of the server has no part behind ? or #")
        return url

    @property
    def vision_model_names(self) -> tuple[str, ...]:
        """The multimodal models that may be asked, each once, in the order of the setting."""
        return tuple(dict.fromkeys(_comma_separated(self.vision_models)))

    @property
    def on_databricks(self) -> bool:
        """Whether a real workspace is configured, so that endpoints and registry are Databricks' own."""
        return bool(self.host)

    @property
    def lake(self) -> str:
        """Address of the folder that holds the Delta tables, without a trailing slash."""
        return self.lake_uri.rstrip("/") or str(self.home / "lake")

    @property
    def gateway_url(self) -> str:
        """Where the local gateway listens."""
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def endpoint_host(self) -> str:
        """The host that the endpoint client talks to: the Databricks workspace or the local gateway."""
        return self.host or self.gateway_url

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking address as it is used."""
        return self.mlflow_tracking_uri or (
            "databricks" if self.on_databricks else f"sqlite:///{self.home / 'mlflow.db'}"
        )

    @property
    def registry_uri(self) -> str:
        """MLflow's registry address as it is used."""
        return self.mlflow_registry_uri or ("databricks-uc" if self.on_databricks else self.tracking_uri)

    @property
    def models_folder(self) -> Path:
        """Where prepared model files are kept."""
        return self.home / "models"

    @property
    def cores(self) -> int:
        """Threads that scoring uses."""
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.threads or available


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once. Tests build `Settings(home=…)` themselves."""
    return Settings()
