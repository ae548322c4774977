"""Panels of one model version: where it comes from, its run, its schema, its dependencies and its files."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.links import page_link
from dashboard.panels.model_words import size, status_word
from dashboard.panels.states import state_badge
from dashboard.queries import models
from dashboard.queries.models import ServingPlace
from dashboard.queries.watch import Seen
from dashboard.widgets import empty, guarded, local, table
from dashboard.wording import NOTHING, duration, number, plain, plural, sentence
from registry.artifacts import Artifact, ArtifactTree
from registry.details import Part, TrainingRun, VersionDetails
from registry.schema_fields import SchemaField
from registry.versions import ModelVersion
from settings import get_settings

_STAGE_COLORS = {"Production": "green", "Staging": "blue", "None": "gray", "Archived": "orange"}
_MOST_CHARACTERS = 100_000
"""Of a file's text that a page shows."""
_LANGUAGES = {"py": "python", "json": "json", "yaml": "yaml", "yml": "yaml", "toml": "toml", "md": None, "sql": "sql"}
_WHOLE = "MLmodel"


def details(found: VersionDetails, places: Seen[list[ServingPlace]]) -> None:
    """One version in full: what it is, and tabs with its run, its schema, its dependencies and its files."""
    st.markdown(title_line(found.version))
    _summary(found, places)
    run, fields, needs, tree = st.tabs(["Training run", "Schema", "Dependencies", "Files"])
    with run, guarded("Training run"):
        _training(found)
    with fields, guarded("Schema"):
        _schema(found)
    with needs, guarded("Dependencies"):
        _dependencies(found)
    with tree, guarded("Files"):
        _files(found)


def title_line(version: ModelVersion) -> str:
    """The version's stage, aliases and status as badges."""
    color = _STAGE_COLORS[version.stage]
    badges = [f":{color}-badge[{version.stage}]"]
    badges += [f":violet-badge[@{plain(alias)}]" for alias in version.aliases]
    badges.append(state_badge(status_word(version.status)))
    return " ".join(badges)


def _summary(found: VersionDetails, places: Seen[list[ServingPlace]]) -> None:
    """What it is, who made it when, what it is a copy of, and which endpoints serve it."""
    version = found.version
    if version.description:
        st.markdown(plain(version.description))
    if version.status_message:
        st.warning(sentence(version.status_message), icon=":material/warning:")
    rows = {
        "Created": _created(version),
        "Modified": f"{local(version.updated_at):%d %b %Y, %H:%M:%S}",
        "Source": _chain(found),
        "Served by": _served(version, places),
    }
    if version.tags:
        rows["Tags"] = ", ".join(f"{plain(name)} = {plain(value)}" for name, value in sorted(version.tags.items()))
    st.table(rows, border="horizontal", alt=f"What {version.name} version {version.version} is")
    if problem := found.problems.get("chain"):
        st.warning(sentence(problem), icon=":material/warning:")
    with st.container(horizontal=True):
        if version.name == get_settings().test_model:
            page_link("promotion", "Evaluate and promote", "upgrade", version=version.version)
        # What changes production stands in the ledger under the endpoint's name.
        settings = get_settings()
        target = settings.endpoint if version.name == settings.prod_model else version.name
        page_link("ledger", f"Changes of {plain(target)}", "history_edu", target=target)


def _training(found: VersionDetails) -> None:
    """The run that made it, with its parameters and metrics."""
    if _problem(found, "run"):
        return
    run = found.run
    if run is None:
        empty("This version names no training run.")
        return
    took = duration((run.ended_at - run.started_at).total_seconds()) if run.ended_at else NOTHING
    by = f" by {plain(run.user)}" if run.user else ""
    st.markdown(
        f"{state_badge('succeeded' if run.status == 'finished' else run.status)} **{plain(run.name)}**, "
        f"{local(run.started_at):%d %b %Y, %H:%M:%S}{by}, took {took}. :small[:gray[Run {plain(run.run_id)}]]"
    )
    left, right = st.columns(2)
    with left:
        _named(run.parameters, "Parameter", "Value", "The run logged no parameters.", "Parameters of the training run")
    with right:
        values = {name: _metric(value) for name, value in run.metrics.items()}
        _named(values, "Metric", "Value", "The run logged no metrics.", "Metrics of the training run")
    _run_tags(run)


def _schema(found: VersionDetails) -> None:
    """What it takes and what it gives."""
    if _problem(found, "artifacts") or _problem(found, "mlmodel"):
        return
    signature = found.signature
    if signature.is_empty:
        what = "Its MLmodel file tells" if found.mlmodel else "Without an MLmodel file there is"
        empty(f"{what} no input and output schema.")
        return
    left, right = st.columns(2)
    with left:
        st.markdown("**Input**")
        _fields(signature.inputs, "input", "Any input.")
        if signature.parameters:
            st.markdown("**Parameters**")
            _fields(signature.parameters, "parameters", "")
    with right:
        st.markdown("**Output**")
        _fields(signature.outputs, "output", "Nothing is said of its output.")


def _dependencies(found: VersionDetails) -> None:
    """What it needs to run."""
    if _problem(found, "artifacts") or _problem(found, "requirements"):
        return
    rows = {"Python": found.python_version or NOTHING, "MLflow that logged it": found.mlflow_version or NOTHING}
    rows["Flavours"] = ", ".join(plain(name) for name in found.flavors) or NOTHING
    left, right = st.columns(2)
    with left:
        st.table({name: plain(value) for name, value in rows.items()}, border="horizontal", alt="Environment")
    with right:
        if found.requirements:
            st.code("\n".join(found.requirements), language=None)
        else:
            empty("It has no requirements.txt.")


def _files(found: VersionDetails) -> None:
    """Its files with their sizes, and the text of one of them, as it stands in the file."""
    if _problem(found, "artifacts"):
        return
    tree = found.artifacts
    if not tree.files:
        empty("There are no files where its artifacts should be.")
        return
    more = "" if tree.complete else " More were not listed."
    st.caption(f"{plural(len(tree.files), 'file')}, {size(tree.size)} in all.{more} Choose one to read it.")
    left, right = st.columns([2, 3])
    with left:
        _tree(found.version, tree)
    with right:
        paths = [file.path for file in tree.files]
        key = _file_key(found.version)
        path = st.selectbox("File", paths, index=paths.index(_WHOLE) if _WHOLE in paths else 0, key=key)
        _text(found.version, tree, str(path))


def _text(version: ModelVersion, tree: ArtifactTree, path: str) -> None:
    seen = models.text(version, tree, path)
    if seen.error is not None:
        st.warning(sentence(seen.error), icon=":material/visibility_off:")
    elif seen.value is None:
        empty("Fetching the file …")
    else:
        text = seen.value
        # Always as code: what stands in a file is never Markdown or HTML of ours.
        language = _LANGUAGES.get(path.rpartition(".")[2].lower(), "yaml" if path.endswith(_WHOLE) else None)
        st.code(text[:_MOST_CHARACTERS] or " ", language=language, height=420, wrap_lines=True)
        if len(text) > _MOST_CHARACTERS:
            st.caption(f"The first {number(_MOST_CHARACTERS)} of {number(len(text))} characters.")


def _tree(version: ModelVersion, tree: ArtifactTree) -> None:
    import pandas as pd

    rows = _tree_rows(tree.files)
    key = f"tree {version.name} {version.version}"
    st.dataframe(
        pd.DataFrame({"File": [row[0] for row in rows], "Size": [row[1] for row in rows]}),
        key=key,
        hide_index=True,
        height=min(38 + 35 * len(rows), 500),
        on_select=lambda: _chosen_in_tree(key, version, [row[2] for row in rows]),
        selection_mode="single-row",
        alt=f"Files of {version.name} version {version.version}",
        column_config={"Size": st.column_config.TextColumn(width=80, alignment="right")},
    )


def _tree_rows(files: Sequence[Artifact]) -> list[tuple[str, str, str]]:
    """(indented name, size, path) of every folder and file; a folder's path is empty and its size that of all in it."""
    rows: list[tuple[str, str, str]] = []
    known: set[str] = set()
    for file in sorted(
        files, key=lambda one: [(part != one.path.split("/")[-1], part) for part in one.path.split("/")]
    ):
        *folders, name = file.path.split("/")
        for depth in range(len(folders)):
            folder = "/".join(folders[: depth + 1]) + "/"
            if folder not in known:
                known.add(folder)
                inside = sum(other.size or 0 for other in files if other.path.startswith(folder))
                rows.append((_indented(f"{folders[depth]}/", depth), size(inside), ""))
        rows.append((_indented(name, len(folders)), size(file.size), file.path))
    return rows


def _indented(name: str, depth: int) -> str:
    return "\u2003" * depth + name


def _chosen_in_tree(key: str, version: ModelVersion, paths: Sequence[str]) -> None:
    rows = st.session_state[key].selection.rows
    if rows and rows[0] < len(paths) and paths[rows[0]]:
        st.session_state[_file_key(version)] = paths[rows[0]]


def _file_key(version: ModelVersion) -> str:
    return f"file {version.name} {version.version}"


def _fields(fields: Sequence[SchemaField], what: str, otherwise: str) -> None:
    import pandas as pd

    if not fields:
        empty(otherwise)
        return
    rows: dict[str, list[Any]] = {
        "Field": [field.path for field in fields],
        "Type": [field.type for field in fields],
        "Required": ["required" if field.required else "" for field in fields],
    }
    if any(field.default for field in fields):
        rows["Default"] = [field.default for field in fields]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=min(38 + 35 * len(fields), 420),
        key=f"schema {what}",
        alt=f"Fields of the {what}",
        column_config={
            "Field": st.column_config.TextColumn(width=210),
            "Required": st.column_config.TextColumn(width=80),
        },
    )


def _run_tags(run: TrainingRun) -> None:
    if run.tags:
        listed = ", ".join(f"{plain(name)} = {plain(value)}" for name, value in run.tags.items())
        st.caption(f"Tags of the run: {listed}")


def _named(values: Mapping[str, str], name: str, value: str, otherwise: str, alt: str) -> None:
    if not values:
        empty(otherwise)
        return
    table({name: [plain(key) for key in values], value: [plain(text) for text in values.values()]}, alt=alt)


def _metric(value: float) -> str:
    return f"{value:.6g}".replace("-", "\u2212")


def _problem(found: VersionDetails, part: Part) -> bool:
    """Whether a part could not be read; a line says why."""
    problem = found.problems.get(part)
    if problem:
        st.warning(sentence(problem), icon=":material/warning:")
    return problem is not None


def _created(version: ModelVersion) -> str:
    by = f" by {plain(version.created_by)}" if version.created_by else ""
    return f"{local(version.created_at):%d %b %Y, %H:%M:%S}{by}"


def _chain(found: VersionDetails) -> str:
    steps = [f"{plain(one.name)} v{plain(one.version)}" for one in found.chain]
    origin = found.origin.removeprefix("models:/")
    if found.run is not None:
        steps.append(f"logged model {plain(origin)} of run {plain(found.run.name or found.run.run_id)}")
    elif not found.chain[-1].copied_from:
        steps.append(f"{plain(origin)}")
    return " ← ".join(steps)


def _served(version: ModelVersion, places: Seen[list[ServingPlace]]) -> str:
    if places.error is not None:
        return f"Not known: {sentence(places.error)}"
    if places.value is None:
        return "Asking the endpoints …"
    key = (version.name, version.version)
    mine = [place for place in places.value if (place.entity_name, place.entity_version) == key]
    return (
        ", ".join(
            f"**{plain(place.endpoint)}** with {place.traffic} % of the traffic "
            f"{state_badge('ready' if place.ready else 'not ready')}"
            for place in mine
        )
        or "No endpoint"
    )
