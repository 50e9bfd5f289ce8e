from __future__ import annotations

import pytest

from cache_fabric.guard import compare

SAME = [
    # politeness, requests, grammar
    ("How do I reset my password?", "how can i reset the password"),
    ("Show me the opening hours, please", "What are the opening hours?"),
    ("Could you tell me the shipping cost", "I would like to know the shipping cost"),
    ("what's the exchange rate", "What is the current exchange rate"),
    ("Is there a student discount?", "do you have a student discount"),
    ("am i eligible", "Am I really eligible?"),
    ("I have information on ferries", "i have ferries"),
    ("what kind of fish is this", "which fish is it"),
    ("how does one join", "how do I join"),
    ("What is the best way to peel garlic?", "How do I peel garlic?"),
    ("the ways to peel garlic", "how to peel garlic"),
    ("What happens when it rains", "what if it rains"),
    ("can u help me find ur shop", "Can you help me find your shop"),
    ("my boss is gonna shout anytime", "My boss is going to shout any time"),
    ("trains going to Rome", "trains to Rome"),
    ("who'll win the cup", "Who is going to win the cup?"),
    ("will you open the window", "open the window"),
    ("do you have any maps", "which maps are there"),
    ("people who bake bread", "who bakes bread"),
    ("\u201cto be\u201d in Latin, what is it", 'what is "to be" in Latin'),
    ("How\u2019s the soup", "how is the soup"),
    # one word in two forms
    ("cancel my orders", "Cancel my order!"),
    ("how to stop snoring", "how do I stop to snore"),
    ("my favourite colour", "my favorite color"),
    ("how do I recieve mail", "how do I receive mail"),
    ("cheap hotels in the United States", "inexpensive hotels in the US"),
    ("best films", "top movies"),
    # numbers and money by value
    ("a table for two at 6:30", "a table for 2 at six thirty"),
    ("twenty five boxes", "25 boxes"),
    ("room 05 costs 7.00", "room 5 costs 7"),
    ("prizes of 2 million", "prizes of 2,000,000"),
    ("sell 5k shares", "sell five thousand shares"),
    ("the 2nd and the third prize", "the 2nd and 3rd prize"),
    ("a gift of $5", "a gift of 5 dollars"),
    ("a tip of 10%", "a tip of ten percent"),
    # order where order says nothing
    ("flights from Oslo to Rome on Monday", "Monday flights from Oslo to Rome"),
    ("trains between Oslo and Bergen", "trains from Oslo to Bergen"),
    ("turn off the kitchen lights", "turn the lights in the kitchen off"),
    ("difference between jam and jelly", "difference between jelly and jam"),
    ("the price of silver", "the silver price"),
    ("Ann and Bob hit Tom", "Bob and Ann hit Tom"),
    # other scripts, compared as they are
    ("¿Dónde está la estación?", "dónde está la estación"),
    ("रसीद कहाँ है।", "रसीद कहाँ है"),
    ("如何重置密码?", "如何重置密码"),
]

DIFFERENT = [
    # negation
    ("Can I wash this jacket?", "Can't I wash this jacket?", "negation"),
    ("coffee with sugar", "coffee without sugar", "negation"),
    ("tea, or not", "tea or", "negation"),
    ("items I dont want", "items I want", "negation"),
    ("you can eat there but not drink", "you can not eat there but drink", "negation"),
    # opposites
    ("How do I enable alerts?", "How do I disable alerts?", "opposites"),
    ("lock my account", "unlock my account", "opposites"),
    ("turn on the heater", "turn off the heater", "opposites"),
    ("meals before the flight", "meals after the flight", "opposites"),
    # numbers
    ("a table for three", "a table for 5", "numbers"),
    ("is Python 3.10 supported", "is Python 3.1 supported", "numbers"),
    ("a loan of 1,000", "a loan of 10,000", "numbers"),
    ("second gear", "third gear", "words"),
    ("1st prize", "2nd prize", "numbers"),
    ("rows 1,2", "rows 12", "numbers"),
    ("the year twenty twelve", "the year thirty two", "numbers"),
    ("what is 3*4", "what is 3+4", "words"),
    ("what is 7 - 4", "what is 7 / 4", "words"),
    ("x > y", "x < y", "words"),
    ("pay $5", "pay €5", "words"),
    # dates
    ("open on Monday", "open on Friday", "dates"),
    ("the weather today", "the weather tomorrow", "dates"),
    ("wake me at 5 am", "wake me at 5 pm", "dates"),
    ("sales this week", "sales that week", "words"),
    # names
    ("Who founded Lisbon?", "Who founded Leipzig?", "names"),
    ("the US army", "the UK army", "names"),
    ("flights to Colombia", "flights to Colombbia", "names"),
    # content words
    ("delete my photos", "print my photos", "words"),
    ("a secret way to Rome", "a way to Rome", "words"),
    ("why is the sky blue", "is the sky blue", "words"),
    ("can i get a voucher", "can i give a voucher", "words"),
    ("I do not want to stay here", "I do not want to stay", "words"),
    ("how do I turn the alarm on", "how do I turn the alarm", "words"),
    ("what is money for", "what is money", "words"),
    ("check if my parcel arrives", "check when my parcel arrives", "words"),
    ("bake and baking", "bakes", "words"),
    ("how do I sort a list", "how do I list", "words"),
    ("how far is it to get there", "how far is it to get", "words"),
    ("how do I find lost keys", "how do I give lost keys", "words"),
    ("what do I get with tea", "what do I give with tea", "words"),
    ("one way tickets", "way tickets", "numbers"),
    ("do I need a visa", "do I have a visa", "words"),
    ("is IT hard", "is it hard", "names"),
    ("a C++ course", "a C# course", "names"),
    ("C course", "C++ course", "words"),
    ("well done 👍", "well done 👎", "words"),
    ("कि", "की", "words"),
    ("如何删除密码", "如何重置密码", "words"),
    ("nitrate in water", "nitrite in water", "words"),
    # quotation
    ('translate "it is here"', 'translate "is it here"', "quoted text differs"),
    # grammar that turns the answer round
    ("who was the mayor", "who is the mayor", "tense differs"),
    ("who will be mayor", "who is the mayor", "tense differs"),
    ("I'm going to hurt him", "I hurt him", "tense differs"),
    ("what didn't you like", "what don't you like", "tense differs"),
    ("Vaccines contain chips", "Do vaccines contain chips?", "form of question"),
    ("do you delete my data", "delete my data", "form of question"),
    ("should I take the pills", "can I take the pills", "form of question"),
    ("show my invoice", "show your invoice", "owner"),
    ("can I trust you", "can you trust me", "I and you change places"),
    ("delete all my meetings", "delete my meeting", "quantity differs"),
    # order and roles
    ("flights from Oslo to Rome", "flights from Rome to Oslo", "word order"),
    ("flights to Oslo", "flights from Oslo", "roles differ"),
    ("cross to and from the island", "cross to the island", "roles differ"),
    ("pay with points", "pay for points", "roles differ"),
    ("raise the volume to ten", "raise the volume ten", "roles differ"),
    ("books cited by Ada", "books citing Ada", "roles differ"),
    ("dogs that chase cats", "cats that chase dogs", "word order"),
    ("convert pdf to word", "convert word to pdf", "word order"),
    ("sister of my mother", "mother of my sister", "word order"),
    ("Ann and Bob hit Tom", "Tom and Bob hit Ann", "word order"),
    ("call Ann and tell Bob", "call Bob and tell Ann", "word order"),
    ("is tea better than milk", "is milk better than tea", "word order"),
]


@pytest.mark.parametrize(("question", "candidate"), SAME)
def test_another_wording_of_one_question_is_allowed(question: str, candidate: str) -> None:
    assert compare(question, candidate).reasons == ()


@pytest.mark.parametrize(("question", "candidate", "reason"), DIFFERENT)
def test_another_question_is_refused_and_the_reason_says_why(
    question: str, candidate: str, reason: str
) -> None:
    verdict = compare(question, candidate)
    assert not verdict.allowed
    assert any(given.startswith(reason) for given in verdict.reasons), verdict.reasons


@pytest.mark.parametrize(("question", "candidate", "_reason"), DIFFERENT)
def test_it_does_not_matter_which_text_was_asked_first(
    question: str, candidate: str, _reason: str
) -> None:
    assert not compare(candidate, question).allowed


def test_the_reason_shows_what_differs_on_both_sides() -> None:
    assert compare("a table for 3", "a table for five").reasons == ("numbers differ: 3 / 5",)


def test_a_reason_shows_an_empty_side_and_no_more_than_three_words() -> None:
    reasons = compare("alpha beta gamma delta flour", "flour").reasons
    assert reasons == ("words differ: alpha beta gamma ... / ",)


def test_every_reason_is_given_not_only_the_first() -> None:
    verdict = compare("Don't book two rooms on Monday", "Book three rooms on Friday")
    kinds = [reason.partition(":")[0] for reason in verdict.reasons]
    assert kinds == ["negation differs", "numbers differ", "dates differ"]


def test_a_role_is_shown_with_its_word_and_only_the_first_that_differs() -> None:
    reasons = compare("boats to Oslo by Bergen", "boats from Oslo from Bergen").reasons
    assert reasons == ("roles differ: to oslo / from oslo",)


def test_words_of_a_sentence_start_are_not_taken_for_names() -> None:
    assert compare("Hello. Lisbon hotels", "Hello. Leipzig hotels").reasons == (
        "words differ: lisbon / leipzig",
    )


def test_texts_too_long_for_one_vector_are_not_compared() -> None:
    long = "flour " * 1_400
    assert compare(long, long + "and more").reasons == ("too long to compare",)
    assert compare(long, long).allowed
