"""The page Ask an image before one is open: giving an image, waiting for it to be read, and earlier conversations."""

import streamlit as st

from dashboard.actions import ask_image as actions
from dashboard.actions.image_reader import ImageJob, image_reader
from dashboard.auth import current_actor
from dashboard.links import open_page, page_link
from dashboard.queries import images
from dashboard.queries.images import ListedConversation
from dashboard.queries.watch import EXPECTED
from dashboard.widgets import empty, local
from dashboard.wording import age, duration, number, plain, plural, sentence

MOST_MEGABYTES = 200
SAMPLE_NAME = "sample diagram"

_JOB, _WRONG, _UPLOAD, _TAKEN = "image job", "image refused", "image upload", "image taken"
_PAGE_SIZE = 10
_LOOK_SECONDS = 0.4
_FIRST_WORDS = 90
_USUAL_SECONDS = 10


def is_one_asked() -> bool:
    """Whether the address names a conversation."""
    return bool(st.query_params.get("conversation"))


def give() -> None:
    """The place for an image: upload one, or take the sample; a file that cannot be read is a sentence."""
    job = st.session_state.get(_JOB)
    if isinstance(job, ImageJob):
        if not job.done:
            st.fragment(waiting, run_every=_LOOK_SECONDS)(job)
            return
        del st.session_state[_JOB]
        if isinstance(job.value, str):
            open_page("ask_image", conversation=job.value)
        st.session_state[_WRONG] = sentence_of(job.error)
    # Every kind of file is taken, as a file of a wrong kind gets a sentence that says what to do.
    st.file_uploader(
        f"A diagram as JPG, JPEG or PNG, up to {MOST_MEGABYTES} MB",
        key=_UPLOAD,
        max_upload_size=MOST_MEGABYTES,
        on_change=_uploaded,
    )
    if wrong := st.session_state.get(_WRONG):
        st.error(wrong, icon=":material/broken_image:")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Try the sample diagram", icon=":material/schema:", key="sample", on_click=_sample)
        st.caption(
            "Read by this dashboard and kept in its lake until you delete it; no model sees it unless you ask one.",
            width="content",
        )


def waiting(job: ImageJob) -> None:
    """How long an image still waits, and the way out. Once it is read, the whole page is drawn anew."""
    if job.done or job.dropped:
        st.rerun()
    before = image_reader().before(job)
    if before:
        are = "image is" if before == 1 else "images are"
        said = f"Waiting: {number(before)} {are} read before this one."
    else:
        usual = "It usually takes less than ten seconds"
        more = "." if job.seconds < _USUAL_SECONDS else ", but longer for a large image or on a busy machine."
        said = f"Reading the image: {duration(job.seconds)}. {usual}{more}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/hourglass_top: {said}", width="content")
        st.button("Cancel", key="cancel image", on_click=_cancel, args=(job,))


def sentence_of(error: Exception | None) -> str:
    """What went wrong with an image, for Markdown."""
    known = isinstance(error, EXPECTED)
    return sentence(error) if known else "The image could not be read. The dashboard's log says why."


def history() -> None:
    """The visitor's own conversations, the last one first: found by their words, opened and deleted."""
    actor = current_actor().name
    if not images.history(actor):
        empty("Images that you ask about are kept here for you.")
        return
    wanted = st.text_input(
        "Search in questions, answers and names of images", key="searched images", icon=":material/search:"
    )
    found = images.history(actor, wanted)
    if not found:
        empty("Nothing of yours has these words.")
        return
    more, found = len(found) > images.MOST_LISTED, found[: images.MOST_LISTED]
    pages = -(-len(found) // _PAGE_SIZE)
    rows = st.container(gap="small")
    at = min(st.pagination(pages, key="images page") or 1, pages) if pages > 1 else 1
    with rows:
        for one in found[(at - 1) * _PAGE_SIZE : at * _PAGE_SIZE]:
            _listed(one)
    if more:
        st.caption(f"Only the last {number(images.MOST_LISTED)} are listed: search for the words of an earlier one.")


def delete_button(conversation_id: str, *, compact: bool) -> None:
    """Deleting a conversation, after a second click. `compact`: the icon alone."""
    label = "" if compact else "Delete"
    with st.popover(label, icon=":material/delete:", help="Delete this conversation", key=f"del {conversation_id}"):
        st.markdown("Delete this conversation? Its image goes, too, if no other one is about it.")
        st.button(
            "Delete it", key=f"delete {conversation_id}", type="primary", on_click=_delete, args=(conversation_id,)
        )


def _listed(one: ListedConversation) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(gap=None, width="stretch"):
            page_link("ask_image", plain(one.image_name or "image"), "image", conversation=one.conversation_id)
            words = one.first_question[:_FIRST_WORDS] + ("…" if len(one.first_question) > _FIRST_WORDS else "")
            asked = f"{plural(one.questions, 'question')}: {plain(words)}" if one.questions else "nothing asked yet"
            st.caption(f"{age(one.last_at)}, {local(one.last_at):%d %b %Y, %H:%M} · {asked}")
        delete_button(one.conversation_id, compact=True)


def _uploaded() -> None:
    file = st.session_state.get(_UPLOAD)
    # The place for files goes while one is read, and the browser may then send what it had once more.
    if file is not None and file.file_id != st.session_state.get(_TAKEN):
        st.session_state[_TAKEN] = file.file_id
        _open(file.getvalue(), file.name)


def _sample() -> None:
    # Drawing takes a moment and what draws is not needed by any other page.
    from vision.sample import sample_diagram

    _open(sample_diagram(), SAMPLE_NAME)


def _open(data: bytes, name: str) -> None:
    st.session_state.pop(_WRONG, None)
    try:
        st.session_state[_JOB] = actions.open_image(data, name)
    except EXPECTED as error:
        st.session_state[_WRONG] = sentence(error)


def _cancel(job: ImageJob) -> None:
    job.drop()
    st.session_state.pop(_JOB, None)


def _delete(conversation_id: str) -> None:
    try:
        actions.delete_conversation(conversation_id)
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")
        return
    st.query_params.pop("conversation", None)
    st.toast("Deleted.", icon=":material/delete:")
