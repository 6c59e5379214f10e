"""Passages about things that do not exist, with questions that are answered by quoting them.

A passage is made of facts; a fact has sentences with its value in them, and questions. Values are generated, so that
only copying answers them.
"""

import json
import re
from random import Random

from . import names
from .phrases import as_written, expand

# kind of value, sentences (S is the subject, V the value), questions
Fact = tuple[str, list[str], list[str]]

MONEY = ["euros", "dollars", "pounds", "francs", "crowns", "coins"]
THINGS = """pumps lamps books chairs carpets bottles engines bicycles violins clocks maps ropes tents boots kettles wheels
candles mirrors baskets hammers blankets umbrellas paintings letters radios statues windows doors bells drums""".split()
ANIMALS = "goats geese horses ducks foxes owls deer swans bees sheep otters cranes turtles rabbits whales frogs".split()
ADJECTIVES = "old new spare wooden small red blue heavy rare broken silver cheap green painted empty Spanish".split()
GOODS = """bread cheese fish flowers honey shoes tea wine glass paper cloth salt wool soap pottery furniture spices fruit
coffee knives hats toys cakes tools""".split()
REASONS = ["a strike", "heavy snow", "a broken pipe", "the flood", "repairs to the roof", "a power cut", "a wedding",
           "road works", "a lack of money", "the storm", "illness", "building work", "a missing key", "the festival",
           "cleaning", "a fire in the cellar", "the football match", "bad weather"]
SPOTS = ["town hall", "school", "old mill", "church hall", "station", "blue barn", "harbour office", "museum", "park",
         "gymnasium", "community centre", "north gate", "café on the corner", "boathouse", "fire station", "theatre"]
ALLERGENS = "aspirin latex nuts eggs iodine wheat pollen milk codeine ibuprofen shellfish sulfa".split()


def value(kind: str, random: Random) -> str:
    """A value of a kind."""
    number = names.number(random)
    simple = {
        "person": lambda: random.choice(["", "", "", "", "Dr. ", "Mrs ", "Mr ", "Captain ", "Professor "])
        + names.person(random),
        "family": lambda: names.family(random),
        "place": lambda: names.place(random),
        "thing": lambda: names.word(random).capitalize(),
        "street": lambda: names.word(random).capitalize() + random.choice([" Street", " Road", " Lane", " Square"]),
        "year": lambda: str(random.randint(1500, 2030)),
        "number": lambda: number,
        "date": lambda: names.date(random),
        "day": lambda: random.choice(names.DAYS),
        "clock": lambda: names.clock(random),
        "code": lambda: names.code(random),
        "room": lambda: "room " + str(random.randint(1, 400)),
        "money": lambda: f"{number} {random.choice(MONEY)}",
        "weight": lambda: f"{number} {random.choice(['kilograms', 'grams', 'tons', 'pounds', 'kg'])}",
        "length": lambda: f"{number} {random.choice(['metres', 'kilometres', 'miles', 'feet', 'km'])}",
        "span": lambda: f"{number} {random.choice(['days', 'hours', 'years', 'weeks', 'months', 'minutes'])}",
        "degrees": lambda: f"{random.choice(['', '', 'minus '])}{random.randint(1, 40)} degrees",
        "memory": lambda: f"{number} {random.choice(['GB', 'MB'])}",
        "version": lambda: f"{random.randint(0, 12)}.{random.randint(0, 20)}",
        "goods": lambda: random.choice(GOODS),
        "things": lambda: f"{random.choice(ADJECTIVES)} {random.choice(THINGS)}",
        "counted": lambda: f"{number} {random.choice(ANIMALS + THINGS)}",
        "reason": lambda: random.choice(REASONS),
        "spot": lambda: "the " + random.choice(SPOTS),
        "allergen": lambda: random.choice(ALLERGENS),
        "two": lambda: f"the {names.word(random).capitalize()} and the {names.word(random).capitalize()}",
        "months": lambda: "between {} and {}".format(*random.sample(names.MONTHS, 2)),
    }
    return simple[kind]()


Q_PERSON_MADE = ["who {founded|started|opened|created|set up|established} {it|S}", "{name of the founder|who is the founder}",
                 "by whom was {it|S} {founded|started}"]
SUBJECTS: dict[str, tuple[list[str], list[Fact]]] = {
    "shop": (["The <thing> {bakery|shop|inn|factory|workshop|hotel|brewery|café}", "{Bakery|Hotel|Café|Restaurant|Brewery} <thing>"], [
        ("year", ["S {opened|was opened|was founded|began|was established} in V.", "Since V S has {served|sold to} the town."],
         ["{when|in which year|what year} {did S open|was S founded|was it opened|did it start|did it begin}", "year of {opening|foundation}", "since when does S exist"]),
        ("person", ["S was {founded|started|opened} by V.", "Its founder was V.", "V {founded|started} S."], Q_PERSON_MADE),
        ("street", ["S {stands|is|lies} {on|in} V.", "You find S {on|in} V."],
         ["{where|on which street|in which street} is {S|it|the place}", "what is the {street|address}", "on what street does it stand"]),
        ("number", ["S {employs|has} V {people|workers}.", "Today V people work there.", "V people work at S."],
         ["how many {people|workers|employees} {work there|does it have|are employed|does S employ}", "number of {employees|workers}"]),
        ("day", ["S is closed on Vs.", "On Vs S is shut.", "S {closes|rests} on Vs."],
         ["{when|on which day|what day} is {it|S} {closed|shut}", "on which day does it not open", "which day is it closed"]),
        ("goods", ["S sells V.", "S is known for its V.", "People come for its V."], ["what does {it|S} sell", "what is {it|S} known for"]),
        ("person", ["{Today|Now} it is {run|led|owned} by V.", "The owner is V.", "The {manager|boss} is called V."],
         ["who {owns|runs|leads|manages} {it|S} {today|now|}", "who is the {owner|boss|manager}", "name of the {owner|manager}"]),
    ]),
    "transport": (["{Parcel|Container|Crate|Shipment} <code>", "The {parcel|shipment} <code>"], [
        ("place", ["S left V {last week|in the morning|by ship|early}.", "S was sent from V.", "S comes from V."],
         ["where {does it come from|did it leave from|was it sent from|did it start}", "{from which place|from where} was it {sent|shipped}", "what is the place of departure"]),
        ("place", ["It goes to V.", "Its destination is V.", "It is {expected|wanted} in V."],
         ["where {does it go|is it going|will it be brought}", "what is the destination", "which place is it {going|sent} to"]),
        ("thing", ["It travels {aboard|on} the {ship|freighter|ferry} V.", "The {ship|ferry} V carries it."],
         ["{what is the name of the|what is the|which} {ship|vessel|boat|ferry}{ called|}", "on which ship is it", "the ship is called what"]),
        ("weight", ["It weighs V.", "Its weight is V.", "V is its weight."], ["how {heavy is it|much does it weigh|heavy is the load}", "what {is the weight|does it weigh}"]),
        ("things", ["It {holds|contains} V.", "Inside are V.", "It is full of V."], ["what is {inside|in it}", "what does it {hold|contain}", "what are the contents"]),
        ("date", ["It {arrives|will arrive|is expected} on V.", "The arrival is planned for V."],
         ["when {does it arrive|will it arrive|is it expected|is the arrival}", "on which {date|day} does it arrive", "date of arrival"]),
        ("person", ["The {captain|driver|sender} is V.", "V is the {driver|captain}."], ["who is the {driver|captain}", "name of the {captain|driver}"]),
        ("money", ["The {transport|freight} costs V.", "V was paid for the transport."], ["{how much|what} does the transport cost", "what was the price", "cost of the transport"]),
    ]),
    "notice": (["The {lift|heating|pool|library|north entrance|car park|kitchen|bus line|laundry} {of|in} house <code>",
                "The {swimming pool|gym|library|canteen|garage} {of|in} <place>"], [
        ("day", ["S {is closed|will be closed|is out of order} until V.", "Until V S stays closed."],
         ["until {when|which day} {is it closed|is S closed|does it stay closed|is it out of order}", "when {does it open again|will it work again}", "how long is it closed"]),
        ("reason", ["The reason is V.", "This is because of V.", "It is closed because of V."], ["why {is it closed|is that|is S closed}", "what is the reason", "for what reason"]),
        ("person", ["Please {ask|call} V if you have questions.", "V answers questions.", "Questions go to V."],
         ["who {answers questions|can I ask|should I ask|do I call|is the contact}", "{whom|who} do I {contact|call}"]),
        ("number", ["The {extension|telephone number} is V.", "Dial V.", "Call V for help."], ["{which|what} {number|extension} {do I dial|should I call|must I call}", "what is the {number|extension|phone number}"]),
        ("clock", ["Work {begins|starts} at V.", "The workers come at V."], ["{when|at what time} does the work {begin|start}", "what time do the workers come"]),
        ("spot", ["{Meanwhile|Until then} please use V.", "Please go to V instead."], ["what {should I|do we} use instead", "where {do I go|should I go} instead"]),
        ("code", ["Only building V is affected.", "This concerns building V."], ["{which|what} building {is affected|is it about|does it concern}"]),
    ]),
    "nature": (["{Lake|Mount|Island|Valley|Forest} <thing>", "The {lake|island|forest|mountain} <thing>", "The river <thing>"], [
        ("length", ["S is V long.", "Its length is V.", "From end to end it measures V."], ["how long is {S|it}", "what is {its|the} length"]),
        ("length", ["At its {deepest|highest} point it measures V.", "S is V high.", "It is V deep."], ["how {high|deep} is {S|it}", "what is its {height|depth|greatest depth}"]),
        ("two", ["V {feed it|flow there|cross it}.", "The rivers V meet there."], ["{which|what} rivers {flow there|feed it|meet there|cross it}", "name the rivers"]),
        ("months", ["Fishing is {forbidden|allowed} V.", "It is closed to visitors V."], ["when is {it closed|fishing forbidden|fishing allowed|fishing not allowed}", "at what time of the year is it closed"]),
        ("counted", ["In the last {count|year} there were V.", "{Rangers|Students} counted V there."], ["what {did they count|was counted|was seen there}", "how many {animals|things} were counted"]),
        ("person", ["It was {first described|discovered|mapped} by V.", "V was the first to {see|map|describe} it."], ["who {discovered|first saw|described|mapped} it", "who was {first there|the first}"]),
        ("place", ["The nearest {town|village} is V.", "V lies on its {shore|edge}."], ["{which|what} {town|village} is {near|nearest|closest}", "what is the nearest {town|village} {called|}"]),
        ("year", ["It has been protected since V.", "It became a park in V."], ["since when is it protected", "in which year did it become a park", "when was it protected"]),
    ]),
    "meeting": (["The {meeting|party|concert|course|lecture|exam} of the {chess|garden|rowing|history|singing|book} club", "The {yearly|weekly|next} {meeting|concert|market}"], [
        ("spot", ["S {takes place|is held|will be} {in|at} V.", "This time S is in V.", "S was moved to V."],
         ["where {does it take place|is it|is it held|will it be|does the meeting take place}", "at what place is S", "what is the {place|venue}", "where is S held"]),
        ("clock", ["S {begins|starts} at V.", "Doors open at V.", "It starts at V."], ["{when|at what time} does {it|S} {begin|start}", "what time is it", "starting time", "at what time do we meet"]),
        ("day", ["S is on V.", "It will be {held|} on V."], ["{which day|on which day|what day} is {it|S}", "when is it, which day"]),
        ("person", ["V will bring {cake|soup|drinks|bread|chairs}.", "{Cake|Soup|Tea} comes from V."], ["who {brings|will bring} {something|the food|food}", "who brings what they eat or drink"]),
        ("person", ["V will {speak|play|sing|teach}.", "The {speaker|guest|leader} is V."], ["who {speaks|plays|is the guest|is the speaker|leads it|teaches}", "name of the {speaker|guest}"]),
        ("reason", ["It was {moved|put off} because of V.", "The change was made because of V."], ["why was it {moved|put off|changed}", "what was the reason {for the change|for moving it}"]),
        ("money", ["{A ticket|Entry} costs V.", "The price is V."], ["{what|how much} does {a ticket|it|entry} cost", "what is the price", "price of a ticket"]),
        ("number", ["V {members|guests|people} {are expected|have signed up}.", "There is room for V people."], ["how many {people|guests|members} {are expected|come|fit|have signed up}"]),
    ]),
    "program": (["{Version <version> of|The program|The app} <thing>", "<thing>"], [
        ("date", ["It was released on V.", "It came out on V.", "S appeared on V."], ["when {was it released|did it come out|did it appear}", "release date", "on which date did it come out"]),
        ("memory", ["It needs at least V of memory.", "V of memory are needed."], ["how much memory {does it need|is needed}", "memory needed", "what memory does it require"]),
        ("person", ["The {lead developer|author|inventor} is V.", "It was written by V."], ["who {wrote|developed|made|invented|leads} it", "who is the {author|lead developer|developer}", "name of the author"]),
        ("money", ["A licence costs V.", "It costs V {a year|per seat|}.", "The price is V."], ["{what|how much} does {it|a licence} cost", "what is the price {of a licence|}", "how much is it"]),
        ("version", ["The {newest|last|present} version is V.", "Version V is the newest."], ["{which|what} version is {it|the newest|described|the last}", "newest version"]),
        ("place", ["It is {made|developed} in V.", "The company sits in V."], ["where is it {made|developed}", "where does the company sit"]),
        ("number", ["It has V users.", "V people use it."], ["how many {users does it have|people use it}", "number of users"]),
    ]),
    "person": (["<person>"], [
        ("year", ["S was born in V.", "The year of birth is V."], ["when was {S|he|she|the person} born", "{in which year|year} of birth", "what year was the birth"]),
        ("place", ["S {grew up|was born|lived} in V.", "Home was V.", "S comes from V."], ["where {did S grow up|was S born|does S come from|did the person live}", "{home town|place of birth}", "from which place does S come"]),
        ("number", ["S is V years old.", "Age: V."], ["how old is {S|he|she|the patient}", "what is the age", "age"]),
        ("allergen", ["S is allergic to V.", "There is an allergy to V."], ["what is {S|the patient|he|she} allergic to", "which allergy is there", "allergy"]),
        ("room", ["S {lies|stays|lives|works} in V.", "S was {taken|brought|moved} to V."], ["{which|what} room {is S in|was S taken to|is it}", "where was {S|the patient|he|she} {taken|brought}", "in which room {lies|is} S"]),
        ("family", ["The {nurse|teacher|assistant|doctor} is called V.", "{Nurse|Doctor|Teacher} V looks after S."], ["{what is the|what's the|} name of the {nurse|doctor|teacher|assistant}", "who looks after S", "who is the {nurse|doctor|teacher|assistant}"]),
        ("money", ["S {paid|earned|found|lost} V.", "S once {paid|won} V."], ["how much {did S pay|did S earn|money was it|money did S lose}", "how much was {paid|won|found}"]),
        ("things", ["S collects V.", "S {sells|repairs|makes} V."], ["what does S {collect|sell|repair|make|do}"]),
        ("span", ["S stayed for V.", "It took V.", "S worked there for V."], ["how long {did S stay|did it take|was it|did S work there}"]),
    ]),
    "report": (["Report from station <code>", "Station <thing>", "Log of <place>"], [
        ("degrees", ["The temperature was V.", "At {noon|dawn|night} it was V.", "The thermometer showed V."], ["{what|how high} was the temperature", "how {cold|warm} was it", "what did the thermometer show"]),
        ("counted", ["{We|They|Observers} {counted|saw} V.", "There were V."], ["what {did they see|was counted|was seen}", "how many were {seen|counted}"]),
        ("person", ["The {radio|pump|generator|roof|motor|antenna} was repaired by V.", "V repaired the {pump|radio|motor}."], ["who {repaired|fixed|mended} {it|the broken thing|something}", "who made the repair"]),
        ("span", ["The {storm|trip|test|rain} lasted V.", "It rained for V."], ["how long did {it|the storm|the trip|the rain|the test} last", "for how long did it last"]),
        ("clock", ["The {boat|plane|train|message} {came|arrived|left} at V.", "At V the {boat|plane|bus} came."], ["{when|at what time} did the {boat|plane|train|message|bus} {come|arrive|leave}", "what time was that"]),
        ("person", ["The report was {written|signed} by V.", "Signed: V."], ["who {wrote|signed} {it|the report}", "author of the report"]),
        ("number", ["Last year it was V.", "The year before it was only V."], ["how {many|much} was it {last year|the year before}", "what was the number of last year"]),
    ]),
}

FORMS = ["{P}\n\n{Q}"] * 5 + ["{P}\n{Q}", "{P} {Q}", "{Q}\n\n{P}", "Text: {P}\n\nQuestion: {Q}", "Passage:\n{P}\n\nQuestion: {Q}",
         "Answer from this text: {P}\n\n{Q}", "Read this:\n{P}\n\n{Q}", "{Q}\n\"{P}\"", "Here is a text.\n\n{P}\n\n{Q}"]
NOT_THERE = "The text does not say."


def fill(pattern: str, subject: str, found: str) -> str:
    """A pattern with its subject (S) and its value (V)."""
    return re.sub(r"\bV(?=s?\b)", lambda _: found, re.sub(r"\bS\b", lambda _: subject, pattern))


def passage(random: Random) -> tuple[str, list[tuple[str, str]]]:
    """A passage, and questions with the words of the passage that answer them."""
    about = random.choice(list(SUBJECTS))
    starts, facts = SUBJECTS[about]
    pronoun = random.choice(["he", "she"]) if about == "person" else "it"
    values = {kind: [value(kind, random)] for kind in ("thing", "code", "place", "person", "version")}
    subject = expand(random.choice(starts), random, values)
    few = random.sample(facts, min(len(facts), random.randint(2, 7)))
    sentences, questions = [], []
    for place, (kind, wordings, asked) in enumerate(few):
        found = value(kind, random)
        wording = expand(random.choice(wordings), random)
        mentioned = subject if place == 0 or random.random() < 0.25 else pronoun
        sentence = fill(wording, mentioned, found)
        sentence = sentence[:1].upper() + sentence[1:]
        if found not in sentence:  # it begins the sentence
            found = found[:1].upper() + found[1:]
        if place == 0 and subject.lower() not in sentence.lower():
            sentences.append(subject[:1].upper() + subject[1:] + ".")
        sentences.append(sentence)
        short = subject[:1].lower() + subject[1:] if subject.startswith("The ") else subject
        asked_of = short if random.random() < 0.5 else pronoun
        question = fill(expand(random.choice(asked), random), asked_of, found)
        questions.append((as_written(question, random), found))
    left = [fact for fact in facts if fact not in few]
    kinds = {fact[0] for fact in few}
    if left and random.random() < 0.12:
        kind, _, asked = random.choice(left)
        if kind not in kinds:
            questions.append((as_written(fill(expand(random.choice(asked), random), pronoun, ""), random), NOT_THERE))
    random.shuffle(questions)
    if random.random() < 0.15:
        return "\n".join(sentences), questions
    return " ".join(sentences), questions


def conversation(random: Random) -> list[tuple[str, str]]:
    """A passage with one or more questions, as the turns of a conversation."""
    text, questions = passage(random)
    first = random.choice(FORMS).replace("{Q}", questions[0][0]).replace("{P}", text)
    return [(first, questions[0][1]), *questions[1 : random.randint(2, 8)]]


def filling(random: Random) -> list[tuple[str, str]]:
    """A passage whose facts are to be written down as JSON."""
    fields = random.sample(FIELDS, random.randint(2, 4))
    known = {name: value(kind, random) for name, kind, _ in fields}
    text = " ".join(fill(expand(sentence, random), "", known[name]) for name, _, sentence in fields)
    keys = ", ".join(known)
    ask = expand(random.choice(["{Fill in|Give me|Write} {JSON|a JSON object} with the keys KEYS", "Extract KEYS as JSON",
                                "Return JSON with KEYS", "JSON with KEYS please"]), random).replace("KEYS", keys)
    order = [f"{ask}:\n{text}", f"{text}\n\n{ask}.", f"{ask} from this text: {text}"]
    return [(random.choice(order), json.dumps(known, ensure_ascii=False))]


FIELDS = [
    ("name", "person", "{My name is|This is|I am} V."), ("city", "place", "{I live in|The city is|It happened in} V."),
    ("date", "date", "{The date is|It was on|We meet on} V."), ("price", "money", "{The price is|It costs|I paid} V."),
    ("room", "room", "{We meet in|Come to|The place is} V."), ("order", "code", "{The order number is|My order is} V."),
    ("weight", "weight", "{It weighs|The weight is} V."), ("time", "clock", "{It begins at|The time is} V."),
    ("product", "things", "{I bought|The product is|I ordered} V."), ("age", "number", "{I am|The age is} V."),
    ("street", "street", "{The address is|I live on} V."), ("version", "version", "{I use version|The version is} V."),
]
