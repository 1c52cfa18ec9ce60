"""What a search says of a request that somebody wrote freely: its own words without those of asking.

The agent lets a small model search for words of the user's alone (agent/grounding.py). Which of them matter
is decided here by a list of words that only ask ("I would like a ..."); everything else is a wish and stays,
negations above all. Left out: grammar; a query need not be a sentence.
"""

import re

from agent.adapters.wording import in_words

_MOST_WORDS = 12  # of a query, as in agent/grounding.py
_WORDS_OF_ASKING = """
    a an the i i'd i'm i've i'll id im ive me my we we'd we're our us you your it it's its is are am was
    were be been do does did can could would will should shall may might must want wants wanted like
    liked love need needs needed have has had having got get give gives show find tell make makes making
    made cook cooking prepare bake know look looking search recommend suggest suggestion suggestions
    think try trying please pls what what's whats which how where when who there there's any some
    something anything recipe recipes idea ideas dish dishes way ways best good great nice hi hello hey
    thanks thank help feel feeling mood eat eating also just really so if then here tonight today
    tomorrow today's kind type sort ones one meal meals options option craving crave use using used
    contains containing that's they them her him his their going about ok okay also too such still even
"""
_ARTICLES = frozenset(["a", "an", "the", "some", "any", "my", "our", "your"])
_OF_ASKING = frozenset(_WORDS_OF_ASKING.split()) - {"that's"}
_NEGATIONS = frozenset(["not", "don't", "dont", "doesn't", "can't", "cannot", "won't", "haven't", "never"])
_JOINING_WORDS = "for in with that which to and or but of on at from as by than into"
_JOINING = frozenset(_JOINING_WORDS.split())
_OF_A_RECIPE = re.compile(r"\b(recipe (?:to|for)|ingredients?|for a breakfast)\b")
_OF_FOOD = re.compile(r"\b(recipes?|ingredients?|boil an egg|bake a|breakfast|grocery|lunch|snacks)\b")


def query_of(request: str) -> str:
    """The words of a request that a search keeps; empty where they are too many.

    >>> query_of("I'm in the mood for something low in fat that isn't dessert")
    "low in fat that isn't dessert"
    >>> query_of("Can I have a soup with some beans, and I want to have it in an hour?")
    'soup with beans in hour'
    """
    words = [word for word in in_words(request).split() if word.lower() not in _ARTICLES]
    kept = [word for place, word in enumerate(words) if _stays(words, place)]
    if len(kept) > _MOST_WORDS:
        kept = [word for word in kept if word.lower() not in _JOINING]
    return " ".join(kept) if len(kept) <= _MOST_WORDS else ""


def _stays(words: list[str], place: int) -> bool:
    """A word of a wish, or one that joins two of them."""
    word = words[place].lower()
    if place and words[place - 1].lower() in _NEGATIONS:
        return True
    if word not in _JOINING:
        return word not in _OF_ASKING
    told_before = any(one.lower() not in _OF_ASKING | _JOINING for one in words[:place])
    following = words[place + 1].lower() if place + 1 < len(words) else ""
    return told_before and bool(following) and following not in _OF_ASKING | _JOINING


def wants_a_recipe(question: str) -> bool:
    """Whether a question of a source without a tool is one that recipe_search serves after all."""
    return _OF_A_RECIPE.search(question) is not None


def is_about_meals(question: str) -> bool:
    """Whether a question of such a source may be one for recipes: then it is no example of an answer."""
    return _OF_FOOD.search(question) is not None
