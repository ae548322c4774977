"""What can go wrong with an image or an answer, each as one sentence for the person who asked."""


class VisionError(Exception):
    """An image cannot be read, or a question cannot be answered; the message is one clear sentence."""


class ImageRefused(VisionError):
    """The file is not an image that can be read here: its kind, its size or its content."""


class ModelUnavailable(VisionError):
    """A multimodal model did not answer: no key, no connection, too slow, or refused."""
