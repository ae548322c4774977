"""Questions whose right answer is known: what a trained chatbot is measured on.

None of them stands in the demo's question bank. `page` is the handbook page that answers, or None where the handbook
does not and the right answer is "I don't know".
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class GoldenQuestion:
    """A question and the page that answers it."""

    text: str
    page: str | None


GOLDEN: tuple[GoldenQuestion, ...] = (
    GoldenQuestion("Which single command brings everything up?", "starting"),
    GoldenQuestion("What happens if the dashboard's port is already taken?", "starting"),
    GoldenQuestion("Which variable moves the workspace folder somewhere else?", "settings"),
    GoldenQuestion("Does every call to the gateway need a bearer token?", "gateway"),
    GoldenQuestion("How is traffic split between two served entities?", "gateway"),
    GoldenQuestion("Is a request lost when the gateway is killed?", "inference-table"),
    GoldenQuestion("What does a logging error code of MAX_RESPONSE_SIZE_EXCEEDED say?", "inference-table"),
    GoldenQuestion("How often does the metrics job run?", "metrics-job"),
    GoldenQuestion("Why is each distinct text scored only once?", "metrics-job"),
    GoldenQuestion("What does a high perplexity tell me about an answer?", "perplexity"),
    GoldenQuestion("What happens to a text longer than 2,048 tokens?", "perplexity"),
    GoldenQuestion("What does a Flesch-Kincaid grade of 12 stand for?", "readability"),
    GoldenQuestion("Can the reading ease score be negative?", "readability"),
    GoldenQuestion("At which toxicity is an answer flagged?", "toxicity"),
    GoldenQuestion("Why was a harmless sentence flagged by the keyword fallback?", "toxicity"),
    GoldenQuestion("Why is the cost of a request empty rather than zero?", "cost"),
    GoldenQuestion("Where does the number of prompt tokens come from?", "cost"),
    GoldenQuestion("Why are rollup windows one minute and fifteen minutes long?", "rollups"),
    GoldenQuestion("Which alias marks the version that is live in production?", "registry"),
    GoldenQuestion("How does a version get from Staging to Production?", "promotion"),
    GoldenQuestion("Do tags travel with a promoted copy?", "promotion"),
    GoldenQuestion("How fast is a rollback to the version before?", "rollback"),
    GoldenQuestion("Who moved the champion alias last week, and why?", "ledger"),
    GoldenQuestion("What does an interrupted change mean?", "ledger"),
    GoldenQuestion("How do I connect Lakehelm to a Databricks workspace?", "databricks"),
    GoldenQuestion("Why must vacuum keep its default retention?", "upkeep"),
    GoldenQuestion("How can I import chat logs from a JSONL file?", "import"),
    GoldenQuestion("Is population stability index drift available?", "drift"),
    GoldenQuestion("What do the three pies compare?", "quality-page"),
    GoldenQuestion("How do I run the metrics job right now from a page?", "jobs-page"),
    GoldenQuestion("How do I bake sourdough bread?", None),
    GoldenQuestion("Who won the football world cup in 1998?", None),
    GoldenQuestion("What is the capital of Mongolia?", None),
    GoldenQuestion("Write me a poem about the sea.", None),
    GoldenQuestion("Which stocks should I buy this year?", None),
    GoldenQuestion("How tall is the Eiffel Tower?", None),
    GoldenQuestion("Can you recommend a good restaurant nearby?", None),
    GoldenQuestion("How do I repair a flat bicycle tyre?", None),
)
