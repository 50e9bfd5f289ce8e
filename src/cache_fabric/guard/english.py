"""Classes of English words that the guard's reading of a question needs: data, no rules.

A word of another language is in none of them and counts as content.
"""

from __future__ import annotations

from types import MappingProxyType


def words(text: str) -> frozenset[str]:
    """The words of a text as a class."""
    return frozenset(text.split())


def _numbered(words: str, first: int, step: int = 1) -> dict[str, int]:
    return {word: first + step * n for n, word in enumerate(words.split())}


BE_DO_HAVE = words("is are am was were be been being do does did done has have had having")
MODALS = MappingProxyType(
    dict.fromkeys(("can", "could", "may", "might"), "can")
    | dict.fromkeys(("should", "shall", "must"), "should")
    | dict.fromkeys(("will", "would"), "yes or no")
)
AUXILIARIES = BE_DO_HAVE | frozenset(MODALS)
PAST = words("was were did had")
SUBJECTS = words("i you he she it we they")
CONTRACTED = MappingProxyType({"d": "would", "ll": "will"})
CARELESS = MappingProxyType(
    {
        "whats": ("what",),
        "hows": ("how",),
        "wheres": ("where",),
        "whos": ("who",),
        "im": ("i",),
        "ive": ("i",),
        "u": ("you",),
        "ur": ("your",),
        "r": ("are",),
        "gonna": ("going", "to"),
        "wanna": ("want", "to"),
        "anytime": ("any", "time"),
        "anymore": ("any", "more"),
    }
)

# Says nothing about what is asked for.
IDLE = AUXILIARIES | words(
    "a an the s it i me you we they them what which "
    "someone somebody anyone anybody people my our your their its some any all "
    "please pls plz kindly thanks thank thx hey hi hello ok okay yes "
    "so also well just now really very actually exactly truly current currently ever even still "
    "possible available"
)
# The same at the head of a request: "show me ...", "can you find ...", "information on ...".
REQUEST = words(
    "show list give tell display provide get let know find see look looking help say "
    "information info details"
)
WISH = words("want need like wish")
DEMONSTRATIVES = words("this these that those")
SORTS = words("kind kinds type types sort sorts")
WAYS = words("way ways method methods")
BEFORE_PRONOUN_ONE = AUXILIARIES | words("how if when which this that the no any each every some")

NEGATIONS = words("not no non never without none neither nor cannot nobody nothing nowhere hardly")
BARE_NEGATIONS = words(
    "dont doesnt didnt cant wont isnt arent wasnt werent shouldnt couldnt wouldnt hasnt havent"
)
QUANTIFIERS = words("all every each")
OWNERS = MappingProxyType({"my": "my", "our": "my", "your": "your", "their": "their"})
PERSONS = MappingProxyType({"i": "i", "me": "i", "my": "i", "you": "you", "your": "you"})

LESS = words("less least")
DEGREES = LESS | words("more most fewer fewest")
NEGATING_PREFIXES = ("un", "non", "dis", "in", "im", "il", "ir", "de", "mis")
# The shortest word that a prefix is sure to turn round.
SHORTEST_TURNED = MappingProxyType(
    {"un": 3, "non": 3, "dis": 5, "in": 5, "im": 5, "il": 5, "ir": 5, "de": 6, "mis": 4}
)
# A noun follows; "to" may as well stand before a verb.
BEFORE_NOUN = words(
    "a an the my your our his her their its this for of in on at with without from "
    "by under over about into as during near between against behind beside like via"
)
# A new clause of the same sentence begins after these.
CLAUSES = words("and but because so since as hi hello hey")
# What follows is not to be: "stop smoking", "unable to pay".
DENIALS = words(
    "stop avoid prevent quit refuse unable lack fail except instead stops avoids prevents avoiding "
    "stopping preventing besides excluding"
)

# Prepositions that stand in for one another, those that do not, and the verbs that swallow one.
PLACES = words("of in on at for about")
ROLES = MappingProxyType(
    {"from": "from", "to": "to", "into": "to", "onto": "to", "by": "by", "with": "with"}
)
PARTICLE_VERBS = words("turn switch log sign put power shut")
PARTICLES = words("on off up down out back over away in")

WEEKDAYS_AND_MONTHS = words(
    "monday tuesday wednesday thursday friday saturday sunday january february march april june "
    "july august september october november december mon tue tues wed thu thur thurs fri sat "
    "jan feb apr jun jul aug sep sept oct nov dec"
)
PERIODS = WEEKDAYS_AND_MONTHS | words(
    "morning afternoon evening night week weekend month quarter year spring summer autumn fall "
    "winter"
)
DATES = PERIODS | words("today tomorrow yesterday tonight noon midnight am pm christmas easter")

DIGITS = MappingProxyType(
    _numbered(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen",
        first=0,
    )
    | _numbered("twenty thirty forty fifty sixty seventy eighty ninety", first=20, step=10)
)
ORDINALS = MappingProxyType(
    _numbered("third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth", first=3)
)
SCALES = MappingProxyType(
    {"hundred": 100, "thousand": 1_000, "k": 1_000, "million": 10**6, "billion": 10**9}
)
CURRENCIES = MappingProxyType(
    {"$": "dollar", "€": "euro", "£": "pound", "₹": "rupee", "¥": "yen", "%": "percent"}
)
ACRONYMS = MappingProxyType({"US": "usa", "IT": "IT", "WHO": "WHO"})

SAME = MappingProxyType(
    {
        word: group.split()[0]
        for group in (
            "largest biggest greatest",
            "large big huge",
            "small little tiny",
            "cheap inexpensive",
            "fast quick quickly",
            "start begin commence",
            "turn switch",
            "decrease lower reduce",
            "increase raise",
            "remove delete erase",
            "buy purchase",
            "rent hire",
            "choose select",
            "fix repair",
            "speak talk",
            "allow permit",
            "movie film",
            "photo picture pic photograph",
            "shop store",
            "parcel package",
            "warranty guarantee",
            "website site",
            "issue problem",
            "benefit advantage",
            "best top",
            "famous popular",
            "children kids",
            "mathematics math maths",
            "tv television",
            "usa us america",
            "uk britain",
            "rupee rs inr",
            "he him his",
            "she her hers",
            "self myself yourself oneself himself herself itself",
            "through via",
            "below under",
            "if whether",
            "vs versus",
        )
        for word in group.split()
    }
)

# "The difference between A and B" is the one between B and A.
SYMMETRIC = words("difference differ similarity similarities relationship comparison compare vs")
# So is whether A is married to B, or what separates them.
MUTUAL = SYMMETRIC | words(
    "differences differentiate distinguish separate separates married dating close connected "
    "friends related engaged acquaintance acquainted acquaintances next similar equal identical "
    "parallel adjacent near divorced siblings cousins twins partners neighbors neighbours same "
    "different compatible together between both"
)
COMPARED = words(
    "than over before after against beat beats beaten defeat defeated outsell outperform"
)

# Left and right turn an answer round. Pairs that differ by un-, dis- or in- need no entry.
OPPOSITES = frozenset(
    tuple(sorted(pair.split("/")))
    for pair in words(
        "enable/disable allow/deny allow/forbid increase/decrease before/after with/without "
        "buy/sell on/off open/close open/closed accept/reject include/exclude true/false win/lose "
        "start/stop first/last min/max minimum/maximum more/less most/least up/down left/right "
        "in/out inside/outside above/below over/under earliest/latest cheap/expensive "
        "cheapest/expensive best/worst better/worse largest/smallest large/small high/low "
        "highest/lowest long/short longest/shortest early/late add/remove import/export "
        "upload/download push/pull send/receive arrive/depart arrive/leave arriving/leaving "
        "arrival/departure internal/external public/private legal/illegal safe/dangerous "
        "love/hate male/female man/woman men/women he/she forward/backward next/previous "
        "encrypt/decrypt lend/borrow gain/lose pass/fail hot/cold old/new always/never"
    )
)
OPPOSED = frozenset(word for pair in OPPOSITES for word in pair)
