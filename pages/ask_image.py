"""Ask an image: questions about an architecture diagram, answered from what was read on it."""

from dashboard import widgets
from dashboard.actions import model_clients
from dashboard.panels import ask_image, ask_image_conversation

widgets.header(
    "Ask an image", "Give an architecture diagram and ask about it: each name in an answer shows where it was read."
)

if ask_image.is_one_asked():
    with widgets.guarded("Conversation"):
        ask_image_conversation.one()
else:
    with widgets.panel("An image", "Upload a diagram, or try it with one of ours."):
        ask_image.give()
    with widgets.panel("Earlier conversations", "Yours alone, the last one first."):
        ask_image.history()
# After the page has been drawn, which needs the processor first.
model_clients.start()
