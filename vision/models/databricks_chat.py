"""Databricks' chat endpoints: OpenAI's protocol, but a field that they do not know makes them refuse the request."""

from typing import Any

from openai import omit
from pydantic_ai.models.openai import OpenAIChatModel


class DatabricksChatModel(OpenAIChatModel):
    """A chat model that does not ask for the usage at the end of a stream; Databricks gives it without being asked."""

    def _get_stream_options(self, model_settings: Any) -> Any:
        return omit
