"""Panels of the Models page: the choice of model and version, and the versions of test and production side by side."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import streamlit as st

from dashboard.panels.model_words import address, alias_words, read_address, status_word
from dashboard.queries import models
from dashboard.queries.models import ServingPlace
from dashboard.queries.registry_ready import registry_state
from dashboard.queries.watch import Seen
from dashboard.widgets import empty, local
from dashboard.wording import number, plain, sentence
from registry.details import VersionDetails
from registry.models import ModelList, ModelPair, RegisteredModel
from registry.versions import ModelVersion, VersionPage

MODEL, VERSION, COMPARE = "model", "version", "compare"
"""Keys of the controls: links keep them under these names."""
_STAGES = {"Production": "green", "Staging": "blue", "None": "gray", "Archived": "orange"}
_PLACE = "models_page_tokens"
_MISSING, _HURRY = "models_page_missing", "models_page_hurry"
_SOON_SECONDS, _LATER_SECONDS = 1.0, 10.0
_NO_MODEL = "No model is registered yet. Train one with `python -m jobs train retrieval`."
T = TypeVar("T")


def pace() -> float:
    """Seconds until the page is drawn again: soon while something has been asked for that is not there yet."""
    return _SOON_SECONDS if st.session_state.get(_HURRY) else _LATER_SECONDS


@contextmanager
def paced() -> Iterator[None]:
    """Around the page: draw it again at another pace, if what is missing has come or something is missing now."""
    st.session_state[_MISSING] = False
    yield
    if st.session_state[_MISSING] != st.session_state.get(_HURRY, False):
        st.session_state[_HURRY] = st.session_state[_MISSING]
        st.rerun()


def registered() -> ModelList | None:
    """The registered models, or None where there is none to show; a line says why."""
    state = registry_state()
    if state.state == "starting":
        st.session_state[_MISSING] = True
        empty("The registry's client is starting; this takes a few seconds, once.")
    elif state.state == "failed":
        st.error(sentence(state.message), icon=":material/error:")
    elif state.state == "empty":
        empty(_NO_MODEL)
    else:
        found = shown(models.model_list(), "the registered models")
        if found is not None and not found.models:
            empty(_NO_MODEL)
        return found if found is not None and found.models else None
    return None


def shown(seen: Seen[T], what: str) -> T | None:
    """What was seen, or None if nothing was yet. A line says why, or why what is shown may be old."""
    if seen.error is not None:
        st.error(sentence(seen.error), icon=":material/error:")
    elif seen.value is None:
        st.session_state[_MISSING] = True
        empty(f"Asking the registry for {plain(what)} …")
    return seen.value


def choice(found: ModelList) -> tuple[RegisteredModel, str, tuple[str, str] | None]:
    """The model, the version (a number or an alias) and the (model, version) to compare it with, as people chose."""
    by_name = {model.name: model for model in _ordered(found)}
    names = list(by_name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Registered model",
            names,
            key=MODEL,
            bind="query-params",
            on_change=_other_model,
            args=(by_name,),
            width=230,
        )
        model = by_name.get(str(name), by_name[names[0]])
        wanted = _version_control(model)
        compared = _compare_control(model, by_name)
    if not found.complete:
        st.caption("The registry has more models than are listed here.")
    return model, wanted, compared


def places() -> Seen[list[ServingPlace]]:
    """Which endpoints serve what; not waited for, because the registry's side of the page needs no endpoint."""
    seen = models.serving()
    if seen.value is None and seen.error is None:
        st.session_state[_MISSING] = True
    return seen


def details_of(seen: Seen[ModelVersion], what: str) -> VersionDetails | None:
    """All about a version, or None if it is not there or not yet read; a line says why."""
    version = shown(seen, what)
    return None if version is None else shown(models.details(version), f"the details of {what}")


def details_to_compare(compared: tuple[str, str] | None) -> VersionDetails | None:
    """All about the version to compare with, or None if there is none; a line says why."""
    if compared is None:
        return None
    return details_of(models.version(*compared), f"version {compared[1]} of {compared[0]}")


def side_by_side(pair: ModelPair, chosen: ModelVersion | None, places: Sequence[ServingPlace]) -> None:
    """The versions of both environments, a page at a time; a click on a row chooses the version."""
    columns = st.columns(len(pair.models))
    for column, model in zip(columns, pair.models, strict=True):
        with column, st.container(border=True, height="stretch"):
            with st.container(gap=None):
                st.subheader(plain(model.name), anchor=False)
                st.caption(_about(model))
            _versions(model, chosen, places)


def pair_of(found: ModelList, name: str) -> ModelPair:
    """The pair that a registered model belongs to."""
    pairs = models.pairs(found)
    return next(pair for pair in pairs if name in {model.name for model in pair.models})


def _versions(model: RegisteredModel, chosen: ModelVersion | None, places: Sequence[ServingPlace]) -> None:
    tokens: list[str | None] = st.session_state.setdefault(f"{_PLACE} {model.name}", [None])
    page = shown(models.version_page(model.name, tokens[-1]), f"the versions of {model.name}")
    if page:
        _table(model.name, page, chosen, places)
        _pager(model.name, tokens, page)
    elif page is not None:
        empty("This model has no version.")


def _table(name: str, page: VersionPage, chosen: ModelVersion | None, places: Sequence[ServingPlace]) -> None:
    import pandas as pd

    numbers = [version.version for version in page]
    mine = chosen is not None and chosen.name == name and chosen.version in numbers
    wanted = [numbers.index(chosen.version)] if mine and chosen is not None else []
    rows = [
        {
            "Version": f"v{version.version}",
            "Stage": [version.stage],
            "Alias": alias_words(version.aliases),
            "Traffic": _traffic(version, places),
            "Status": status_word(version.status),
            "Created": local(version.created_at),
            "Modified": local(version.updated_at),
            "Description": version.description,
        }
        for version in page
    ]
    # Rows that change under a table would take its selection away: other rows are another table.
    key = f"versions {name} {zlib.crc32(repr(rows).encode())}"
    _select(key, wanted)
    time = st.column_config.DatetimeColumn(format="DD MMM YY, HH:mm", width=125)
    st.dataframe(
        pd.DataFrame(rows),
        key=key,
        hide_index=True,
        height=min(38 + 35 * len(rows), 390),
        on_select=lambda: _chosen_in_table(key, name, numbers),
        selection_mode="single-row",
        alt=f"Versions of {name}, newest first",
        column_config={
            "Version": st.column_config.TextColumn(pinned=True, width=62),
            "Stage": st.column_config.MultiselectColumn(options=list(_STAGES), color=list(_STAGES.values()), width=92),
            "Alias": st.column_config.TextColumn(width=95),
            "Traffic": st.column_config.TextColumn(width=70, help="What endpoints give it of their traffic"),
            "Status": st.column_config.TextColumn(width=80),
            "Created": time,
            "Modified": time,
        },
    )


def _pager(name: str, tokens: list[str | None], page: VersionPage) -> None:
    """Newer and older, where there is more than one page."""
    if not page.complete:
        st.caption(
            "Unity Catalog lists versions in no order: the newest of the first 2,000 stand here. Type any other."
        )
    if len(tokens) == 1 and page.next_page_token is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Newer",
            icon=":material/chevron_left:",
            key=f"newer {name}",
            disabled=len(tokens) == 1,
            on_click=tokens.pop if len(tokens) > 1 else None,
        )
        st.button(
            "Older",
            icon=":material/chevron_right:",
            key=f"older {name}",
            disabled=page.next_page_token is None,
            on_click=tokens.append,
            args=(page.next_page_token,),
        )
        st.caption(f"Page {number(len(tokens))}: v{plain(page[0].version)} to v{plain(page[-1].version)}")


def _version_control(model: RegisteredModel) -> str:
    """The version; any number or alias can be typed, also of a version that is not on the first page."""
    default = _default(model)
    # The first is what counts until somebody chooses: a default in another place could not be changed by a click.
    options = list(dict.fromkeys([default, *_numbers(model)])) if default else _numbers(model)
    typed = st.selectbox(
        "Version",
        options,
        accept_new_options=True,
        key=VERSION,
        bind="query-params",
        placeholder="Number or alias",
        width=180,
    )
    return read_address(str(typed or default), model.name)[1]


def _compare_control(model: RegisteredModel, by_name: dict[str, RegisteredModel]) -> tuple[str, str] | None:
    others = [model, *(other for other in by_name.values() if other.name != model.name)]
    options = [address(other.name, version) for other in others[:4] for version in _numbers(other)]
    typed = st.selectbox(
        "Compare with",
        options,
        index=None,
        accept_new_options=True,
        key=COMPARE,
        bind="query-params",
        placeholder="Choose, or type a version",
        width=250,
    )
    return read_address(str(typed), model.name) if typed else None


def _numbers(model: RegisteredModel) -> list[str]:
    """The numbers that a list offers: those on the first page and those with an alias."""
    first = models.version_page(model.name, None).value
    found = dict.fromkeys(version.version for version in first or ())
    found.update(dict.fromkeys([*model.aliases.values(), *([model.latest_version] if model.latest_version else [])]))
    return list(found)


def _default(model: RegisteredModel) -> str:
    """The version that is shown until somebody chooses: the one that counts in its environment, else the newest."""
    for alias in ("champion", "challenger"):
        if alias in model.aliases:
            return model.aliases[alias]
    return next(iter(_numbers(model)), model.latest_version)


def _ordered(found: ModelList) -> list[RegisteredModel]:
    """Production before test, the settings' own pair first."""
    return [model for pair in models.pairs(found) for model in reversed(pair.models)]


def _other_model(by_name: dict[str, RegisteredModel]) -> None:
    """Another model was chosen: its own version is shown, not the number of the one before."""
    model = by_name.get(str(st.session_state.get(MODEL)))
    if model is not None:
        st.session_state[VERSION] = _default(model)


def _chosen_in_table(key: str, name: str, numbers: Sequence[str]) -> None:
    rows = list(st.session_state[key].selection.rows)
    # A table that was only told of a choice reports it too: that must not undo a click in the other table.
    if rows and rows[0] < len(numbers) and rows != st.session_state.get(f"told {key}"):
        st.session_state[MODEL] = name
        st.session_state[VERSION] = numbers[rows[0]]


def _select(key: str, rows: list[int]) -> None:
    """Let a table show the choice, wherever it was made."""
    st.session_state[f"told {key}"] = rows
    state = st.session_state.get(key)
    if (list(state["selection"]["rows"]) if state else []) != rows:
        st.session_state[key] = {"selection": {"rows": rows}}


def _traffic(version: ModelVersion, places: Sequence[ServingPlace]) -> str:
    mine = [place for place in places if (place.entity_name, place.entity_version) == (version.name, version.version)]
    several = len({place.endpoint for place in places}) > 1
    return ", ".join(f"{place.endpoint} {place.traffic} %" if several else f"{place.traffic} %" for place in mine)


def _about(model: RegisteredModel) -> str:
    place = {"test": "Test: None → Staging.", "production": "Production → Archived.", "other": "In no environment."}
    latest = f" Newest is v{plain(model.latest_version)}." if model.latest_version else ""
    return f"{place[model.environment]}{latest} {plain(model.description)}".strip()
