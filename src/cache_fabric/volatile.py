"""Questions whose answer changes by the hour: "what is the weather today". A rule of thumb.

Words and phrases, nothing more: it reads neither meaning nor context, misses what asks for news
without saying so, and takes some questions for volatile that are not, which costs them no more
than their time in the cache. Words have to stand alone, quoted text and code do not count, and of
a long text only both ends are read, for what is pasted in between is no question. Whoever asks how
something is done ("how do I turn it on now", "can I learn it in 30 days") names no moment.

English, and the commonest words of Spanish, French, German, Portuguese, Italian, Dutch, Russian,
Chinese, Japanese and Korean. Pure.
"""

from __future__ import annotations

import re

__all__ = ["is_volatile"]

_END = 300  # characters that are read at either end of a long text
_QUOTED = re.compile(
    r"```.*?(?:```|$)|`[^`]*`|\"[^\"]*\"|\u201c[^\u201d]*\u201d|«[^»]*»", re.DOTALL
)

_NUMBER = r"(?:\d{1,4}|one|two|three|four|five|six|seven|eight|nine|ten|few|couple of)"
_SPAN = r"(?:second|minute|hour|day|week|fortnight|month|quarter|year)s?"
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_PERIOD = (
    rf"(?:{_SPAN}|{_WEEKDAY}|weekend|morning|afternoon|evening|night|spring|summer|autumn|fall"
    r"|winter|season|semester)"
)
_TRADED = (
    r"(?:stocks?|shares?|gas|petrol|gasoline|diesel|fuel|oil|crude|gold|silver|copper|bitcoin|btc"
    r"|eth|ethereum|crypto|housing|electricity|market)"
)
_STATE = (
    r"(?:prices?|rates?|values?|costs?|status|state|weather|temperature|times?|dates?|day|month"
    r"|year|president|prime minister|ceo|king|queen|pope|mayor|governor|chancellor|champions?"
    r"|version|population|scores?|standings?|ranking|leaders?|situation|location|balance|exchange"
    r"|trends?|news|events?|government|traffic|season|record|inflation|level|number|owner|holder)"
)

# Moments that count in any question.
_MOMENT = (
    r"today(?:'?s)?|tonight(?:'s)?|tomorrow(?:'s)?|yesterday(?:'s)?|nowadays|currently"
    r"|right now|just now|as of now|at the moment|at present|at this (?:moment|time)|these days"
    rf"|(?:this|last|next|past|coming) {_PERIOD}|(?:an?|{_NUMBER}) {_SPAN} (?:ago|from now)"
    rf"|(?:last|next|past|coming) {_NUMBER} {_SPAN}"
)
# Things that change by themselves.
_CHANGING = (
    r"latest|newest|most recent|up[- ]to[- ]date|headlines|breaking news|the news|news (?:about|on"
    r"|from|in|today)|any news|in the news"
    rf"|current (?:\w+ )?{_STATE}|{_TRADED} prices?|prices? of|exchange rates?|market cap"
    r"|interest rates?|mortgage rates?"
    r"|weather|forecast|is it (?:raining|snowing|sunny|cold|hot|warm|windy)|will it (?:rain|snow)"
    r"|what(?:'?s| is)? (?:the )?(?:time|date|day)(?: is)?(?: it)?(?: (?:in|at|now)\b.*)?\W*$"
    r"|what (?:time|day|date|month|year) is it|traffic (?:on|in|to|near|report|conditions?)"
    r"|(?:live|match|game|final) scores?|scores? of the (?:\w+ )?(?:game|match)"
    r"|what(?:'?s| is| was) the score|who(?:'?s| is) (?:winning|playing|leading)"
    r"|who won the (?:\w+ ){0,3}(?:game|match|race|election)|next (?:train|bus|flight|game|match)"
    r"|still open|open now|in stock"
)
# Moments only where nobody asks how something is done.
_PERHAPS = rf"now|(?:in|within) (?:the )?{_NUMBER} {_SPAN}"
_DOING = (
    r"how (?:do|to|can|could|should|would|did|long|much time)|(?:can|could|should|may|must|would)"
    r" (?:i|we|you|one|he|she|they|someone|anyone|it)|is it (?:possible|okay|safe|too late|worth)"
    r"|now (?:that|and then)|what (?:should|can|do|could) (?:i|we|you|one)"
)
_SPANISH = (
    r"hoy|ayer|ahora(?: mismo)?|actualmente|últimas noticias|más recientes?|pronóstico"
    r"|qué (?:tiempo hace|hora es|día es)|clima|precios? del?|(?<!la )mañana"
    r"|est[ae] (?:semana|mes|año|noche|tarde)"
)
_FRENCH = (
    r"aujourd'hui|demain|hier|maintenant|actuellement|en ce moment|dernières (?:nouvelles|infos)"
    r"|météo|quelle heure|quel temps|prix d(?:e|u|es)|ce (?:mois|soir|week-?end)"
    r"|cette (?:semaine|année|nuit)|ce matin"
)
_GERMAN = (
    r"heute|gestern|jetzt|derzeit|momentan|zurzeit|zur zeit|aktuell(?:e[nrsm]?)?|neueste[nrsm]?"
    r"|wetter|wie (?:spät|viel uhr)|(?<!guten )(?<!am )(?<!jeden )morgen|preis (?:von|für)"
    r"|(?:diese[nrsm]?|nächste[nrsm]?|letzte[nrsm]?) (?:woche|monat|jahr|wochenende)"
)
_ROMANCE = (  # Portuguese and Italian
    r"hoje|amanhã|ontem|agora mesmo|atualmente|previsão do tempo|que horas são|que dia é"
    r"|preços? d[aeo]|est[ae] (?:semana|mês|ano|noite)"
    r"|oggi|domani|ieri|adesso|attualmente|che tempo fa|che or[ae] (?:è|sono)|prezz[io] d\w+"
    r"|quest[ao] (?:settimana|mese|anno)|ultime notizie"
)
_DUTCH = r"vandaag|gisteren|momenteel|op dit moment|hoe laat|weerbericht|deze (?:week|maand)"
_RUSSIAN = r"сегодня|завтра|вчера|сейчас|погод[аыеу]|который час|последние новости|курс\w* \w+"
_UNSPACED = (
    r"今天|明天|昨天|现在|現在|目前|最新|天气|天氣|几点|今日|明日|昨日|今週|今月|天気|何時|株価"
    r"|오늘|내일|어제|지금|현재|최신|날씨"
)

_ALWAYS = (
    *(_MOMENT, _CHANGING, _SPANISH, _FRENCH),
    *(_GERMAN, _ROMANCE, _DUTCH, _RUSSIAN),
)
_SAYS_WHEN = re.compile(rf"\b(?:{'|'.join(_ALWAYS)})(?!\w)|{_UNSPACED}")
_MAY_SAY_WHEN = re.compile(rf"\b(?:{_PERHAPS})\b")
_ASKS_HOW = re.compile(rf"\b(?:{_DOING})\b")


def is_volatile(question: str) -> bool:
    """Return whether the answer of a question probably changes within hours or days."""
    if len(question) > 2 * _END:
        question = f"{question[:_END]} \n {question[-_END:]}"
    text = _QUOTED.sub(" ", question.casefold().replace("\u2019", "'"))
    if _SAYS_WHEN.search(text):
        return True
    return bool(_MAY_SAY_WHEN.search(text)) and not _ASKS_HOW.search(text)
