"""Names that nobody has: made of syllables, so that a model must copy them and cannot know them."""

import re
from pathlib import Path
from random import Random

ONSETS = "b br c ch cl cr d dr f fl fr g gl gr h j k kl kr l m n p pl pr qu r s sch sh sk sl sm sn st str t th tr v w wh y z".split()
VOWELS = "a e i o u a e i o u a e i o u a e i o u ae ai au ea ee ei ia ie oa oo ou y".split()
CODAS = "b ck d f g k l ll ld lm ln m mp n nd ng nk nn p r rd rk rl rm rn rt s sk ss st t th tt v x z".split() + [""] * 40
GIVEN = """Anna Ben Carla David Elena Farid Greta Hugo Irina Jonas Karim Lucia Mateo Nadia Omar Paula Rosa Samir Tara
Ulrich Vera Walter Yusuf Zoe Amara Bjorn Chiara Dmitri Esther Felix Gita Hana Ivan Jelena Kofi Leila Miguel Noor
Oskar Priya Quentin Rania Sven Teresa Uma Victor Wanda Ximena Yara Zoltan Alice Bruno Clara Diego Emma Frank Grace
Henry Ines Jack Kate Liam Maria Nina Oliver Peter Ruth Simon Tom Ursula Vincent Wendy Aisha Boris Chen Dalia Eva
George Helen Ibrahim Julia Kenji Lena Mohammed Nils Olga Pedro Robert Sofia Thomas Emily Lucas Marta""".split()
CITIES = """London Paris Madrid Rome Vienna Prague Warsaw Athens Dublin Lisbon Oslo Stockholm Helsinki Copenhagen Zurich
Hamburg Munich Milan Naples Porto Seville Lyon Geneva Brussels Amsterdam Boston Chicago Seattle Denver Toronto
Montreal Tokyo Osaka Kyoto Seoul Beijing Delhi Mumbai Cairo Lagos Accra Tunis Sydney Perth Melbourne Auckland Bogota
Santiago Havana Istanbul Ankara Tehran Dubai Riga Vilnius Tallinn Sofia Belgrade Zagreb Kraków Bratislava Budapest
Glasgow Leeds York Bristol Cardiff Turin Bologna Valencia Dakar Kampala Hanoi Manila Jakarta Bangkok Dallas Miami
Atlanta Phoenix Austin Portland Houston Salzburg Graz Bern Basel Utrecht Ghent Malmo Aarhus Turku""".split()
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


# Every word that the corpus knows.
WORDS = sorted({found for path in Path(__file__).parent.glob("*.txt")
                for found in re.findall(r"[a-z]{4,}", path.read_text(encoding="utf-8").lower())})


def spliced(random: Random) -> str:
    """The beginning of one word and the end of another, so that any token may stand beside any."""
    first, last = random.choice(WORDS), random.choice(WORDS)
    return first[: random.randint(2, len(first))][:7] + last[-random.randint(2, len(last)) :][-7:]


def word(random: Random, most: int = 3) -> str:
    """A word without meaning, of one to `most` syllables, in small letters."""
    if random.random() < 0.4:
        return spliced(random)
    count = random.randint(1, most) if most < 3 else random.choice([1, 2, 2, 2, 3])
    syllables = [random.choice(ONSETS) + random.choice(VOWELS) + random.choice(CODAS) for _ in range(count)]
    return "".join(syllables)[:14]


def place(random: Random) -> str:
    """A place: a city of this world, or one of none."""
    if random.random() < 0.3:
        return random.choice(CITIES)
    made = word(random).capitalize()
    kind = random.random()
    if kind < 0.15:
        return made + random.choice(["ville", "ton", "berg", "stad", "mouth", "ham", "ford", "dale", "haven", "field"])
    if kind < 0.3:
        return random.choice(["Port ", "New ", "Upper ", "Lake ", "Saint ", "Fort ", "North ", "East "]) + made
    return made


def family(random: Random) -> str:
    """A family name."""
    made = word(random).capitalize()
    if random.random() < 0.12:
        made += "-" + word(random, 2).capitalize()
    return made


def person(random: Random) -> str:
    """A person's full name."""
    given = random.choice(GIVEN) if random.random() < 0.6 else word(random, 2).capitalize()
    return f"{given} {family(random)}"


def number(random: Random) -> str:
    """A number from 2 up, small ones more often."""
    top = random.choice([12, 30, 100, 100, 1000, 1000, 10000])
    return str(random.randint(2, top))


def date(random: Random) -> str:
    """A day of the year, in one of three forms."""
    day, month = random.randint(1, 28), random.choice(MONTHS)
    return random.choice([f"{day} {month}", f"{month} {day}", f"{day} {month} {random.randint(1900, 2030)}"])


def clock(random: Random) -> str:
    """A time of day."""
    hour, minute = random.randint(0, 23), random.choice(["00", "15", "30", "45", "05", "10", "20", "50"])
    half = "am" if hour < 12 else "pm"
    return random.choice([f"{hour}:{minute}", f"{hour % 12 or 12} {half}", f"{hour:02}:{minute}"])


def code(random: Random) -> str:
    """A number plate, parcel or part number."""
    letters = "".join(random.choice("ABCDEFGHKLMNPQRSTVWXYZ") for _ in range(random.randint(1, 3)))
    return random.choice([f"{letters}-{random.randint(10, 9999)}", f"{random.randint(10, 999)}-{letters}",
                          f"{letters}{random.randint(1, 99)}"])
