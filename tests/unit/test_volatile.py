"""Which questions are taken for volatile: by words that stand alone, in several languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.volatile import is_volatile

VOLATILE = [
    "What is the weather today?",
    "What's today\u2019s date?",
    "what time is it",
    "What is the time in Tokyo?",
    "what day is it",
    "Who is the current president of France?",
    "What is the current exchange rate of the euro?",
    "latest news about the election",
    "What is the price of bitcoin?",
    "Apple stock price",
    "Who won the game?",
    "What is the score?",
    "Is the shop open now?",
    "Who is online right now?",
    "What meetings do I have this week?",
    "Which events are on next Saturday?",
    "What happened 3 days ago?",
    "Will it rain in 2 days?",
    "what's due in the next five days",
    "When is the next train to Bern?",
    "Which is the newest iPhone?",
    "¿Qué hora es?",
    "¿Qué tiempo hace hoy en Madrid?",
    "Quel temps fait-il aujourd'hui ?",
    "Quelle heure est-il maintenant ?",
    "Wie ist das Wetter heute?",
    "Wie spät ist es jetzt?",
    "Qual é a previsão do tempo para amanhã?",
    "Che ore sono adesso?",
    "Hoe laat is het?",
    "Какая сегодня погода?",
    "今天天气怎么样?",
    "今日の天気は?",
    "오늘 날씨 어때?",
]
LASTING = [
    "",
    "   ",
    "How do I return an item?",
    "How do I turn on dark mode now?",
    "Can I learn Python in 30 days?",
    "How can I lose weight within 2 weeks?",
    "What should I do now?",
    "Now that I am signed in, how do I pay?",
    "What is knowledge?",
    "Who wrote The Great Gatsby?",
    "What is a current transformer?",
    "How does electric current flow?",
    "What is a good SAT score?",
    "What is a newspaper?",
    "How do I change my address?",
    "What is a snowflake made of?",
    'Translate "see you tomorrow" into German.',
    "What does `date +%s # today` print?",
    "Guten Morgen auf Spanisch?",
    "por la mañana significado",
    "今 の読み方",
]


@pytest.mark.parametrize("question", VOLATILE)
def test_a_question_about_the_moment_is_volatile(question: str) -> None:
    assert is_volatile(question)
    assert is_volatile(question.upper())


@pytest.mark.parametrize("question", LASTING)
def test_another_question_is_not(question: str) -> None:
    assert not is_volatile(question)


words = st.sampled_from(["today", "tomorrow", "currently", "weather", "latest", "heute", "hoy"])
letters = st.text(st.characters(categories=["Ll", "Nd"]), min_size=1, max_size=5)


@given(words, letters, letters)
def test_a_word_inside_another_word_does_not_count(word: str, before: str, after: str) -> None:
    assert is_volatile(f"x {word} y")
    assert not is_volatile(f"{before}qq{word}")
    assert not is_volatile(f"{word}qq{after}")


@given(words, st.text(max_size=40), st.text(max_size=40))
def test_what_stands_around_a_word_does_not_hide_it(word: str, before: str, after: str) -> None:
    quotes = str.maketrans(dict.fromkeys('`"“”«»'))
    assert is_volatile(f"{before.translate(quotes)} {word} {after.translate(quotes)}")


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert is_volatile(text) in (True, False)


def test_what_is_pasted_into_a_long_question_does_not_count() -> None:
    pasted = "The shop closed. It opens again today. " * 100
    assert not is_volatile("Summarise this article. " + "x " * 300 + pasted + "x " * 300)
    assert is_volatile("What is new today? " + "x " * 1000)


@pytest.mark.parametrize(
    "text", ["`" * 50_000, "what is " * 30_000, "in 1 " * 50_000, '"' * 99_999]
)
def test_a_huge_repetitive_text_is_no_trouble(text: str) -> None:
    assert not is_volatile(text)
