"""Which texts are not in English, where the readability formulas and an English toxicity model mean nothing.

Texts of chatbots are short, full of code, names and emoji, on which every detector guesses. So a text counts as
English unless the detector is sure, or most of its letters are of another script.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_SURE = 0.5
_CHARS = 1000
_LIKE_ENGLISH = {"en", "pcm", "sco", "zxx", "und"}
"""English, its closest relatives (for which plain English is taken now and then), and "not a language"."""
_NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew",
    "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "ms": "Malay", "nb": "Norwegian", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai",
    "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


@dataclass(frozen=True)
class LanguageIdentification:
    """py3langid with our rule for when to believe it."""

    identifier: "LanguageIdentifier"
    name: str

    def english(self, texts: Sequence[str]) -> list[str | None]:
        """For each text None if it is English or cannot be told, else why not: `the text is in German (de)`.

        A long text is judged by its first 1,000 characters.
        """
        return [self._reason(text[:_CHARS]) for text in texts]

    def _reason(self, text: str) -> str | None:
        letters = [character for character in text if character.isalpha()]
        if len(letters) < 2:
            return None
        code, sure = self.identifier.classify(text)
        foreign_script = not _mostly_latin(letters)
        if (sure >= _SURE or foreign_script) and code in _NAMES:
            return f"the text is in {_NAMES[code]} ({code})"
        if foreign_script:
            return "the text is not in Latin letters"
        if sure >= _SURE and code not in _LIKE_ENGLISH:
            return f"the text is in another language ({code})"
        return None


def language_detector_name() -> str:
    """The name of what `load_language_detector` loads, without loading it."""
    from importlib.metadata import version

    return f"py3langid-{version('py3langid')}/1"


def load_language_detector() -> LanguageIdentification:
    """The detector with the model that its package brings; takes about a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return LanguageIdentification(identifier, language_detector_name())


def _mostly_latin(letters: list[str]) -> bool:
    others = sum(1 for c in letters if not c.isascii() and not unicodedata.name(c, "").startswith(_LATIN_NAMES))
    return others * 2 <= len(letters)


_LATIN_NAMES = (
    "LATIN",
    "FULLWIDTH LATIN",
    "MATHEMATICAL",
    "FEMININE",
    "MASCULINE",
    "MODIFIER",
    "DOUBLE-STRUCK",
    "SCRIPT",
)
"""Beginnings of the Unicode names of letters that English may be written in, fancy styles included."""
