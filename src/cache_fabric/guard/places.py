"""Countries with what is named after them, states of the USA, languages: data, no rules."""

from __future__ import annotations

__all__ = ["COUNTRIES", "LANGUAGES", "STATES"]

COUNTRIES = """
afghanistan afghan / albania albanian / algeria algerian / argentina argentinian argentine /
armenia armenian / australia australian aussie / austria austrian / azerbaijan azerbaijani /
bahrain / bangladesh bangladeshi / belarus belarusian / belgium belgian / bolivia bolivian /
bosnia bosnian / botswana / brazil brazilian / bulgaria bulgarian / burundi / cambodia cambodian /
cameroon / canada canadian / chad / chile chilean / china chinese / colombia colombian / congo /
costa_rica / croatia croatian / cuba cuban / cyprus cypriot / czech czechia / denmark danish dane /
ecuador ecuadorian / egypt egyptian / england english / eritrea / estonia estonian /
ethiopia ethiopian / fiji / finland finnish / france french / gabon / gambia / germany german /
ghana ghanaian / greece greek / greenland / guatemala / guinea / haiti haitian / honduras /
hong_kong / hungary hungarian / iceland icelandic / india indian / indonesia indonesian /
iran iranian / iraq iraqi / ireland irish / israel israeli / italy italian / jamaica jamaican /
japan japanese / jordan jordanian / kazakhstan kazakh / kenya kenyan / kuwait kuwaiti / laos /
latvia latvian / lebanon lebanese / liberia / libya libyan / lithuania lithuanian / luxembourg /
madagascar / malawi / malaysia malaysian / maldives / mali / malta maltese / mauritius /
mexico mexican / moldova / mongolia mongolian / morocco moroccan / mozambique / myanmar burma /
namibia / nepal nepali nepalese / netherlands dutch holland / new_zealand kiwi / nicaragua / niger /
nigeria nigerian / norway norwegian / oman / pakistan pakistani / palestine palestinian / panama /
paraguay / peru peruvian / philippines filipino philippine / poland polish / portugal portuguese /
qatar qatari / romania romanian / russia russian / rwanda / saudi_arabia saudi / scotland scottish /
senegal / serbia serbian / singapore singaporean / slovakia slovak / slovenia slovenian / somalia /
south_africa south_african / south_korea korean korea / north_korea / spain spanish /
sri_lanka sri_lankan / sudan sudanese / sweden swedish / switzerland swiss / syria syrian /
taiwan taiwanese / tanzania / thailand thai / tunisia tunisian / turkey turkish / uganda /
ukraine ukrainian / uae emirates / uk british britain / uruguay / usa american us america /
uzbekistan / venezuela venezuelan / vietnam vietnamese / wales welsh / yemen / zambia / zimbabwe
"""

STATES = """
alabama / alaska / arizona / arkansas / california / colorado / connecticut / delaware / florida /
hawaii / idaho / illinois / indiana / iowa / kansas / kentucky / louisiana / maine / maryland /
massachusetts / michigan / minnesota / mississippi / missouri / montana / nebraska / nevada /
new_hampshire / new_jersey / new_mexico / new_york / north_carolina / north_dakota / ohio /
oklahoma / oregon / pennsylvania / rhode_island / south_carolina / south_dakota / tennessee /
texas / utah / vermont / virginia / washington / west_virginia / wisconsin / wyoming
"""

LANGUAGES = """
english / french / german / spanish / italian / portuguese / dutch / russian / polish / ukrainian /
czech / swedish / norwegian / danish / finnish / greek / turkish / arabic / hebrew / persian farsi /
hindi / urdu / bengali / tamil / telugu / marathi / gujarati / punjabi / chinese mandarin /
cantonese / japanese / korean / vietnamese / thai / indonesian / malay / tagalog / swahili /
latin / esperanto / romanian / hungarian / catalan / welsh / irish
"""
