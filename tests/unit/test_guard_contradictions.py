"""What contradicts even between loose paraphrases, class by class, and what must not."""

from __future__ import annotations

import pytest

from cache_fabric.guard import Kind, compare

CONTRADICTIONS = [
    # negation
    (Kind.NEGATION, "Which fruits are included in the box?", "What fruit is not included in a box"),
    (Kind.NEGATION, "Why is my kettle whistling?", "why is my kettle not whistling at all"),
    (Kind.NEGATION, "Should I prune roses in March?", "Should I stop pruning roses in March?"),
    (Kind.NEGATION, "rooms for smokers", "rooms for non-smokers"),
    (Kind.NEGATION, "Can I fly with a visa?", "Is it allowed to fly without a visa?"),
    # antonyms
    (Kind.ANTONYM, "Are drones allowed in the park?", "Is it prohibited to fly a drone in a park"),
    (Kind.ANTONYM, "berries to eat before a race", "which berries should runners avoid"),
    (Kind.ANTONYM, "Is the helmet compulsory?", "Are helmets optional on the tour?"),
    (Kind.ANTONYM, "What is the best time to visit?", "when is the worst time for a visit"),
    (Kind.ANTONYM, "How do I subscribe to the paper?", "how to unsubscribe from your paper"),
    (Kind.ANTONYM, "is the metal magnetic", "Is this metal nonmagnetic?"),
    (Kind.ANTONYM, "How do I become more careful?", "how to become careless"),
    (Kind.COMPARISON, "How can I weigh more?", "How can I weigh less?"),
    # numbers and arithmetic
    (Kind.NUMBER, "How long do I boil 2 kg of beets?", "boiling time for 1kg beets"),
    (Kind.NUMBER, "Is there a bus at 9:15?", "does a bus leave at 9:45"),
    (Kind.NUMBER, "what is 15% of 80", "what's twenty percent of 80?"),
    (Kind.NUMBER, "a visa for three days", "I need a visa for six weeks"),
    (Kind.NUMBER, "half the recipe", "I want to double the recipe"),
    (Kind.NUMBER, "Who came 2nd in the race?", "who came fourth in that race"),
    # dates and times
    (Kind.DATE, "Are you open on Tuesday?", "Is the shop open on a Thursday?"),
    (Kind.DATE, "rain in Oslo tomorrow", "Did it rain yesterday in Oslo?"),
    (Kind.DATE, "What can I plant in spring?", "plants for the autumn"),
    (Kind.DATE, "fees for this year", "What were the fees last year?"),
    (Kind.DATE, "wake me at 5 am", "an alarm for 5 in the evening"),
    (Kind.NUMBER, "the mayor as of 2011", "who was mayor in 2015"),
    # units and currencies
    (Kind.UNIT, "What is 30 in Celsius?", "convert 30 to Fahrenheit"),
    (Kind.UNIT, "the fee in dollars", "How many euros is the fee?"),
    # names and products
    (Kind.NAME, "How tall is the tower in Pisa?", "What's the height of the Riga tower?"),
    (Kind.NAME, "visa rules for brazil", "do I need a visa in thailand"),
    (Kind.NAME, "Is there parking at the museum?", "Is there parking at the stadium?"),
    (Kind.NAME, "boats from malmo to gdansk", "is there a boat from ystad to gdansk"),
    (Kind.NAME, "Does it run on Windows?", "will this run on linux"),
    (Kind.NAME, "Does the bus go to Parma on Sundays?", "Sunday buses to Siena"),
    (Kind.NAME, "insurance with Corvex", "is there insurance through Bellano"),
    (Kind.NAME, "a coat for rainy days", "a coat for summer weddings"),
    (Kind.ORDER, "move cash from savings to stocks", "I want cash moved out of stocks to savings"),
    # quoted text and code
    (Kind.QUOTED, 'translate "good night"', 'please translate "well done"'),
    (Kind.QUOTED, "what does `ls -a` do", "what does `rm -f` do"),
    # person and scope
    (Kind.PERSON, "show my invoice", "show your invoice"),
    (Kind.SCOPE, "menu prices for adults", "what do kids pay"),
    (Kind.NEGATION, "prices for members", "price for non-members"),
    (Kind.SCOPE, "tariffs for business customers", "tariff for residential customers"),
    (Kind.SCOPE, "Is a domestic flight taxed?", "are taxes due on international flights"),
    (Kind.NAME, "wine taxes in France", "the tax on wine in Germany"),
    # order and comparison
    (Kind.ORDER, "ferries from Bari to Corfu", "Is there a ferry from Corfu to Bari?"),
    (Kind.ORDER, "Did Ann beat Bob?", "Did Bob beat Ann?"),
    (Kind.ORDER, "is tea better than milk", "is milk better than tea"),
    (Kind.ORDER, "convert pdf to word", "convert word to pdf"),
    (Kind.COMPARISON, "meals before the flight", "can I eat after a flight"),
    (Kind.COMPARISON, "flats under the limit", "flats that are over a limit"),
    # format, language, length
    (Kind.FORMAT, "List the planets", "list the planets as a table"),
    (Kind.FORMAT, "Give me the planets in JSON", "give me the planets in yaml"),
    (Kind.LANGUAGE, "Explain tides", "explain tides in French"),
    (Kind.LANGUAGE, "где мой заказ", "where is my order"),
    (
        Kind.LANGUAGE,
        "cómo puedo pagar la cuenta por el móvil",
        "wie kann ich das mit dem Handy zahlen",
    ),
    (Kind.LENGTH, "Explain tides in one sentence", "explain tides"),
    (Kind.LENGTH, "a brief history of Malta", "the history of Malta in detail"),
]

PARAPHRASES = [
    ("Is the ticket refundable?", "Do I get my money back for a ticket?"),
    ("I can't log in", "How do I log in?"),
    ("What can I do if I have lost my card and I can't pay?", "lost card, how to pay"),
    ("Which fish is not allowed?", "What kinds of fish are banned?"),
    ("How can I become less unhappy?", "how do I become more happy"),
    ("the least expensive room", "the cheapest room"),
    ("How can I become more humble?", "How can I become less proud?"),
    ("a lease of 48 hours", "Could I lease it for two days?"),
    ("a leave of 12 months", "a leave of one year"),
    ("two kilos of flour", "flour, 2kg"),
    ("a table for 2 at 7 pm", "I'd like a table for two this evening at seven"),
    ("What are the benefits of yoga?", "Which advantages has yoga?"),
    ("Is the road closed?", "Is the street shut?"),
    ("How do I ask for a quote?", "How do I ask for a quotation?"),
    ("Do you have a vegetarian menu?", "Do you have a vegitarian menu?"),
    ("Who is Ann married to?", "Ann is married to whom?"),
    ("Is Ann married to Bob?", "Is Bob married to Ann?"),
    ("Did Ann keep the boat?", "Was the boat kept by Ann?"),
    ("Who is better, Ann or Bob?", "Who is better, Bob or Ann?"),
    ("cheap trains between Lille and Ghent", "Are there cheap trains from Lille to Ghent?"),
    ("Does tea improve your memory?", "Does tea improve my memory?"),
    ("How can you improve your memory?", "How can I improve my memory?"),
    ("Who runs the United Tea Company?", "Who is the head of UTC?"),
    ("Who is the Indian president?", "Who is the president of India?"),
    ("How Do I Bake Rye Bread At Home", "baking bread from rye at my house"),
    ("Why don't we use tidal power?", "Could we use tidal power?"),
    ("How do I write an essay in English?", "How do I write an essay?"),
    ("¿Cuándo abre el museo?", "a qué hora abre el museo"),
]


@pytest.mark.parametrize(("kind", "question", "candidate"), CONTRADICTIONS)
def test_a_contradiction_is_found_in_a_loose_rewording(
    kind: Kind, question: str, candidate: str
) -> None:
    verdict = compare(question, candidate)
    found = {objection.kind for objection in verdict.objections if objection.contradicts}
    assert kind in found, verdict.objections
    assert verdict.contradicts
    assert not verdict.allowed


@pytest.mark.parametrize(("question", "candidate"), PARAPHRASES)
def test_a_paraphrase_is_not_contradicted(question: str, candidate: str) -> None:
    assert not compare(question, candidate).contradicts, compare(question, candidate).objections


def test_other_words_alone_are_no_contradiction() -> None:
    verdict = compare("How do I order the soup?", "How do I get hold of soup?")
    assert [(objection.kind, objection.contradicts) for objection in verdict.objections] == [
        (Kind.WORDS, False)
    ]


def test_another_form_of_question_is_a_soft_objection() -> None:
    verdict = compare("Vaccines contain chips", "Do vaccines contain chips?")
    assert verdict.count(Kind.FORM) == 1
    assert not verdict.contradicts


def test_a_kind_that_was_objected_to_already_is_raised_and_not_said_twice() -> None:
    verdict = compare("a table for 3", "a table for five")
    assert [tuple(objection) for objection in verdict.objections] == [
        (Kind.NUMBER, "numbers differ: 3 / 5", True)
    ]


def test_a_reason_tells_the_question_s_side_first_however_the_texts_sort() -> None:
    there, back = (
        compare("open on Monday", "open on Friday"),
        compare("open on Friday", "open on Monday"),
    )
    assert there.reasons[0] == "dates differ: monday / friday"
    assert back.reasons[0] == "dates differ: friday / monday"
