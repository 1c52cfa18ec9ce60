"""The words by which ingredient lines are read: what to drop, where to stop, and what is one thing.

All in the singular and without accents, as agent/evaluation/ingredients.py has made them by then. The lists
are for recipes of home cooks in English; a word too few costs a match and a word too many makes two things
one, so a word that is not sure to be preparation stays.
"""

from collections.abc import Mapping
from types import MappingProxyType

_UNITS = """
    bag ball bar bottle box bunch can carton clove container cube cup cupful dash dollop drop ear
    envelope fistful fluid g gallon gill glass gram handful head inch jar kg kilo kilogram knob large lb
    liter litre loaf medium ml ounce oz pack package packet part piece pinch pint pkg pound quart rasher
    round scoop sheet slab slice small splash spoonful sprig stalk stick strip tablespoon tb tbs tbsp
    teaspoon tin tsp tube weight wedge
"""
_PREPARATION = """
    baked beaten blanched boiled boned boneless boiling bottled bruised brushed canned chilled chopped
    coarse coarsely cold condensed cooked cooled cored cracked crisp crumbled crushed cubed cut deboned
    defrosted deveined diced dissolved divided drained dried dry extra fine finely firm firmly flaked
    fresh freshly frozen grated ground grilled halved hard heaping heaped hot hulled husked jarred
    julienned juiced kosher lean leftover level lightly lukewarm mashed melted minced packed pared
    parboiled peeled picked pitted powdered precooked prepared pressed pureed quartered raw refrigerated
    rinsed ripe roasted roughly rolled salted scalded scant scrubbed seeded seedless segmented separated
    shaved shelled shredded shucked sifted skinless sliced slivered smashed softened soft split squeezed
    steamed stemmed stewed strained tender tepid thawed thick thickly thin thinly tightly toasted torn
    trimmed uncooked unpeeled unsalted unsweetened warm warmed washed well whipped whipping whisked
    whole zested
"""
_KINDS = """
    active all bittersweet breast bone brand day dark distilled double drumstick favorite fillet filet
    flat floret free good granulated heavy instant homemade jumbo leaf leg light low loin mini new old
    organic plain pure purpose quality quick regular rib rising self single skim skin store sea sharp
    sodium stem style sweetened table thigh unbleached uncured very virgin wing young
"""
_FUNCTION = """
    a about an any approximately as at bite each few half is it its least more of on optional other per
    room size sized some temperature the their them then third this quarter two three four five six your
    you additional desired enough need needed like similar one until cover make i
"""
DESCRIPTORS = frozenset(f"{_UNITS} {_PREPARATION} {_KINDS} {_FUNCTION}".split())

_PURPOSE = "for to or plus with such in into from if preferably without cut not see"
_NO_FOOD = """
    accompaniment bowl by center crust cutter dish dough dressing equipment filling foil frosting garnish
    glaze ingredient liner mixture mold pan paper parchment pink pot processor ramekin serving shaker
    skewer skillet special step thermometer toothpick topping twine x
"""

# From here on a line says what for, with what, or what instead.
CUTS = frozenset(_PURPOSE.split())

# "Juice of a lemon" is lemon juice.
PARTS = frozenset({"juice", "zest", "rind", "peel"})

# What ends in one of these is no ingredient: a "cheese topping", a "9-inch pie pan".
NOT_INGREDIENTS = frozenset(_NO_FOOD.split())

_ONE_THING = """
    almond butter, almond extract, almond milk, apple butter, apple cider, apple cider vinegar, baking
    powder, baking soda, banana pepper, cayenne pepper, chili powder, chocolate chip, coconut milk,
    coconut cream, coconut oil, condensed milk, corn syrup, corn tortilla, cottage cheese, cream cheese,
    cream of tartar, evaporated milk, fish sauce, goat cheese, ginger ale, graham cracker, grape tomato,
    half and half, hot dog, hot sauce, ice cream, jalapeno pepper, lemon grass, macaroni and cheese,
    maple syrup, orange juice, peanut butter, pie crust, poblano pepper, rice noodle, rice vinegar,
    serrano pepper, sour cream, soy milk, soy sauce, sweet potato, tomato paste, tomato sauce, tomato
    soup, water chestnut, whipped cream, cocoa butter, bell pepper, green bean, split pea, sesame seed,
    sesame oil, cream of chicken, chili pepper, dry mustard, black bean, kidney bean, self rising flour,
    powdered milk, ladyfinger, cream soda, club soda, baby corn, vegetable shortening, wonton wrapper,
    oyster sauce
"""
_CHEESES = """
    asiago brie camembert cheddar emmental feta fontina gouda gruyere halloumi manchego mascarpone
    mozzarella parmesan parmigiano pecorino provolone ricotta roquefort romano stilton
"""
_OTHER_NAMES = {
    "scallion": ("green onion", "spring onion", "salad onion"),
    "powdered-sugar": ("powdered sugar", "icing sugar", "confectioner sugar", "confectioners sugar"),
    "sugar": ("caster sugar", "white sugar", "granulated sugar"),
    "egg": ("egg white", "egg yolk"),
    "bell-pepper": (
        "red bell pepper", "green bell pepper", "yellow bell pepper", "orange bell pepper",
        "red pepper", "green pepper", "yellow pepper", "orange pepper", "sweet pepper", "capsicum",
    ),
    "red-pepper-flake": ("red pepper flake", "crushed red pepper flake", "chili flake", "pepper flake"),
    "vanilla": ("vanilla extract", "vanilla essence", "vanilla bean", "vanilla pod"),
    "cocoa": ("cocoa powder",),
    "bay": ("bay leaf",),
    "cornstarch": ("corn starch", "corn flour", "cornflour"),
    "cornmeal": ("corn meal",),
    "broth": ("stock", "bouillon"),
    "beef": ("ground beef", "minced beef", "hamburger meat"),
    "breadcrumb": ("bread crumb",),
    "applesauce": ("apple sauce",),
    "cilantro": ("coriander leaf", "fresh coriander"),
    "eggplant": ("aubergine",),
    "zucchini": ("courgette",),
    "shrimp": ("prawn",),
    "garbanzo": ("chickpea", "chick pea", "garbanzo bean"),
    "yogurt": ("yoghurt",),
    "baking-soda": ("bicarbonate of soda",),
    "cream": ("double cream", "heavy cream", "whipping cream", "heavy whipping cream"),
    "half-and-half": ("half and half cream",),
    "low": ("low salt", "reduced salt", "no salt", "low fat", "reduced fat", "fat free"),  # a kind, dropped
}  # fmt: skip


def _aliases() -> dict[tuple[str, ...], str]:
    phrases = [phrase.split() for phrase in _ONE_THING.replace("\n", " ").split(",")]
    found = {tuple(words): "-".join(words) for words in phrases}
    found |= {(cheese, "cheese"): cheese for cheese in _CHEESES.split()}
    return found | {
        tuple(phrase.split()): name for name, phrases in _OTHER_NAMES.items() for phrase in phrases
    }


# Phrases of one to four words that are one thing, and what it is called here.
ALIASES: Mapping[tuple[str, ...], str] = MappingProxyType(_aliases())
