"""Titles of conversations: the title says the topic in the words of the first message."""

from random import Random

import house_prompts

from . import names, outside
from .phrases import as_written, expand

NOUNS = """train hat bridge candle engine carpet violin tractor window river castle pillow ladder lantern kettle wagon anchor
bottle basket drum mirror pencil magnet balcony helmet satellite marble turbine compass chimney mattress telephone
tablet monitor tripod scooter trailer paddle hinge faucet sensor battery pump valve filter switch saddle tent stove
sleeping bag backpack raincoat jacket scarf boots sandals bracelet necklace perfume lipstick shampoo towel blanket
curtain drawer bench stool fence gate barn stable meadow orchard harvest tractor plough seed soil fertiliser bulb
cellar attic staircase elevator corridor office factory warehouse library theatre stadium harbour airport station
tunnel highway roundabout crossing bakery butcher pharmacy clinic dentist surgeon nurse teacher student professor exam
lecture thesis diploma essay novel chapter poem rhyme melody chorus rhythm trumpet clarinet organ choir concert festival
painting sculpture gallery museum exhibition camera lens album portrait frame brush palette clay oven recipe sauce
pepper garlic onion salad cheese butter yoghurt honey syrup vinegar mustard flour yeast dough pastry biscuit cream
vaccine allergy fever cough headache sunburn muscle elbow shoulder ankle posture pension salary budget invoice receipt
contract lease deposit tenant mortgage insurance tax refund customs passport visa embassy flight luggage ferry hostel
island volcano glacier desert jungle canyon waterfall beach reef dolphin whale shark penguin eagle falcon owl swan
duck goose hen goat sheep donkey cow pig mouse squirrel hedgehog badger beaver otter fox wolf bear moose deer
server router firewall database cluster container compiler debugger parser kernel driver script macro formula chart
spreadsheet slideshow podcast channel website domain newsletter campaign survey interview resignation promotion
meeting agenda minutes deadline project milestone roadmap prototype warranty""".split()
QUALITIES = """old new small big electric wooden broken noisy cheap red blue green secret modern Italian French Swedish antique
portable heavy digital solar frozen fresh spicy vegan organic leather cotton plastic golden silent fast slow young
sick lost stolen wild rare public private second-hand outdoor wireless homemade medieval tropical""".split()

# The message, and the title; T is the topic.
FRAMES = [
    ("{how do I|how can I|how to|what is the best way to} {repair|clean|fix|mend} {my|a|the} T", ["Repairing the T", "T repair", "How to fix a T"]),
    ("{how do I|how can I|how to} {choose|buy|pick|find} {a|the right|a good} T", ["Choosing a T", "Buying a T", "T buying advice"]),
    ("{which|what} T {should I buy|is best|would you take|do you recommend}{ for a beginner| for my mother| this year|}", ["Choosing a T", "T recommendation", "Which T to buy"]),
    ("{what is|what are|explain|tell me about|what do you know about|explain to me} {a |the |}T{, please|}", ["About the T", "T explained", "T basics"]),
    ("{I need|I want|please write|write|help me write|can you write} {a letter|an email|a text|a speech|an article|a story|a poem} about {my|the|a} T", ["Writing about the T", "Text about a T", "T text"]),
    ("my T {is broken|does not work|makes a strange noise|is too slow|looks terrible|keeps stopping|worries me}", ["T problem", "Broken T", "Trouble with the T"]),
    ("{compare|what is the difference between|which is better:} {a |}T {and|or} {a |}U", ["T or U", "T and U compared", "T versus U"]),
    ("{where|when} {can I|do I|should I} {find|get|sell|see|use} a T", ["Finding a T", "T search", "Where to get a T"]),
    ("{plan|organise|prepare} {a|my} T {for|with} {ten guests|my sister|next week|the summer|two children}", ["Planning a T", "T plan", "T preparation"]),
    ("{why is|why does|why are} {the|my} T {so expensive|so popular|so difficult|not allowed|important}", ["Why the T matters", "T question", "Reasons for the T"]),
    ("{give me|I need|do you have} {ideas|tips|names|advice|questions} {for|about} {a|my} T", ["T ideas", "Tips for a T", "Ideas for the T"]),
    ("{I want to|I would like to|help me to} {learn|understand|improve|start} {my |the |}T", ["Learning about T", "Improving the T", "Understanding T"]),
    ("{is it|is it really|do you think it is} {legal|safe|normal|healthy|smart} to {have|use|own|sell} a T", ["T: is it safe", "Using a T", "T question"]),
    ("{how long|how much|how often} {does|should|must} a T {last|cost|take|need|rest|be cleaned}", ["T facts", "Cost of a T", "T care"]),
    ("{translate|summarise|correct|check} {this text|my text|a letter} about the T", ["Text about the T", "T text"]),
    ("{my friend|my boss|my wife|my neighbour} {has|wants|lost|sold|hates} {a|the} T{, what do you think| and I do not know what to do|, is that ok}", ["A T question", "Advice about the T", "The T"]),
    ("{calculate|what does it cost, } the {price|weight|size} of {a|the|my} T", ["T price", "Size of the T", "T calculation"]),
]
REPLIES = ["{Sure|Of course|Gladly|Yes}. {What have you tried so far|Tell me more|How old is it|Which one do you mean|How much time do you have}?",
           "{That depends|It depends} on {the size|your budget|where you live|the weather|how it is used|many things}.",
           "{First|At first|Usually} {look at the manual|you need some patience|check the simple things|it helps to read the label}.",
           "{There are|People see} {two ways|three kinds|many answers}; {the simple one is cheap|the first is the usual one|let us begin with the first}.",
           "{Often|Most of the time} the {reason|cause} is {dust|water|heat|age|bad luck|a loose screw|a mistake}."]


def topic(random: Random) -> str:
    """One or two words to talk about."""
    kind = random.random()
    if kind < 0.3:
        return random.choice(NOUNS)
    if kind < 0.5:
        return f"{random.choice(QUALITIES)} {random.choice(NOUNS)}"
    if kind < 0.6:
        return f"{random.choice(NOUNS)} {random.choice(NOUNS)}"
    if kind < 0.8:
        return random.choice(names.WORDS)
    if kind < 0.92:
        return random.choice(random.choice(list(outside.TOPICS.values()))).removeprefix("the ").removeprefix("a ")
    return names.word(random)


def conversation(random: Random) -> list[tuple[str, str]]:
    """A request for a title, and the title."""
    pattern, titles = random.choice(FRAMES)
    first, second = topic(random), topic(random)
    message = as_written(expand(pattern, random).replace("T", first).replace("U", second), random)
    title = random.choice(titles).replace("T", first).replace("U", second)
    if len(title.split()) > 6:
        title = first
    turns = [("User", message)]
    if random.random() < 0.5:
        turns.append(("Assistant", expand(random.choice(REPLIES), random)))
    return [(house_prompts.title_request(turns), title[:1].upper() + title[1:])]
