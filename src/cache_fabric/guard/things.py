"""Things and products that exclude one another, by class, as in `classes`: data, no rules."""

from __future__ import annotations

__all__ = ["THINGS"]

THINGS = """
puppy puppies dog dogs / kitten kittens cat cats / rabbit rabbits / hamster / horse horses / bird
    birds parrot / fish goldfish / snake snakes / cow cows / pig pigs / sheep / goat goats
chicken / beef / pork / lamb / turkey / tuna / salmon / tofu
rice / pasta / bread / potato potatoes / quinoa
milk / juice / coffee / tea / wine / beer / whisky whiskey / vodka / rum
apple apples / banana bananas / orange oranges / grape grapes / mango mangoes / lemon lemons /
    strawberry strawberries
car cars / motorbike motorbikes motorcycle motorcycles / van vans / bicycle bicycles bike bikes /
    bus buses coach coaches / train trains / plane planes aeroplane / boat boats ferry ferries /
    truck trucks lorry lorries / tram trams
red / blue / green / yellow / orange / purple / pink / black / white / grey gray / brown
gold / silver / bronze / platinum / copper / iron / steel / aluminium aluminum
oxygen / hydrogen / nitrogen / carbon / helium
proton protons / neutron neutrons / electron electrons
solid solids / liquid liquids / gas gases
virus viruses viral / bacteria bacterial / fungus fungal
artery arteries / vein veins
mercury / venus / mars / jupiter / saturn / uranus / neptune / pluto
circle / triangle / square / rectangle / hexagon
slack / zoom / skype
excel / powerpoint
math maths mathematics / physics / chemistry / biology / history / geography / philosophy /
    economics
football soccer / cricket / tennis / basketball / baseball / golf / rugby / hockey / badminton /
    volleyball
guitar / piano / violin / drums / flute / cello / trumpet / saxophone
eye eyes / ear ears / nose / knee knees / elbow / shoulder / ankle / wrist
toothache / headache / earache / backache
bedroom bedrooms / bathroom bathrooms / kitchen / garage / garden
christian christianity christians / muslim islam muslims / hindu hinduism hindus / jewish judaism
    jews / buddhist buddhism buddhists / atheist atheism atheists / sikh sikhism
iphone ios ipad / android
windows / mac macos / linux ubuntu
chrome / firefox / safari
python / java / javascript / ruby / rust / golang / php / perl / swift / kotlin / scala / haskell /
    c++ / c#
react / angular / vue / svelte
mysql / postgresql postgres / sqlite / oracle / mongodb / redis
aws / azure / gcp
npm / yarn / pip / conda
git / svn / mercurial
pdf / docx / jpg jpeg / png / mp3 / mp4
gmail / outlook / hotmail / yahoo
facebook / instagram / twitter / whatsapp / snapchat / tiktok / linkedin / youtube / quora / reddit
    / telegram / discord / pinterest
netflix / hulu / spotify
amazon / ebay / flipkart / etsy / alibaba
playstation ps4 ps5 / xbox / nintendo
apple / samsung / nokia / huawei / xiaomi / oneplus / motorola / sony
toyota / honda / ford / bmw / audi / tesla / mercedes / volkswagen / hyundai / nissan / volvo /
    fiat / renault
jira / trello / asana
london / paris / berlin / madrid / rome / vienna / amsterdam / brussels / dublin / lisbon / athens
    / moscow / istanbul / cairo / dubai / tokyo / beijing / shanghai / seoul / bangkok / singapore
    / sydney / melbourne / toronto / chicago / boston / seattle / houston / dallas / denver /
    atlanta / miami / philadelphia / pittsburgh / baltimore / detroit / los_angeles / san_francisco
    / san_diego / las_vegas / mumbai / delhi / bangalore / chennai / hyderabad / kolkata / pune
"""
