"""Which of the recipes that a search found answer a request: a search always finds something.

A recipe is the dish that was asked for by its name, and not because its text has the words: a sauce for an
"uncooked pancake" is no pancake. Of what a dish is to be made with, its text may speak. Rules for English;
where none of the recipes fits, the nearest can be told.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from tools.filters import fold
from tools.index import Hit
from tools.search import dish_words, split_query

# Of a request: for when, for whom, how much, what meal, how good. No recipe is another for want of these.
_OCCASION = """
    afternoon all amazing authentic bag bags best better bigger birthday bowl box boxes bunch bunches
    canned cheaper child children classic comforting couple crispy crunchy dad day days delicious dinner
    dish dishes dozen easier easy evening everybody everyone family famous fancy fashioned faster father
    favorite favourite few fluffy food fresh friday friend friends good gram grams grandma great guest
    guests half healthier healthy hearty home homemade hour hours husband jar jars juicy kg kid kids
    kilo kilos least leftover leftovers lighter liter liters litre litres lovely lunch meal meals minute
    minutes moist mom monday morning most mother nice night old ounce ounces pack packs party people
    perfect person persons plate plenty pound pounds proper quick quicker real ripe saturday scratch
    simple simpler smaller something sunday supper take takes tasty tender thing things thursday tinned
    traditional tuesday ultimate use used uses using wednesday week weekend wife yummy
"""
_OF_THE_OCCASION = frozenset(_OCCASION.split())
# What is bought and not made: a request that names it alone is for a dish with it.
_FOODS = """
    almond anchovy apple apricot artichoke asparagus aubergine avocado bacon banana barley basil bean
    beef beet beetroot blackberry blueberry broccoli buckwheat bulgur butter buttermilk cabbage carrot
    cashew cauliflower celery cheddar cheese cherry chestnut chicken chickpea cilantro clam cocoa coconut
    cod coriander corn cornmeal courgette crab cranberry cream cucumber date dill duck egg eggplant
    fennel feta fig fish flour garlic ginger goose grape haddock halloumi halibut ham hazelnut herring
    honey kale lamb leek lemon lentil lettuce lime lobster mackerel mango milk millet mint mozzarella
    mushroom mussel mustard mutton nut oat oatmeal okra olive onion orange oyster parmesan parsley
    parsnip pea peach peanut pear pecan pepper pineapple pistachio plum pork potato prawn prune pumpkin
    quinoa rabbit radish raisin raspberry rhubarb rice ricotta rosemary sage salmon sardine scallop
    shrimp spinach squash strawberry swede tarragon tempeh thyme tofu tomato trout tuna turkey turnip
    veal venison walnut watercress yam yoghurt yogurt zucchini
"""
_OF_A_FOOD = """
    bell black brown butternut diced dried frozen garbanzo green ground kidney minced navy pinto raw red
    smoked spring sweet white wild yellow
"""
# What leads to what a dish is to be made with; where nothing stands before it, the dish is left open.
_GIVEN = re.compile(
    r"\b(?:with|using|use(?:s|d)?(?: up)?|contain(?:s|ing)?|includ(?:es|ing)|left ?overs?|full of|plenty of"
    r"|(?<!can )(?<!could )(?<!may )(?:i|we)(?:['’]ve| have)(?: got)?(?! to\b| a craving\b))\b",
    re.IGNORECASE,
)
_JOINS = re.compile(
    r"\b(?:for|to|from|of|in|on|at|by|like|under|within|less|than|but|not|that|which|who)\b", re.IGNORECASE
)
_WORD = re.compile(r"\w+")
_LISTED = re.compile(r"[,;:.?!&\n]|\b(?:and|or|plus)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.;:?!\n]")
_NEARLY_ALL = 0.75  # of the words of a dish: one of four may be a wish, or misspelled


def choose(hits: Sequence[Hit], query: str, question: str = "") -> Sequence[Hit]:
    """The hits that may answer a query: of those that fit it the ones named so, else the nearest alone."""
    if fitting := [hit for hit in hits if fits(hit, query, question)]:
        return _named(fitting, query)
    asked = _asked(query)
    shared = {hit.uid: [len(asked & _stems(text)) for text in (hit.name, hit.text)] for hit in hits}
    return sorted(hits, key=lambda hit: shared[hit.uid], reverse=True)[:1]


def fits(hit: Hit, query: str, question: str = "") -> bool:
    """Whether a recipe is what a query asks for; `question` is what the user said, where it is known."""
    return mentions(hit, query) and _is_called_so(hit, query, question)


def mentions(hit: Hit, query: str) -> bool:
    """Whether a recipe's text has most of the words that were asked for.

    "Beef rendang" is no beef stew. But where every word of a recipe's name was asked for, the other words may
    say how or when: "a classic Caesar salad for tonight".
    """
    asked, named = _asked(query), _stems(hit.name)
    most = len(asked & _stems(hit.text)) * 2 > len(asked)
    return most or not asked or (bool(named) and named <= asked)


def _named(hits: Sequence[Hit], query: str) -> Sequence[Hit]:
    """The hits called what was asked for, else those sharing most of its words, else all.

    Of several words they must share two: one may be any ingredient.
    """
    whole, asked = _stems(split_query(query)[0]), _asked(query)
    if whole and (exact := [hit for hit in hits if _stems(hit.name) == whole]):
        return exact
    shared = [len(asked & _stems(hit.name)) for hit in hits]
    most = max(shared, default=0)
    if most < min(2, len(asked)):
        return hits
    return [hit for hit, count in zip(hits, shared, strict=True) if count == most]


def _is_called_so(hit: Hit, query: str, question: str) -> bool:
    """Whether a recipe has the name of the dish that a query asks for, where it asks for one.

    The name may lack a word or two of it that the text has: "spaghetti carbonara" is called Carbonara.
    """
    wanted = split_query(query)[0]
    given = _given(wanted) | _given(question)
    dish = [word for word in _dish(wanted) if word not in given]
    words, named = set(dish), _stems(hit.name)
    shared = len(words & named)
    if shared >= _NEARLY_ALL * len(words):
        return True
    most = len(words) > 2 and dish[-1] in named and 2 * shared > len(words)
    return words <= _stems(hit.text) and (most or (bool(named) and named <= words))


def _dish(wanted: str) -> list[str]:
    """The stems of the words that name a dish, in their order.

    >>> _dish("birthday cake for the children"), _dish("a bowl of ramen"), _dish("something with leeks")
    (['cake'], ['ramen'], [])
    """
    for part in _JOINS.split(wanted):
        before = _GIVEN.split(part, maxsplit=1)
        if (named := _in_order(before[0])) or len(before) > 1:
            return named
    return []


def _given(text: str) -> set[str]:
    """The stems of what a dish is to be made with, as far as a text says it.

    >>> sorted(_given("I've got eggs. Quiche?")), sorted(_given("rice and lentils")), _given("butter chicken")
    (['egg'], ['lentil', 'rice'], set())
    """
    led_to = [part for sentence in _SENTENCE_END.split(text) for part in _GIVEN.split(sentence)[1:]]
    listed = (set(_in_order(part)) for part in _LISTED.split(text))
    foods = [
        words for words in listed if len(kinds := words - _known(_OF_A_FOOD)) == 1 and kinds <= _known(_FOODS)
    ]
    return set(_in_order(" ".join(led_to))).union(*foods)


@cache
def _known(listed: str) -> frozenset[str]:
    """The stems of one of the lists above."""
    return frozenset(_stems(listed))


def _asked(query: str) -> set[str]:
    """The stems of the words that say what is to be cooked."""
    return set(_in_order(split_query(query)[0]))


def _in_order(text: str) -> list[str]:
    """The stems of the words that say something of a dish."""
    telling = dish_words(text) - _OF_THE_OCCASION
    return _stemmed(word for word in _WORD.findall(text.casefold()) if word in telling)


def _stems(text: str) -> set[str]:
    """Words without case, accents and plural, short ones left out.

    >>> sorted(_stems("Lentil curries with a Bun"))
    ['bun', 'curri', 'lentil', 'with']
    """
    return set(_stemmed(_WORD.findall(text)))


def _stemmed(words: Iterable[str]) -> list[str]:
    stems: list[str] = _stemmer().stemWords([word for word in map(fold, words) if len(word) > 2])
    return stems


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")
