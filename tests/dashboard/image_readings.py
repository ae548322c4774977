"""A small diagram and what is read on it, for tests that are not about reading."""

import io
from pathlib import Path

from PIL import Image, ImageDraw

from lakehouse.image_conversations import ImageToKeep, keep_image, open_conversation
from settings import Settings
from vision.reading import Component, Connection, Container, LegendEntry, Reading, Step, Text
from vision.reading_cache import hash_of, keep_reading

READING = Reading(
    width=640,
    height=320,
    components=(
        Component("c1", "Feature table", (60, 80, 200, 140), "k1"),
        Component("c2", "Model training", (300, 80, 440, 140), "k1"),
        Component("c3", "Model registry", (480, 220, 620, 280)),
    ),
    containers=(Container("k1", "Production environment", (40, 40, 460, 180)),),
    connections=(
        Connection("c1", "c2", True, "reads", "#1a4fb4", "solid", 0.97, True, (200, 105, 300, 115)),
        Connection("c2", "c3", True, None, "#1a4fb4", "dashed", 0.41, False, (440, 110, 550, 220)),
    ),
    legend=(LegendEntry("Reads", "#1a4fb4", "solid", (60, 290, 140, 305)),),
    steps=(
        Step("1", "Feature table", "c1", (40, 70, 60, 90)),
        Step("2", "Model training", "c2", (280, 70, 300, 90)),
    ),
    text=(
        Text("Production environment", (50, 44, 210, 60), 0.99),
        Text("Feature table", (75, 100, 185, 120), 0.98),
        Text("Model training", (315, 100, 425, 120), 0.98),
        Text("Model registry", (495, 240, 605, 260), 0.97),
        Text("reads", (230, 92, 270, 104), 0.96),
    ),
    seconds=2.5,
)


def drawn() -> bytes:
    """The diagram that was read, as PNG."""
    image = Image.new("RGB", (READING.width, READING.height), "white")
    draw = ImageDraw.Draw(image)
    for part in (*READING.containers, *READING.components):
        draw.rectangle(part.box, outline="black")
        draw.text((part.box[0] + 15, part.box[1] + 20), part.label, fill="black")
    draw.line([(200, 110), (300, 110)], fill="blue", width=2)
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def keep(settings: Settings, reading: Reading = READING, image: bytes | None = None) -> str:
    """Keep the diagram with its reading. Returns: its hash."""
    image = drawn() if image is None else image
    kept = ImageToKeep(hash_of(image), "image/png", reading.width, reading.height, image)
    keep_image(settings, kept)
    keep_reading(settings, kept.image_hash, reading)
    return kept.image_hash


def opened(settings: Settings, actor: str, name: str = "stack.png", reading: Reading = READING) -> tuple[str, str]:
    """Begin a conversation about the diagram. Returns: its id and the image's hash."""
    image_hash = keep(settings, reading)
    return open_conversation(settings, image_hash, name, actor=actor, role="admin"), image_hash


if __name__ == "__main__":
    Path("diagram.png").write_bytes(drawn())
