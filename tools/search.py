"""recipe_search: the recipe index as a tool that a model can call.

The model gets text: the best passage as far as the token budget allows, the others in short, all of it
neutralised (tools/untrusted.py). The program gets the hits themselves, as the result's artifact.
`search_recipes` is the same without any model or agent.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.prebuilt import InjectedState
from pydantic import BaseModel, Field

from prompts import prompt
from tools.citations import hit_numbers
from tools.filters import DIETS
from tools.index import Hit
from tools.untrusted import neutralise

DEFAULT_HITS = 3
DEFAULT_TOKENS = 640
CHARACTERS_PER_TOKEN = 3.5  # recipes are numbers and short words; models read about this many at a time
_LONGEST_QUESTION = 400  # characters; a longer one is a text, whose "without" means something else
_BEST_SHARE = 0.75  # of the budget, for the best passage

# Words that end the name of an ingredient, or show that there is none ("no more than 5 eggs", "no idea").
# The first kind says nothing of a dish either: a question of them alone goes on with the one before.
_FUNCTION_WORDS = """
    a about after allowed also although an and any anyone anything are as at be because been before
    both but by can cannot could did do does doing done during each either else even ever every
    everyone for from get go had has have having he her his how however i if in inside instead into
    is it its just let like made make makes making maybe me might must my need needed needs no nor
    not now of on only or our out please possible preferably quite rather really recipe recipes she
    should since so some somehow such suitable sure thank thanks than that the their them then there
    these they this those though to today tomorrow tonight too under until using very via want wants
    was we what when where whether which while who whose why will with within without would yet you
    your
"""
_NO_INGREDIENT = """
    bake baking cook cooking churn doubt easy effort experience fail fast fewer frills fry fuss
    hassle idea knead kneading kidding less longer lot lots many matter more most much nonsense oven
    problem problems quick rise rush simple stir stress stove time trouble way wonder worries worry
"""
_CHAT = "again d hello hi ll m ok okay one re s same t ve yes"
_STOP = "|".join([*_FUNCTION_WORDS.split(), *_NO_INGREDIENT.split()])
_SAYS_NO_DISH = frozenset([*_FUNCTION_WORDS.split(), *_CHAT.split()])
_NAMED_SO = r"(?:baking (?:powder|soda)|cooking (?:oil|spray|wine)|quick oats|simple syrup)\b"
_WORD = r"[^\W\d_]+(?:-[^\W\d_]+)*"
_NAMING = rf"(?!(?!{_NAMED_SO})(?:{_STOP})(?![\w-])){_WORD}\b"
# A plural ends a name: "nuts kids" is no ingredient; "swiss cheese", "citrus peel", "brussels sprouts" are.
_MAY_GO_ON = r"(?:(?<!s)|(?<=[su]s)|(?<=brussels))"
_INGREDIENT = rf"{_NAMING}(?: of tartar|{_MAY_GO_ON} {_NAMING})?"
_AND = re.compile(r"\s*(?:,|\band\b|\bor\b|\bnor\b|&)\s*(?:(?:any|no|without)\b)?\s*", re.IGNORECASE)
_RULED_OUT = re.compile(
    r"(?:\b(?:without|with no|but no|and no|or no|except|excluding"
    r"|(?:(?:that|which|they|it) )?(?:(?:do|does|must|can|may|should)(?:n['’]?t| not)|cannot|not)"
    r" (?:contain|include)|not containing)|(?:^|[,;:.!?(\n]|\s[-–—])\s*no)\s+"
    r"(?:(?:any|the|a|an|using|adding|added|extra) ){0,2}"
    rf"(?P<without>{_INGREDIENT}"
    rf"(?:\s*(?:,|,? or|,? and|,? nor|&)\s+(?:any |no |without )?{_INGREDIENT}){{0,3}})(?:\s*\))?"
    rf"|(?<![\w-])no-(?P<no>(?!(?:{_STOP})\b)[^\W\d_]+)\b"
    rf"|\b(?!(?:{_STOP}|feel|guilt)\b)(?P<free>[^\W\d_]+)[- ]free\b"
    rf"|(?:\bfor )?(?<!not )(?<![\w-])(?P<diet>{'|'.join(DIETS)})s?(?![\w-])",
    re.IGNORECASE,
)

CountTokens = Callable[[str], int]


class Searcher(Protocol):
    """Anything that finds recipes; a RecipeIndex is one."""

    def search(self, query: str, k: int, mode: Any, *, avoid: Sequence[str]) -> list[Hit]:
        """The k best recipes for a query, best first."""
        ...


class RecipeSearchInput(BaseModel):
    """What the model fills in."""

    query: Annotated[str, Field(description=prompt("recipe_search_query"), min_length=1, max_length=120)]
    state: Annotated[dict[str, Any] | None, InjectedState] = None  # the conversation; not the model's to fill


def estimate_tokens(text: str) -> int:
    """About how many tokens a text takes, without a tokenizer.

    >>> estimate_tokens("2 cups of flour")
    5
    """
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def search_recipes(
    index: Searcher,
    query: str,
    k: int = DEFAULT_HITS,
    *,
    mode: str = "hybrid",
    max_tokens: int = DEFAULT_TOKENS,
    count_tokens: CountTokens = estimate_tokens,
    messages: Sequence[BaseMessage] = (),
) -> tuple[str, list[Hit]]:
    """What recipe_search does, as a plain call: the text that a model would read, and the hits.

    The query may rule ingredients out ("lemon pie without nuts"). `messages` is the conversation, if there
    is one: what the user ruled out holds, and a query without a dish ("and without eggs?") means the dish
    that was searched for last; and hits are numbered on from those that this turn found already. The text
    takes at most `max_tokens` tokens by `count_tokens`.
    """
    wanted, avoid = _taken_apart(query)
    if not _says_a_dish(wanted):
        before, avoid_before = _searched_before(messages)
        wanted, avoid = before or wanted or query, (*avoid_before, *avoid)
    hits = index.search(wanted, k, mode, avoid=tuple(dict.fromkeys([*avoid, *_ruled_out_by_user(messages)])))
    number = hit_numbers(messages, hits)
    return search_text(hits, max_tokens, count_tokens, [number[hit.uid] for hit in hits]), hits


def recipe_search_tool(
    index: Searcher,
    *,
    k: int = DEFAULT_HITS,
    mode: str = "hybrid",
    max_tokens: int = DEFAULT_TOKENS,
    count_tokens: CountTokens = estimate_tokens,
) -> BaseTool:
    """The tool; `max_tokens` bounds the text that the model gets, by `count_tokens`."""

    def recipe_search(query: str, state: dict[str, Any] | None = None) -> tuple[str, list[Hit]]:
        said = (state or {}).get("messages", [])
        return search_recipes(
            index, query, k, mode=mode, max_tokens=max_tokens, count_tokens=count_tokens, messages=said
        )

    return StructuredTool.from_function(
        recipe_search,
        name="recipe_search",
        description=prompt("recipe_search"),
        args_schema=RecipeSearchInput,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


def _ruled_out_by_user(messages: Sequence[BaseMessage]) -> tuple[str, ...]:
    """What the user's last question rules out, and what those did that it goes on from.

    It holds even if the model forgets it. A question that says a dish goes on from none.
    """
    avoid: tuple[str, ...] = ()
    for message in reversed(messages):
        if not isinstance(message, HumanMessage):
            continue
        if len(message.text) > _LONGEST_QUESTION:
            break
        wanted, named = _taken_apart(str(message.text))
        avoid = (*named, *avoid)
        if _says_a_dish(wanted):
            break
    return avoid


def _searched_before(messages: Sequence[BaseMessage]) -> tuple[str, tuple[str, ...]]:
    """The last search for a dish, taken apart; nothing if there was none."""
    calls = [call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls]
    queries = [str(call["args"].get("query", "")) for call in calls if call["name"] == "recipe_search"]
    searches = (_taken_apart(query) for query in reversed(queries))
    return next((search for search in searches if _says_a_dish(search[0])), ("", ()))


def _says_a_dish(text: str) -> bool:
    return bool(dish_words(text))


def dish_words(text: str) -> set[str]:
    """The words of a text, in lower case, that say something of a dish.

    >>> sorted(dish_words("How do I make a Banana bread?"))
    ['banana', 'bread']
    """
    return set(re.findall(r"\w+", text.casefold())) - _SAYS_NO_DISH


def split_query(query: str) -> tuple[str, tuple[str, ...]]:
    """What a query asks for, and the ingredients that it rules out.

    >>> split_query("a banana bread without eggs or nuts")
    ('a banana bread', ('eggs', 'nuts'))
    >>> split_query("dairy-free pancakes")
    ('pancakes', ('dairy',))
    >>> split_query("pescatarian paella")
    ('paella', ('meat', 'gelatin', 'lard'))
    """
    wanted, avoid = _taken_apart(query)
    return (wanted, avoid) if wanted else (query, ())


def _taken_apart(query: str) -> tuple[str, tuple[str, ...]]:
    """The same, where nothing may be left to search for."""
    avoid: list[str] = []

    def rule_out(found: re.Match[str]) -> str:
        if found["diet"]:
            avoid.extend(DIETS[found["diet"].lower()])
            return " "
        named = found["without"] or found["no"] or found["free"]
        avoid.extend(part.strip() for part in _AND.split(named) if part.strip())
        return " "

    # Composed, so that an accent is part of its letter.
    rest = _RULED_OUT.sub(rule_out, unicodedata.normalize("NFC", query))
    return " ".join(rest.split()).strip(" ,.;?!"), tuple(avoid)


def search_text(
    hits: Sequence[Hit],
    max_tokens: int = DEFAULT_TOKENS,
    count_tokens: CountTokens = estimate_tokens,
    numbers: Sequence[int] | None = None,
) -> str:
    """Hits as text for a model in at most `max_tokens` tokens; numbered from [1] unless numbers are given."""
    if not hits:
        return prompt("nothing_found")
    best, *others = (neutralise(hit.text) for hit in hits)
    first, *later = numbers or range(1, len(hits) + 1)
    text = _cut(f"[{first}] {best}", int(max_tokens * _BEST_SHARE) if others else max_tokens, count_tokens)
    for place, (number, other) in enumerate(zip(later, others, strict=True), start=1):
        share = (max_tokens - count_tokens(text)) // (len(hits) - place)
        text = f"{_cut(f'[{number}] {_in_short(other)}', share - 2, count_tokens)}\n\n{text}"
    return text


def _in_short(passage: str) -> str:
    """Name and ingredients on one line: enough to tell whether another recipe fits better."""
    name, _, rest = passage.partition("\n\n")
    return f"{name}: {'; '.join(rest.partition(chr(10) * 2)[0].split(chr(10)))}"


def _cut(text: str, max_tokens: int, count_tokens: CountTokens) -> str:
    """The beginning of a text that fits, ending at a word and marked as cut."""
    if count_tokens(text) <= max_tokens:
        return text
    words = text.split(" ")
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens(" ".join(words[:middle]) + " ...") <= max_tokens:
            low = middle
        else:
            high = middle - 1
    return " ".join(words[:low]) + " ..."
