"""Which passages a search may return: by tags, by ingredients to avoid, or by metadata.

An ingredient to avoid is matched as whole words, singular or plural, in the ingredient lines: "egg" rules
out "2 eggs" and "egg whites" but not "eggplant", "soy sauce" needs both words in a row. A few families also
rule out their members ("nuts": almonds, walnuts ...), and rather too much than too little: "dairy" rules out
peanut butter. This is a help in choosing, and no promise to anyone with an allergy. A passage without
ingredient lines is matched in all of its text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document

from tools.passages import Passage, read_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

MetadataFilter = Mapping[str, Any] | Callable[[Document], bool]

FAMILIES: Mapping[str, str] = {
    "nut": (
        "almond cashew chestnut filbert hazelnut macadamia marzipan nutella peanut pecan pignoli "
        "pistachio praline walnut"
    ),
    "dairy": (
        "brie butter buttermilk cheddar cheese cream custard feta ghee gouda gruyere kefir mascarpone "
        "milk mozzarella parmesan pecorino provolone ricotta whey yoghurt yogurt"
    ),
    "egg": "mayonnaise meringue",
    "fish": (
        "anchovy bass catfish cod eel haddock halibut herring mackerel perch pike salmon sardine "
        "snapper sole sturgeon swordfish tilapia trout tuna"
    ),
    "shellfish": "clam crab crawfish crayfish lobster mussel oyster prawn scallop shrimp",
    "meat": (
        "bacon beef bologna brisket chicken chorizo duck goose ham hamburger lamb liver mutton "
        "pancetta pepperoni pork prosciutto salami sausage steak suet sweetbread tongue turkey veal "
        "venison"
    ),
    "pork": "bacon chorizo ham lard pancetta pepperoni prosciutto salami sausage",
    "alcohol": (
        "ale beer bourbon brandy champagne cider cognac kirsch liqueur rum sherry vodka whiskey whisky wine"
    ),
    "gluten": (
        "barley beer bran bread bulgur couscous cracker farina flour graham macaroni noodle pasta rye "
        "semolina spaghetti tortilla wheat"
    ),
}

_NO_ANIMAL = ("meat", "fish", "shellfish", "gelatin", "lard")
DIETS: Mapping[str, tuple[str, ...]] = {  # and the ingredients that each rules out
    "vegan": (*_NO_ANIMAL, "eggs", "dairy", "honey"),
    "plant-based": (*_NO_ANIMAL, "eggs", "dairy", "honey"),
    "vegetarian": _NO_ANIMAL,
    "veggie": _NO_ANIMAL,
    "meatless": _NO_ANIMAL,
    "pescatarian": ("meat", "gelatin", "lard"),
}


class RowFilter:
    """Answers for the rows of one collection; what it has read or found once, it keeps."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines
        self._found: dict[tuple[str, str], Mask] = {}
        self._tags: list[frozenset[str]] = []
        self._ingredients: list[str] = []

    def allowed(
        self, tags: Sequence[str] = (), avoid: Sequence[str] = (), where: MetadataFilter | None = None
    ) -> "Mask | None":
        """The rows with all of `tags`, none of `avoid`, and accepted by `where`; None where all rows are."""
        masks = [self._with_tag(fold(tag)) for tag in tags] + [~self._containing(term) for term in avoid]
        if where is not None:
            masks.append(self._where(where))
        if not masks:
            return None
        import numpy as np

        allowed: Mask = np.logical_and.reduce(masks)
        return allowed

    def _with_tag(self, tag: str) -> "Mask":
        self._read()
        return self._mask(("tag", tag), lambda row: tag in self._tags[row])

    def _containing(self, term: str) -> "Mask":
        self._read()
        wanted = avoidance(term)
        return self._mask(
            ("avoid", fold(term)), lambda row: wanted.search(self._ingredients[row]) is not None
        )

    def _mask(self, key: tuple[str, str], holds: Callable[[int], bool]) -> "Mask":
        import numpy as np

        if key not in self._found:
            self._found[key] = np.fromiter(map(holds, range(len(self._lines))), bool, len(self._lines))
        return self._found[key]

    def _where(self, where: MetadataFilter) -> "Mask":
        import numpy as np

        passages = map(read_line, self._lines)
        if callable(where):
            return np.fromiter((where(p.document()) for p in passages), bool, len(self._lines))
        return np.fromiter((_has_all(p.metadata, where) for p in passages), bool, len(self._lines))

    def _read(self) -> None:
        if len(self._tags) == len(self._lines):
            return
        passages = [read_line(line) for line in self._lines]
        self._ingredients = [fold(_ingredient_text(passage)) for passage in passages]
        self._tags = [frozenset(fold(str(tag)) for tag in p.metadata.get("tags") or ()) for p in passages]


def avoidance(term: str) -> re.Pattern[str]:
    """What finds an ingredient, or a member of a family of ingredients, in folded text.

    >>> [bool(avoidance("egg").search(line)) for line in ("2 eggs", "egg whites", "1 eggplant")]
    [True, True, False]
    >>> bool(avoidance("Nuts").search("1 cup chopped walnuts"))
    True
    """
    words = re.findall(r"\w+", fold(term))
    names = [words]
    if len(words) == 1:
        families = [FAMILIES[form] for form in sorted(_singulars(words[0])) if form in FAMILIES]
        names += [[member] for family in families for member in family.split()]
    phrases = (r"\W+".join(any_form(word) for word in name) for name in names if name)
    return re.compile(rf"\b(?:{'|'.join(phrases) or '(?!)'})\b")


def fold(text: str) -> str:
    """Without case and accents.

    >>> fold(" Crème FRAÎCHE")
    'creme fraiche'
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).strip()


def any_form(word: str) -> str:
    """A pattern for a word's singular and plural; forms that do not exist do no harm."""
    forms = {word}
    for single in _singulars(word):
        forms |= {single, single + "s", single + "es"}
        if single.endswith("y"):
            forms.add(single[:-1] + "ies")
        if single.endswith(("f", "fe")):
            forms.add(single.rstrip("e")[:-1] + "ves")
    return f"(?:{'|'.join(sorted(map(re.escape, forms)))})"


def _singulars(word: str) -> set[str]:
    """What may be the singular of a word, the word itself included.

    >>> sorted(_singulars("cherries"))
    ['cherri', 'cherrie', 'cherries', 'cherry']
    """
    found = {word}
    for plural, singular in (("ies", "y"), ("ves", "f"), ("ves", "fe"), ("es", ""), ("s", "")):
        if word.endswith(plural) and not word.endswith(("ss", "us")) and len(word) > len(plural) + 1:
            found.add(word.removesuffix(plural) + singular)
    return found


def _ingredient_text(passage: Passage) -> str:
    lines: Iterable[Any] = passage.metadata.get("ingredients") or (passage.text,)
    return "\n".join(map(str, lines))


def _has_all(metadata: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(
        value in known if isinstance(known := metadata.get(key), list) else known == value
        for key, value in wanted.items()
    )
