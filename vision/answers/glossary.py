"""Background about technologies whose names were read: what they are in general, never what this picture shows.

Every line starts with `> Background:` and names no product but the one explained.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from vision.answers.wording import FORM, alike, words_of


@dataclass(frozen=True)
class Technology:
    """A technology: the names it is known by, what it is in one phrase, and which general things it is one of."""

    names: tuple[str, ...]
    what: str
    kinds: tuple[str, ...] = ()


_TABLE = """
Delta Lake | open table format that brings transactions and versions to files in a data lake | table format, storage
Lakehouse | data platform that keeps tables with transactions on cheap object storage | storage
MLflow | open-source tool for tracking experiments, packaging models and keeping a registry of them | model registry, experiment tracking
Model registry | catalogue of trained models with their versions and the state of each | model registry
Feature store, Feature table | place where inputs of models are kept so that training and serving use the same values | feature store
Databricks | platform for data engineering and machine learning | platform
Unity Catalog | catalogue that governs access to data and models | catalog
Apache Spark, Spark | engine for processing large data on many machines at once | data processing
Kafka, Apache Kafka | distributed log to which programs publish events and from which others read them | message queue, message broker, event stream, streaming
RabbitMQ | message broker that hands messages from senders to receivers | message queue, message broker
SQS, Amazon SQS | managed message queue | message queue
SNS, Amazon SNS | managed service that sends a message to many subscribers | notification service, message broker
Pub/Sub, PubSub, Cloud Pub/Sub | managed service through which programs publish and receive messages | message queue, message broker, streaming
Event Hubs, Azure Event Hubs | managed service that takes in streams of events | message queue, event stream, streaming
Kinesis, Amazon Kinesis | managed service for streams of records | event stream, streaming
Redis, Redis cache | store that keeps data in memory, often used as a cache | cache
Memcached | cache that keeps values in memory | cache
PostgreSQL, Postgres | relational database | database, sql database, relational database
MySQL | relational database | database, sql database, relational database
SQL Server, Azure SQL Database, SQL Database | relational database | database, sql database, relational database
MongoDB | database that keeps documents | database, nosql database
Cassandra | database for large data spread over many machines | database, nosql database
DynamoDB | managed key-value database | database, nosql database
Cosmos DB, Azure Cosmos DB | managed database for several kinds of data | database, nosql database
Elasticsearch, OpenSearch | engine for searching and analysing text and logs | search engine, database
BigQuery | managed data warehouse | data warehouse, database
Snowflake | managed data warehouse | data warehouse, database
Redshift, Amazon Redshift | managed data warehouse | data warehouse, database
Synapse, Azure Synapse | managed service for data warehousing and analytics | data warehouse
S3, Amazon S3 | managed object storage: files by name in buckets | object storage, object store, storage, bucket
Azure Storage Account, Storage Account | managed storage for files, queues and tables | object storage, storage
Data Lake Storage, Azure Data Lake Storage | managed storage for large amounts of files | object storage, storage, data lake
Cloud Storage, GCS | managed object storage | object storage, storage, bucket
Kubernetes, K8s, Kubernetes Services, AKS, EKS, GKE | system that runs containers on many machines | container orchestration, orchestrator, cluster
Docker | tool that packs a program with all it needs into a container | container runtime
Airflow, Apache Airflow | scheduler for workflows of tasks that depend on each other | workflow orchestration, scheduler, orchestrator
Lambda, AWS Lambda | service that runs functions on demand without servers of one's own | serverless function, function
Nginx | web server that is also used as a reverse proxy and load balancer | web server, reverse proxy
ELB, ALB | load balancer | load balancer
Load balancer | part that spreads requests over several servers | load balancer
CDN, CloudFront | network of servers that keep copies of content near its readers | cdn, content delivery network
DNS, Route 53 | service that turns names into network addresses | dns
API gateway | single entrance that routes calls to the services behind it | api gateway, gateway
Jaeger, Jaeger Collector, Jaeger Query | system for distributed tracing: it shows which way a request took through services | tracing
OpenTelemetry, OpenTelemetry SDK | open standard with libraries for collecting traces, metrics and logs | tracing, telemetry, observability
OTLP | protocol in which telemetry is sent | protocol
Prometheus | system that collects and stores measurements over time | monitoring, metrics
Grafana | tool for dashboards of measurements | monitoring, dashboard
Azure Monitor | managed service for measurements, logs and alerts | monitoring
Application Insights, Azure Application Insights | managed service that watches the performance of applications | monitoring
CloudWatch | managed service for measurements, logs and alerts | monitoring
GitHub, Github | service for hosting source code and reviewing changes | source control, version control
GitLab | service for hosting source code with pipelines | source control, version control, ci cd, ci, cd
Azure DevOps | service for source code, work planning and pipelines | source control, version control, ci cd, ci, cd
Jenkins | automation server that builds, tests and deploys software | ci cd, ci, cd
Code Pipeline, CodePipeline | managed service for pipelines that build, test and deploy software | ci cd, ci, cd
CloudFormation | service that creates cloud resources from a template | infrastructure as code
Terraform | tool that creates infrastructure from files that describe it | infrastructure as code
SageMaker, Amazon SageMaker, Amazon Sagemaker Endpoint | managed platform for training and serving machine-learning models | ml platform
Vertex AI | managed platform for training and serving machine-learning models | ml platform
Azure Machine Learning | managed platform for training and serving machine-learning models | ml platform
IAM Role, IAM Roles, IAM | set of permissions that a person or program can take on | access control, identity
VPC | private network in a cloud | network
Service Catalog | list of approved products that people may set up themselves | catalog
Parameter store | managed store for configuration values and secrets | configuration store, secret store
gRPC | protocol for calling functions of another program over a network | protocol
REST API, REST APIs | way of calling a service over HTTP | api
CI, Continuous integration | practice of building and testing every change automatically | ci cd, ci, cd
CD, Continuous deployment, Continuous delivery | practice of releasing tested changes automatically | ci cd, ci, cd
ETL | extracting data, transforming it and loading it elsewhere | data processing
Azure Arc | service that manages machines and clusters that run elsewhere | management
"""  # noqa: E501 - a table reads by its rows

TECHNOLOGIES = tuple(
    Technology(
        tuple(name.strip() for name in names.split(",")),
        what.strip(),
        tuple(kind.strip() for kind in kinds.split(",")),
    )
    for names, what, kinds in (row.split("|") for row in _TABLE.strip().splitlines())
)


@lru_cache(maxsize=2_000)
def technologies_in(text: str) -> tuple[tuple[str, Technology], ...]:
    """The technologies that a text read names, each with the words of the text that name it."""
    found: list[tuple[str, Technology]] = []
    for technology in TECHNOLOGIES:
        for name in sorted(technology.names, key=len, reverse=True):
            match = re.search(rf"(?<![\w]){re.escape(name)}(?!\w)", text, re.IGNORECASE)
            # A short name is one only as it is written: `CD`, not `cd`; `IAM`, not `iam`.
            if match and (len(name) > 4 or match.group() == name):
                found.append((match.group(), technology))
                break
    return tuple(one for one in found if not any(_is_part_of(one[0], other[0]) for other in found))


def background(text: str) -> list[str]:
    """A line of background for each technology that a text names."""
    return [_line(name, technology) for name, technology in technologies_in(text)]


def _line(name: str, technology: Technology) -> str:
    article = f"{_article(technology.what)} " if _article(technology.what) else ""
    return f"> Background: {name}: {article}{technology.what}."


def is_kind_of(text: str, kind: str) -> bool:
    """Whether a text names a technology of a general kind ("message queue", "queue"), by background knowledge."""
    wanted = words_of(kind)

    def is_meant(own: str) -> bool:
        words = words_of(own)
        return alike(wanted[-1], words[-1]) >= FORM and all(
            any(alike(word, one) >= FORM for one in words) for word in wanted
        )

    return bool(wanted) and any(is_meant(own) for _, technology in technologies_in(text) for own in technology.kinds)


def backgrounds(texts: Iterable[str]) -> list[str]:
    """Background for all technologies in some texts, each once, by the longest of its names that was read."""
    found: dict[Technology, str] = {}
    for name, technology in (one for text in texts for one in technologies_in(text)):
        if len(name) > len(found.get(technology, "")):
            found[technology] = name
    return [_line(name, technology) for technology, name in found.items()]


def _is_part_of(short: str, long: str) -> bool:
    return short != long and short.casefold() in long.casefold()


def _article(what: str) -> str:
    if what.startswith(("extracting", "practice")):
        return "the" if what.startswith("practice") else ""
    return "an" if what[0] in "aeio" else "a"
