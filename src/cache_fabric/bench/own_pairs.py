"""Question pairs of our own: what the streams teach too little of.

In commands and intents the order of words hardly ever decides, and a question seldom stands beside
its own negation. Here each trap changes one thing that turns the answer, each paraphrase nothing
that does. They teach the shipped weights, and no benchmark counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

__all__ = ["own_pairs"]

_NAMES = ("Anna", "Boris", "Chen", "Dalia", "Emeka", "Freya")
_THINGS = ("the blue lamp", "the oak table", "the travel mug", "a garden hose", "the desk fan")
_PLACES = ("Lisbon", "Oslo", "Nairobi", "Quito", "Perth", "Gdansk")
_NUMBERS = ("2", "5", "12", "30", "45", "90")
_DAYS = ("Monday", "Thursday", "Saturday", "next week", "tomorrow", "in March")

_TRAPS = (
    ("{a} owes {b} money, who pays?", "{b} owes {a} money, who pays?", _NAMES),
    ("Is {a} taller than {b}?", "Is {b} taller than {a}?", _NAMES),
    ("{a} thanked {b} for the help, why?", "{b} thanked {a} for the help, why?", _NAMES),
    ("Does {a} report to {b}?", "Does {b} report to {a}?", _NAMES),
    ("{a} wrote the report and {b} read it", "{b} wrote the report and {a} read it", _NAMES),
    ("Can I swap {a} for {b}?", "Can I swap {b} for {a}?", _THINGS),
    ("I ordered {a}, can you send {b}?", "I ordered {b}, can you send {a}?", _THINGS),
    ("Is {a} cheaper than {b}?", "Is {b} cheaper than {a}?", _THINGS),
    ("How do I clean {a}?", "How do I clean {b}?", _THINGS),
    ("How far is it from {a} to {b}?", "How far is it from {b} to Madrid?", _PLACES),
    ("Which trains go from {a} to {b}?", "Which trains go from {b} to {a}?", _PLACES),
    ("Do you deliver to {a}?", "Do you deliver to {b}?", _PLACES),
    ("What is the weather in {a}?", "What is the weather in {b}?", _PLACES),
    ("Do you ship {a}?", "Do you never ship {a}?", _THINGS),
    ("May I return {a}?", "May I not return {a}?", _THINGS),
    ("I want to live in {a}", "I do not want to live in {a}", _PLACES),
    ("How do I turn on {a}?", "How do I turn off {a}?", _THINGS),
    ("How long may I keep it, {a} days?", "How long may I keep it, {b} days?", _NUMBERS),
    ("What do {a} tickets cost?", "What do {b} tickets cost?", _NUMBERS),
    ("Is {a} percent too much?", "Is {b} percent too much?", _NUMBERS),
    ("Are you open {a}?", "Are you open {b}?", _DAYS),
    ("Can it come before {a}?", "Can it come after {a}?", _DAYS),
    ("What happened to {a}?", "What will happen to {a}?", _NAMES),
    ("Can I pay for {a} in cash?", "Can {b} pay in cash?", _THINGS),
)
_PARAPHRASES = (
    ("How do I clean {a}?", "How can I clean {a}?", _THINGS),
    ("How do I clean {a}?", "how do i clean {a}", _THINGS),
    ("How do I clean {a}?", "What is the best way to clean {a}?", _THINGS),
    ("Can I return {a}?", "Could I return {a}, please?", _THINGS),
    ("Can I return {a}?", "Is it possible to return {a}?", _THINGS),
    ("Where is {a}?", "Hi, where's {a}?", _THINGS),
    ("What does {a} cost?", "How much does {a} cost?", _THINGS),
    ("Do you deliver to {a}?", "Are deliveries to {a} possible?", _PLACES),
    ("What is the weather in {a}?", "Tell me the weather in {a}", _PLACES),
    ("Which trains go from {a} to {b}?", "What trains run from {a} to {b}?", _PLACES),
    ("Which trains go from {a} to {b}?", "From {a} to {b}, which trains go?", _PLACES),
    ("Is {a} taller than {b}?", "Is {a} really taller than {b}?", _NAMES),
    ("Does {a} report to {b}?", "does {a} report to {b} ?", _NAMES),
    ("{a} and {b} met, when?", "When did {a} and {b} meet?", _NAMES),
    ("Are you open {a}?", "Is the shop open {a}?", _DAYS),
    ("What do {a} tickets cost?", "What is the price of {a} tickets?", _NUMBERS),
    ("I lost {a}, what now?", "What should I do if I lost {a}?", _THINGS),
    ("Why is {a} so loud?", "why is {a} so loud??", _THINGS),
    ("How do I reset {a}?", "Okay so how do I reset {a}", _THINGS),
    ("Who is {a}?", "Can you tell me who {a} is?", _NAMES),
)


def own_pairs() -> Iterator[tuple[str, str, bool]]:
    """Yield (kept question, new question, whether one answer serves both), in a fixed order."""
    for templates, same in ((_TRAPS, False), (_PARAPHRASES, True)):
        for kept, new, words in templates:
            found = {
                (kept.format(a=a, b=b), new.format(a=a, b=b)) for a, b in permutations(words, 2)
            }
            for pair in sorted(found):
                yield (*pair, same)
