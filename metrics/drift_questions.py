"""What is asked of the traffic of an endpoint: the columns that are judged, and from which change on one matters."""

from metrics.drift_judgement import Question

ANSWER_LENGTH, LATENCY = "completion_tokens", "execution_duration_ms"
ANSWERS_FLAGGED, PROMPTS_FLAGGED, ERRORS = "response_flagged", "prompt_flagged", "errors"
PROMPT_TOPICS = "prompt_topics"

QUESTIONS = (
    Question(ANSWER_LENGTH, "ratio", 1.15),
    Question(LATENCY, "ratio", 1.2),
    Question(ANSWERS_FLAGGED, "share", 0.03, least_ratio=1.5),
    Question(PROMPTS_FLAGGED, "share", 0.03, least_ratio=1.5),
    Question(ERRORS, "share", 0.02, least_ratio=1.5),
    Question("response_perplexity", "ratio", 1.15),
    Question("response_fk_grade", "mean", 0.3),
    Question("prompt_chars", "ratio", 1.25),
)
