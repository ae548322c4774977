"""Where a multimodal model is reached and with which key: nothing is taken from anywhere but the settings.

The clients of the providers would also read addresses and keys from the environment (`OPENAI_BASE_URL`, …) and follow
redirects: then an image could go to somebody who was not chosen. So each gets its address, its key and a connection
that follows no redirect.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
from pydantic import SecretStr

from settings import Settings
from vision.errors import ModelUnavailable

if TYPE_CHECKING:
    from pydantic_ai.models import Model

_CONNECT_SECONDS = 10.0
_ATTEMPTS = 3
"""How often a question is sent at most, when a provider is busy or fails before it answers."""


@dataclass(frozen=True)
class Place:
    """Where a model is reached. `key_setting` and `address_setting` are what to look at when it cannot be."""

    provider: str
    name: str
    address: str
    key: SecretStr
    key_setting: str
    address_setting: str | None = None

    @property
    def model(self) -> str:
        """The model as the settings name it."""
        return f"{self.provider}:{self.name}"


def place_of(settings: Settings, model: str) -> Place:
    """Where a model of the settings is reached. Raises: ModelUnavailable, if its address or key is not set."""
    provider, _, name = model.partition(":")
    places = {
        "openai": ("https://api.openai.com/v1", settings.vision_openai_key, "VISION_OPENAI_KEY", None),
        "anthropic": ("https://api.anthropic.com", settings.vision_anthropic_key, "VISION_ANTHROPIC_KEY", None),
        "google": (
            "https://generativelanguage.googleapis.com",
            settings.vision_google_key,
            "VISION_GOOGLE_KEY",
            None,
        ),
        "databricks": (f"{settings.host}/serving-endpoints" if settings.host else "", settings.token, "TOKEN", "HOST"),
        "server": (
            settings.vision_server_url,
            settings.vision_server_key,
            "VISION_SERVER_KEY",
            "VISION_SERVER_URL",
        ),
    }
    address, key, key_setting, address_setting = places[provider]
    if not address:
        raise ModelUnavailable(f"There is no address for {model}: set LAKEHELM_{address_setting}.")
    key = SecretStr(key.get_secret_value().strip())
    if not all("!" <= sign <= "~" for sign in key.get_secret_value()):
        raise ModelUnavailable(f"LAKEHELM_{key_setting} holds signs that no key has, such as a space: set it again.")
    if not key.get_secret_value() and provider != "server":
        raise ModelUnavailable(f"There is no key for {model}: set LAKEHELM_{key_setting}.")
    return Place(
        provider,
        name,
        address,
        key,
        f"LAKEHELM_{key_setting}",
        f"LAKEHELM_{address_setting}" if address_setting else None,
    )


def http_client(place: Place, silence: float) -> httpx2.AsyncClient:
    """A connection to one place: no redirects; a proxy of the environment only where it sees nothing but ciphers.

    silence: seconds without a byte until it is given up.
    """
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(silence, connect=min(_CONNECT_SECONDS, silence)),
        follow_redirects=False,
        trust_env=place.address.startswith("https://"),
    )


def connected(place: Place, client: httpx2.AsyncClient) -> "Model":
    """The model at a place, asked through this connection."""
    key = place.key.get_secret_value()
    if place.provider == "anthropic":
        return _anthropic(place.name, place.address, key, client)
    if place.provider == "google":
        return _google(place.name, place.address, key, client)
    return _openai(place, key, client)


def _openai(place: Place, key: str, client: httpx2.AsyncClient) -> "Model":
    """OpenAI itself, or whoever speaks its chat protocol."""
    from openai import AsyncOpenAI, Omit
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    # Names of an organisation in the environment are nobody's business but OpenAI's, and a key says enough there.
    unnamed: Any = {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}
    sdk = AsyncOpenAI(
        base_url=place.address,
        api_key=key or "none",
        default_headers=unnamed,
        max_retries=_ATTEMPTS - 1,
        http_client=client,
    )
    if place.provider == "openai":
        return OpenAIChatModel(place.name, provider=OpenAIProvider(openai_client=sdk))
    # Ollama, older vLLM and Databricks know `max_tokens` only.
    known = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False)
    provider = OpenAICompatibleProvider(place.provider, openai_client=sdk, profile=known)
    if place.provider == "databricks":
        from vision.models.databricks_chat import DatabricksChatModel

        return DatabricksChatModel(place.name, provider=provider)
    return OpenAIChatModel(place.name, provider=provider)


def _anthropic(name: str, address: str, key: str, client: httpx2.AsyncClient) -> "Model":
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    sdk = AsyncAnthropic(api_key=key, base_url=address, max_retries=_ATTEMPTS - 1, http_client=client)
    return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=sdk))


def _google(name: str, address: str, key: str, client: httpx2.AsyncClient) -> "Model":
    from google.genai.types import HttpRetryOptions
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    retries = HttpRetryOptions(attempts=_ATTEMPTS)
    provider = GoogleProvider(api_key=key, base_url=address, http_client=client, retry_options=retries)
    return GoogleModel(name, provider=provider)
