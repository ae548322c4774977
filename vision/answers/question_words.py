"""The words that questions about diagrams are made of, apart from the names that they are about."""

from vision.answers.wording import stem

_FUNCTION_WORDS_TEXT = """
a about actually after again all along already also an and another any anything are around as at away be been before
being both but by can could did directly do does doing done during each eg either else ever every exactly find first
for from get gets give given go goes going got had happen happened happening happens has have having here how i if in
inside into involved is it its itself just kind last let list look main many may me mean meaning means meant mention
mentioned more most much must my name named near need needed needs next no nor not now of off on once one only onto or
other our out outside over own per please previous same say see seen shall she he should show shown shows so some
something somewhere sort still such tell than thanks that the their them then there these they thing things this those
through throughout thus to together too toward towards under until up upon us use used uses using very via want was we
were what whats when where whereas whether which while who whom whose why will with within without would you your yes
drawn depicted present exist exists appear appears visible available overall altogether total complete entire whole
required implemented responsible according enter enters entered entering leave leaves according based below above
beside between left right top bottom centre center middle upper lower include includes included including contain
contains contained containing consist consists comprise comprises belong belongs belonging located placed hosted
explain explained describe described summarise summarize visible image picture diagram drawing chart architecture
figure graphic
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS_TEXT.split())

_GENERIC_TEXT = """
architecture block blocks box boxes chart color colors colour colours component components connection connections
container containers design diagram diagrams drawing element elements figure group groups icon icons image item items
kind kinds label labels layer layers line lines name names node nodes object objects part parts phase phases picture
piece pieces process purpose region regions role section sections stage stages step steps system systems technologies
technology tool tools type types unit zone zones arrow arrows legend text task job number numbers environment
environments resource resources area areas cycle lifecycle loop landscape solution role point relationship relation
function overview
"""
GENERIC = frozenset(_GENERIC_TEXT.split())
"""Nouns that mean any part of any diagram: alone they name nothing."""

_SERVICE_NOUNS_TEXT = """
service services application applications server servers module modules app apps
"""
SERVICE_NOUNS = frozenset(_SERVICE_NOUNS_TEXT.split())
"""Nouns that people put behind a name: "the checkout service"."""

_WEAK_TEXT = """
call calls content contents data event events info information input inputs message messages output outputs payload
payloads record records request requests result results signal signals stuff traffic
"""
WEAK = frozenset(_WEAK_TEXT.split())
"""What moves along arrows: it names a part only together with another word."""

_SEND = """
call send feed trigger push publish write forward route invoke deploy deliver emit produce output pass provide supply
start notify update populate query request hit contact talk communicate access reach point lead load export stream
dispatch register promote merge commit create return post upload copy replicate sync distribute manage control
orchestrate run launch serve depend rely go flow connect link precede report sent fed written wrote called triggered
expose generate transfer move train build deploys affect influence interact insert ship submit refresh authenticate
scale drive kick result approve delegate proxy redirect balance give supply grant hand offer proxy resolve contact
"""
_RECEIVE = """
receive get obtain accept come arise originate
"""
_PROCESS = """
monitor watch observe scrape evaluate test process transform validate handle check analyse analyze enrich index
aggregate visualise visualize display resize
"""
_READ = """
read consume fetch pull poll subscribe listen ingest retrieve download import use load query take learn follow taken
used using
"""
_STORE = """
store save persist keep archive land hold kept held cache stored
"""

SEND = frozenset(map(stem, _SEND.split()))
RECEIVE = frozenset(map(stem, _RECEIVE.split()))
PROCESS = frozenset(map(stem, _PROCESS.split()))
READ = frozenset(map(stem, _READ.split()))
STORE = frozenset(map(stem, _STORE.split()))
_WRITE_TEXT = """
write written wrote store save persist insert update populate
"""
WRITE = frozenset(map(stem, _WRITE_TEXT.split()))
VERBS = SEND | RECEIVE | PROCESS | READ | STORE

_PARTICIPLES_TEXT = """
sent fed read written kept held built run led taken drawn put set fed sent
"""
PARTICIPLES = frozenset(_PARTICIPLES_TEXT.split())
"""Participles that do not end in `ed` or `ing`."""

_DETERMINERS_TEXT = """
a an the this that these those its their his her our my your each every any some no
"""
DETERMINERS = frozenset(_DETERMINERS_TEXT.split())
_AUXILIARIES_TEXT = """
do does did can could will would must should may might
"""
AUXILIARIES = frozenset(_AUXILIARIES_TEXT.split())
BEING = frozenset({"is", "are", "was", "were", "be", "been", "being"})

NUMBERS = {
    word: str(number)
    for number, words in enumerate(
        (
            "zero",
            "one first",
            "two second",
            "three third",
            "four fourth",
            "five fifth",
            "six sixth",
            "seven seventh",
            "eight eighth",
            "nine ninth",
            "ten tenth",
            "eleven eleventh",
            "twelve twelfth",
            "thirteen thirteenth",
            "fourteen fourteenth",
            "fifteen fifteenth",
        )
    )
    for word in words.split()
}
"""Numbers in words."""

_STORES_TEXT = """
store storage database db table tables bucket cache queue topic lake lakehouse warehouse repository registry catalog
replica replicas volume disk file files index s3 redis postgres postgresql mysql mongodb cassandra elasticsearch
bigquery snowflake redshift dynamodb cosmos blob sql kafka hdfs master slave archive memory datastore data pvc pv
"""
STORES = frozenset(_STORES_TEXT.split())
"""Words in the names of parts that keep data."""
