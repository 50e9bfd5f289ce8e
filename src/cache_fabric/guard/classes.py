"""Words that exclude one another, by class: data, no rules.

A line (with the indented ones after it) is a class. Its poles stand between slashes: an answer for
one is none for another, and the words of a pole mean the same for an answer. ``_`` joins the words
of an expression. In a class that begins with ``!`` a negation turns the one pole into the other
("not allowed" is "banned"). A verb or noun stands for its regular forms.
"""

from __future__ import annotations

from cache_fabric.guard.verdict import Kind

__all__ = ["CLASSES"]

CLASSES = {
    Kind.ANTONYM: """
! allow allowed permit permitted permissible legal legally lawful lawfully / ban banned forbid
    forbidden prohibit prohibited disallow illegal illegally unlawful unlawfully
enable activate switch_on turn_on / disable deactivate switch_off turn_off shut_off cut_off
start begin begun resume restart commence / stop pause cease halt quit
open reopen / close closed shut
lock / unlock
accept accepted approve approved / decline reject rejected refuse deny denied
! include included inclusive cover covered / exclude excluded exclusion exclusions
grant / revoke
join enrol enroll sign_up subscribe opt_in / leave withdraw opt_out unsubscribe deregister
    drop_out
increase raise rise grow higher upgrade bigger larger / decrease reduce lower fall drop shrink
    downgrade smaller less
improve better_at boost strengthen / worsen damage harm hurt ruin weaken
benefit benefits advantage advantages pro pros upside upsides strengths merits / drawback drawbacks
    disadvantage disadvantages con cons downside downsides weaknesses demerits risks dangers
! compulsory mandatory obligatory required / optional voluntary
succeed success successful / failure fail failed unsuccessful
pass passed passing / fail failed failing
win won winning / lose lost losing
gain gaining / lose losing
buy purchase buying / sell selling sold
lend lending / borrow borrowing
deposit / withdraw withdrawal
import importing / export exporting
upload uploading / download downloading
push / pull
send sending / receive receiving
encrypt / decrypt
install installing / uninstall uninstalling
connect connecting / disconnect disconnecting
attach / detach
mute / unmute
follow / unfollow
block blocking / unblock unblocking
hide hiding / unhide show_again
add adding / remove removing delete deleting
arrive arriving arrival arrivals / depart departing departure departures
build / demolish
eat drink consume take use / avoid skip
! safe safely harmless / unsafe dangerous harmful risky
good great excellent outstanding / bad poor inadequate terrible awful
best / worst
cheap cheapest inexpensive affordable / expensive costly priciest
hot hottest / cold coldest
spicy / mild
busy crowded / quiet
loud noisy / silent
public publicly / private privately
strong stronger strongest / weak weaker weakest
easy easier easiest easily simple / hard harder hardest difficult tough complicated
rich richest wealthy / poor poorest
fast faster fastest quick / slow slower slowest
long longer longest / short shorter shortest
high highest / low lowest
tall tallest / short shortest
heavy heaviest / light lightest
wide widest / narrow narrowest
deep deepest / shallow shallowest
young younger youngest / old older oldest elderly
early earlier earliest / late later latest
first / last final
maximum max highest / minimum min lowest
! true / false
positive / negative
internal internally / external externally
! visible / invisible
present / absent
! alive / dead
happy happiest / sad unhappy
love / hate dislike
like / dislike
agree / disagree
approve / disapprove
encourage / discourage
appear / disappear
hire recruit / fire sack dismiss
inhale / exhale
freeze / thaw unfreeze
possible / impossible
profit profitable / loss unprofitable
asset / liability liabilities
income / expense expenses
supply / demand
input / output
ascending / descending
horizontal horizontally / vertical vertically
odd / even_number even_numbers
clockwise / anticlockwise counterclockwise
acid acidic / alkaline
attack / defend
cause / prevent cure
rise risen / sink
save / spend
earn / owe
attract / repel
plug_in / unplug
dress / undress
always / never
everyone everybody / nobody
full / empty
clean / dirty
wet / dry
! healthy / unhealthy
! married / unmarried single divorced
! innocent / guilty
tighten / loosen
expand / collapse
merge / split
pin / unpin
archive / unarchive
pick_up / drop_off
check_in / check_out
log_in sign_in login / log_out sign_out logout
sunrise / sunset
""",
    Kind.COMPARISON: """
before prior / after following
more most / less least fewer fewest
over above exceeding more_than / under below less_than up_to
within / after outside
at_least minimum / at_most maximum
""",
    Kind.NUMBER: """
half / twice double / thrice triple / quadruple
singular / plural
""",
    Kind.DATE: """
monday mon / tuesday tue tues / wednesday wed / thursday thu thur thurs / friday fri / saturday sat
    / sunday sun
weekday weekdays / weekend weekends saturday sunday
january jan / february feb / march / april apr / may_month / june jun / july jul / august aug /
    september sept sep / october oct / november nov / december dec
spring / summer / autumn / winter
today tonight / tomorrow / yesterday
same_day / next_day
am morning mornings / pm afternoon evening night tonight afternoons evenings nights
morning / afternoon / evening tonight night
noon midday / midnight
daily every_day / weekly every_week / monthly every_month / yearly annually every_year
this_year / last_year / next_year
this_month / last_month / next_month
this_week / last_week / next_week
christmas / easter / thanksgiving / halloween / ramadan / diwali
""",
    Kind.UNIT: """
dollar dollars usd / euro euros eur / pound pounds gbp sterling / yen jpy / rupee rupees inr rs /
    yuan rmb / franc francs chf / peso pesos / rouble roubles ruble rubles / won krw / bitcoin btc
    / ethereum eth
celsius / fahrenheit / kelvin
kilometre kilometres kilometer kilometers km / mile miles
metre metres meter meters / foot feet ft / yard yards
kg kilo kilos kilogram kilograms / lb lbs / stone stones
litre litres liter liters / gallon gallons
""",
    Kind.SCOPE: """
adult adults grown_up grown_ups / child children kid kids toddler toddlers baby babies infant
    infants junior / teenager teenagers teen teens teenage / senior seniors pensioner pensioners
    elderly
tenant tenants renter renters lodger / landlord landlords / homeowner homeowners
employer employers / employee employees staff
employed employee employees salaried / self_employed freelance freelancer freelancers contractor
    contractors sole_trader / unemployed jobless out_of_work
buyer buyers / seller sellers
borrower borrowers / lender lenders
teacher teachers / student students pupil pupils
doctor doctors / patient patients
driver drivers / passenger passengers / pedestrian pedestrians / cyclist cyclists
visitor visitors guest guests / resident residents
sender / recipient receiver
member members / non_member non_members nonmember nonmembers
admin admins administrator administrators / guest guests / viewer
man men male males boy boys guy guys / woman women female females girl girls lady ladies
he him his himself / she her hers herself
husband / wife
father dad / mother mum mom
brother / sister
son / daughter
uncle / aunt
king / queen
prince / princess
full_time / part_time
permanent / temporary / fixed_term
standard regular / premium deluxe express priority
free / paid premium enterprise
business commercial company corporate / personal residential household home domestic
business_class first_class / economy
undergraduate undergraduates / postgraduate postgraduates master masters masters_degree / phd
    doctorate doctoral
domestic / international long_haul overseas abroad foreign
home / abroad
home / away
joint jointly / sole individual single
individual / group / family
hand_luggage carry_on cabin_bag / checked_luggage checked_bag hold_luggage
shipping delivery / billing
delivery / collection pickup pick_up / dine_in eat_in
online / in_store in_person offline paper by_post by_phone
breakfast / lunch / dinner / brunch
fixed / variable
inside indoor indoors / outside outdoor outdoors
upper / lower
north northern / south southern / east eastern / west western
vegan / vegetarian
cash / card / cheque check / paypal / bank_transfer
debit / credit
flat apartment / house / office
laptop laptops / desktop / tablet tablets
wifi / bluetooth / ethernet
for_sale / for_rent to_rent to_let
credit_card / debit_card
right_hand right_handed right_eye / left_hand left_handed left_eye
all / none
my_own myself / someone_else somebody_else
""",
    Kind.FORMAT: """
json / yaml / xml / csv / html / markdown / pdf
table / list bullet bullets bulleted / paragraph / essay / poem / haiku / song / email / letter /
    tweet / flowchart / diagram / chart
""",
    Kind.LENGTH: """
briefly brief short concise concisely summary in_short tldr / detail detailed details in_depth
    thorough thoroughly long comprehensive
""",
}
