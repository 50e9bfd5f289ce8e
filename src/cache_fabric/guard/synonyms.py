"""Words that may stand in each other's place without another answer: data, no rules.

A line (with the indented ones after it) is a group. It is far looser than the guard's own synonyms
(`english.SAME`), which make two words one: here a group only says that another word in the same
place is no proof of another question.
"""

from __future__ import annotations

from cache_fabric.guard import english

__all__ = ["GENERIC", "GROUPS"]

GROUPS = """
best good great top most greatest favorite favourite finest ideal nicest popular famous common
    perfect
best fastest easiest simplest most effective efficient quickest
highest tallest largest biggest greatest most maximum longest
lowest smallest least cheapest minimum fewest sparsest shortest
last latest final newest most_recent
first earliest oldest initial
fast fastest quick quickest rapid
previous earlier prior former past ex
current present existing today
area size
height elevation altitude
length duration
meaning definition sense significance purpose point
sign signs symptom symptoms indication
cost costs price prices fee fees charge charges fare fares rate rates
salary pay wage wages income earnings
money cash funds
job work career profession occupation position
boss manager employer
company business firm organisation organization corporation
school college university institute
exam test examination
student pupil
teacher tutor instructor
house home flat apartment residence
road street
place location spot destination venue site
city town
country nation state
trip journey travel tour vacation holiday
flight flights plane service
airplane aircraft plane
car vehicle auto automobile
train rail
bike bicycle cycle
phone mobile cell smartphone handset telephone cellphone android
computer pc laptop machine
app application program software programme
site website page
photo picture image pic
video clip film movie
tv television
show series
game match
book novel
music song
story tale
letter message mail email
question query
answer reply response solution
issue problem trouble error bug
fault defect
change changes modification modifications alteration
difference differences distinction
advantage benefit benefits perks pro pros plus merits
disadvantage drawback downside con cons
view views opinion opinions thoughts stance perception take review
effect effects impact impacts implication implications consequence consequences result results
    outcome
cause causes reason reasons origin
way method technique approach procedure process
process procedure steps
rule rules criteria regulation regulations requirement requirements
limit limits limitation limitations cap maximum
law legislation
agreement contract deal
tips advice suggestions recommendations ideas
important importance main essential significant
effective good efficient
typical average usual normal common
simple easy layman basic beginner
difficult hard tough
big large huge
small little tiny
cheap inexpensive affordable
free complimentary gratis
wonderful great nice amazing nicest kindest
interesting fascinating funny funniest
real true genuine authentic actual
secret truth
purpose meaning aim goal objective
scope future prospects
doctor physician gp
drug medicine medication
illness disease sickness condition
vaccine vaccination jab shot
acne pimples
baby infant newborn
child kid kids children
teen teenager
girl woman lady female
boy man guy men guys boys male
wife spouse husband partner
girlfriend fiancee
friend friends mate
person people human humans someone somebody individual
body humans
customer client user
worker employee staff
gas gasoline petrol
shop store
order parcel package delivery shipment
shipping delivery postage
bill invoice receipt
account profile
membership subscription plan
plan tier package
discount deal offer reduction
coupon voucher code
refund reimbursement
reservation booking
appointment booking
dinner supper
lunch meal
food meal dish
drink beverage
garbage trash rubbish waste
prison jail
war conflict
gender sex
space universe cosmos
world earth
life lifetime
birthday bday
sofa couch
lift elevator
holiday vacation leave
autumn fall
rent rental
insurance cover coverage policy
tax taxes
team group
device gadget
picture drawing
start beginning
stop stopover stopovers layover stops
takeoff depart leave
end finish ending
section part chapter
"""

# Stands for whatever is spoken of, or asks.
GENERIC = english.words(
    "thing things item items object stuff something anything one ones other others another "
    "different way how why when where who country state city town downtown place world area person "
    "people else it"
)
