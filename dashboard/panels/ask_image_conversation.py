"""One conversation on the page Ask an image: its picture, its questions, what was read, and what one can do with it."""

from functools import partial

import streamlit as st

from dashboard.actions import ask_image as actions
from dashboard.actions.image_reader import ImageJob
from dashboard.auth import current_actor
from dashboard.image_export import exported
from dashboard.image_overlay import question_about
from dashboard.links import page_link
from dashboard.panels import ask_image_answers, ask_image_details, ask_image_picture, ask_image_reality
from dashboard.panels.ask_image import delete_button, sentence_of, waiting
from dashboard.queries import images
from dashboard.queries.images import ImageConversation, KeptImage
from dashboard.widgets import empty, panel
from dashboard.wording import plain
from vision.models.grounding import instructions_on_image
from vision.reading import Reading

_JOB = "image read again"
_LOOK_SECONDS = 0.4


def one() -> None:
    """The conversation that the address names."""
    asked = st.query_params.get("conversation", "")
    # A link from one conversation to the next is on the same page: the address follows only when it is told.
    st.query_params["conversation"] = asked
    page_link("ask_image", "All images", "arrow_back")
    last = ask_image_answers.last_answer(asked)
    conversation = images.conversation(current_actor().name, asked)
    kept = images.image(conversation.image_hash) if conversation else None
    if conversation is None or kept is None:
        empty("There is no such conversation of yours, or its image is not kept any more: upload it again.")
        return
    reading = images.reading(conversation.image_hash)
    if reading is None:
        _read_again(conversation)
        return
    st.session_state.pop(_JOB, None)
    _title(conversation, kept, reading, writing=last.writing is not None)
    _warn_of_instructions(reading)
    left, right = st.columns([11, 9], gap="medium")
    with left:
        may_ask = not ask_image_answers.why_not_ask()
        ask_image_picture.picture(
            conversation.conversation_id,
            kept,
            reading,
            ask=partial(_ask_about, conversation, reading) if may_ask else None,
        )
        st.caption(ask_image_details.summary(reading))
    with right:
        ask_image_answers.questions(conversation, reading, last)
    with panel("What was read", "The same as a diagram and in tables; answers rest on this alone."):
        ask_image_details.read(reading)
    with panel("Is this what runs here?", "Which components of the diagram this workspace has, by name."):
        ask_image_reality.found_here(reading)


def _title(conversation: ImageConversation, kept: KeptImage, reading: Reading, *, writing: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(plain(conversation.image_name or "Image"), anchor=False, width="content")
        with st.container(horizontal=True, gap="small", width="content"):
            st.download_button(
                "Export",
                partial(exported, conversation, kept.image, reading),
                file_name=f"diagram-{conversation.conversation_id[:8]}.zip",
                mime="application/zip",
                icon=":material/download:",
                help="Once the answer is written."
                if writing
                else "The conversation in Markdown, and the picture with what was read on it",
                on_click="ignore",
                # A page that is drawn anew in the middle of a download breaks it off.
                disabled=writing,
            )
            delete_button(conversation.conversation_id, compact=False)


def _warn_of_instructions(reading: Reading) -> None:
    """Text on the image that speaks to a model is data like all other text, and is reported."""
    found = instructions_on_image(reading)
    if not found:
        return
    quoted = " ".join(f"“{plain(line.text)}”" for line in found)
    st.warning(
        f"Text on this image reads like an instruction to a model: {quoted} The embedded reader follows no "
        "text; a model is told not to.",
        icon=":material/policy:",
    )


def _ask_about(conversation: ImageConversation, reading: Reading, region: str) -> None:
    """Ask what something is that somebody has chosen on the picture."""
    question = question_about(reading, region)
    if question is not None:
        ask_image_answers.ask(conversation, reading, question)


def _read_again(conversation: ImageConversation) -> None:
    """The reader has changed since the image was read: read it anew."""
    image_hash = conversation.image_hash
    if st.session_state.get(_JOB, ("",))[0] != image_hash:
        # None yet, or that of another conversation's image.
        st.session_state[_JOB] = image_hash, actions.read_again(conversation)
    job: ImageJob = st.session_state[_JOB][1]
    if not job.done and not job.dropped:
        st.caption("The reader has learned since: the image is read anew.")
        st.fragment(waiting, run_every=_LOOK_SECONDS)(job)
        return
    if job.done and images.reading(image_hash) is not None:
        # Done since this page looked for the reading.
        st.rerun()
    if job.error is not None:
        st.error(sentence_of(job.error), icon=":material/error:")
    else:
        st.caption("The reader has learned since; the image was not read anew.")
    st.button("Try again", key="read again", on_click=lambda: st.session_state.pop(_JOB, None))
