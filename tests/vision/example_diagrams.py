"""Diagrams of our own as truths, to ask about: a shop, a stream of events, two accounts, a model's way, a cluster."""

from typing import Any

from tests.vision.truth_readings import truth_reading
from vision.reading import Reading


def _arrows(*ends: tuple[str, ...]) -> list[dict[str, Any]]:
    """Arrows as (from, to), (from, to, label) or (from, to, label, style)."""
    return [
        {
            "from": end[0],
            "to": end[1],
            "label": (end[2] or None) if len(end) > 2 else None,
            "style": end[3] if len(end) > 3 else None,
            "bidirectional": None,
        }
        for end in ends
    ]


BOOKSHOP: dict[str, Any] = {
    "components": [
        "Mobile app", "Web app", "API Gateway", "Order service", "Stock service", "Invoice service", "User DB",
        "Orders DB", "Redis", "RabbitMQ", "Mail sender", "Load Balancer", "Prometheus",
    ],
    "containers": {
        "Clients": ["Mobile app", "Web app"],
        "Backend": ["API Gateway", "Order service", "Stock service", "Invoice service", "RabbitMQ", "Mail sender"],
        "Data layer": ["User DB", "Orders DB", "Redis"],
    },
    "arrows": _arrows(
        ("Mobile app", "Load Balancer"),
        ("Web app", "Load Balancer"),
        ("Load Balancer", "API Gateway", "HTTPS"),
        ("API Gateway", "Order service"),
        ("API Gateway", "Stock service"),
        ("API Gateway", "User DB", "verify token"),
        ("Order service", "Orders DB"),
        ("Order service", "RabbitMQ", "order placed"),
        ("RabbitMQ", "Invoice service"),
        ("RabbitMQ", "Mail sender"),
        ("Stock service", "Redis"),
    ),
    "other_text": ["Bookshop"],
}  # fmt: skip

STREAM: dict[str, Any] = {
    "components": [
        "Sensors", "Kafka", "Stream processor", "Batch job (nightly)", "Raw bucket", "Data warehouse", "Dashboard",
        "Alert service", "Schema registry",
    ],
    "containers": {
        "Ingestion": ["Kafka", "Schema registry"],
        "Processing layer": ["Stream processor", "Batch job (nightly)"],
    },
    "arrows": _arrows(
        ("Sensors", "Kafka", "telemetry"),
        ("Kafka", "Stream processor"),
        ("Kafka", "Raw bucket", "archive", "dashed"),
        ("Raw bucket", "Batch job (nightly)"),
        ("Batch job (nightly)", "Data warehouse"),
        ("Stream processor", "Data warehouse"),
        ("Stream processor", "Alert service", "threshold exceeded", "dashed red"),
        ("Data warehouse", "Dashboard"),
    ),
}  # fmt: skip

MODELS: dict[str, Any] = {
    "components": [
        "Notebook", "Training pipeline", "Feature store", "Evaluation", "Model archive", "Approval gate",
        "Batch scoring", "Online endpoint", "Drift monitor", "Label table", "Prediction table", "Label table#2",
    ],
    "containers": {
        "Lab": ["Notebook", "Training pipeline", "Evaluation"],
        "Live environment": ["Batch scoring", "Online endpoint", "Drift monitor", "Approval gate"],
        "Storage": ["Label table", "Prediction table", "Label table#2", "Feature store"],
    },
    "arrows": _arrows(
        ("Notebook", "Training pipeline", "hand over"),
        ("Feature store", "Training pipeline", "", "read (blue)"),
        ("Label table", "Training pipeline", "", "read (blue)"),
        ("Training pipeline", "Evaluation"),
        ("Evaluation", "Model archive", "register model", "dashed"),
        ("Model archive", "Approval gate"),
        ("Approval gate", "Online endpoint", "approve release"),
        ("Approval gate", "Batch scoring"),
        ("Feature store", "Batch scoring", "", "read (blue)"),
        ("Feature store", "Online endpoint", "", "read (blue)"),
        ("Batch scoring", "Prediction table", "", "write (red)"),
        ("Prediction table", "Drift monitor", "", "read (blue)"),
        ("Label table#2", "Drift monitor", "", "read (blue)"),
        ("Drift monitor", "Training pipeline", "retrain trigger"),
    ),
    "steps": {
        "1": "Notebook",
        "2": "Training pipeline",
        "3": "Evaluation",
        "4": "register model",
        "5": "Approval gate",
        "5.a": "Batch scoring",
        "6": "Online endpoint",
        "7": "Drift monitor",
    },
    "other_text": ["Reads", "Writes"],
}  # fmt: skip

WEBSITE: dict[str, Any] = {
    "components": [
        "Browser", "CDN", "DNS", "Reverse proxy", "Search API", "Write API", "Memory Cache", "SQL Primary",
        "SQL Read Replicas", "Object Store", "Image resizer (optional)",
    ],
    "containers": {},
    "arrows": _arrows(
        ("Browser", "DNS"),
        ("Browser", "CDN"),
        ("Browser", "Reverse proxy"),
        ("CDN", "Object Store"),
        ("Reverse proxy", "Search API"),
        ("Reverse proxy", "Write API"),
        ("Search API", "Memory Cache"),
        ("Search API", "SQL Read Replicas"),
        ("Write API", "SQL Primary"),
        ("Write API", "Object Store"),
        ("SQL Primary", "SQL Read Replicas", "replication", "dashed"),
        ("Image resizer (optional)", "Object Store"),
    ),
}  # fmt: skip

CLUSTER: dict[str, Any] = {
    "components": [
        "ingress", "svc", "pod", "pod#2", "pod#3", "pvc", "pvc#2", "pv", "Container registry", "GitLab", "Helm chart",
        "EDA", "Key Vault",
    ],
    "containers": {
        "Namespace web": ["svc", "pod", "pod#2", "pod#3"],
        "Build account": ["GitLab", "Container registry"],
    },
    "arrows": _arrows(
        ("ingress", "svc"),
        ("svc", "pod"),
        ("svc", "pod#2"),
        ("svc", "pod#3"),
        ("pod", "pvc"),
        ("pod#2", "pvc#2"),
        ("pv", "pvc"),
        ("pv", "pvc#2"),
        ("GitLab", "Container registry", "push image"),
        ("Container registry", "pod", "pull image"),
        ("Key Vault", "pod", "secrets", "dashed"),
    ),
}  # fmt: skip

EXAMPLES = {"bookshop": BOOKSHOP, "stream": STREAM, "models": MODELS, "website": WEBSITE, "cluster": CLUSTER}


def example(name: str) -> Reading:
    """The reading of one of the diagrams of this file."""
    return truth_reading(EXAMPLES[name])
