"""Which script and which language a text is in, as far as its letters and its grammar show."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cache_fabric.guard import english

__all__ = ["language", "script"]

# Blocks of Unicode; Han and kana are one, for a Japanese question mixes them.
_SCRIPTS = {
    "greek": re.compile("[\u0370-\u03ff\u1f00-\u1fff]"),
    "cyrillic": re.compile("[\u0400-\u052f]"),
    "hebrew": re.compile("[\u0590-\u05ff]"),
    "arabic": re.compile("[\u0600-\u06ff\u0750-\u077f]"),
    "devanagari": re.compile("[\u0900-\u097f]"),
    "thai": re.compile("[\u0e00-\u0e7f]"),
    "hangul": re.compile("[\u1100-\u11ff\uac00-\ud7af]"),
    "han": re.compile("[\u3040-\u30ff\u3400-\u9fff]"),
}
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
# Words of grammar that are none in English, nor in another language of the table.
_GRAMMAR = {
    "spanish": "el los las una por para cómo qué dónde cuándo cuál está mi del puedo quiero hay",
    "french": "le les une des du pour est dans où quand quel quelle je mon ma puis avec pourquoi",
    "german": "der das ein eine und ist wie wo wann warum ich mein meine kann nicht für mit zu",
    "italian": "il gli della di è perché dove quando posso mio mia sono che come",
    "portuguese": "os uma não onde você meu minha posso são com em fazer",
    "dutch": "het een hoe waar wanneer waarom ik mijn kan niet voor van naar",
}
_WORDS = {
    word: name
    for name, words in _GRAMMAR.items()
    for word in words.split()
    if sum(word in other.split() for other in _GRAMMAR.values()) == 1
}
_LEAST_WORDS = 2


def script(text: str) -> str:
    """The script of most letters, ``""`` for Latin or none."""
    if text.isascii():
        return ""
    counts = {name: len(letters.findall(text)) for name, letters in _SCRIPTS.items()}
    most = max(counts, key=lambda name: counts[name])
    return most if counts[most] > len(_LATIN.findall(text)) else ""


def language(terms: Sequence[str]) -> str:
    """The language of most words of grammar, ``""`` for English or unknown."""
    found = [_WORDS[term] for term in terms if term in _WORDS]
    if len(found) < _LEAST_WORDS:
        return ""
    most = max(found, key=found.count)
    english_words = sum(term in english.IDLE or term in english.PLACES for term in terms)
    return most if found.count(most) >= _LEAST_WORDS and found.count(most) > english_words else ""
