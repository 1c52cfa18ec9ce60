"""Chats over a scripted engine and four real recipes, with a real database where a folder is given."""

import io
import re
from functools import cache
from pathlib import Path
from typing import Any

from langchain_core.embeddings import DeterministicFakeEmbedding
from rich.console import Console
from scripted import ScriptedEngine, answer, call

from agent.repl.chat import Chat
from agent.repl.loaders import Loaders
from agent.repl.loading import Models
from agent.repl.loop import run_script
from agent.repl.options import Choice, Settings
from agent.repl.saving import Saver
from agent.repl.screen import Screen
from tools.index import RecipeIndex
from tools.recipes import Recipe

RECIPES = (
    Recipe("omelette", "Omelette", ("3 eggs", "1 tbsp butter"), ("Beat.", "Fry.")),
    Recipe("brittle", "Brittle", ("1 cup walnuts", "1 cup sugar"), ("Melt.", "Cool.")),
    Recipe("ratatouille", "Ratatouille", ("1 eggplant", "2 tomatoes"), ("Simmer.",)),
    Recipe("crepes", "Crêpes", ("250 g flour", "½ l milk"), ("Whisk.", "Bake thin.")),
)
SEARCH = call("recipe_search", '{"query": "crepes"}', thought="a recipe is needed")
RECIPE = answer("Crêpes [1]\n\nIngredients:\n- 250 g flour\n- ½ l milk\n\nSteps:\n1. Whisk.\n2. Bake thin.")
ASKED = (SEARCH, RECIPE)


@cache
def small_index() -> RecipeIndex:
    """A real index in memory, with vectors that no model made."""
    filled = RecipeIndex(DeterministicFakeEmbedding(size=16))
    filled.add(list(RECIPES))
    return filled


class Talk:
    """A chat, what it showed, and the engine behind it."""

    def __init__(self, folder: Path | None, *replies: Any, plain: bool = True, width: int = 80) -> None:
        self.engine = ScriptedEngine(*(replies or (answer("Hello!"),)))
        self.out = io.StringIO()
        colours: dict[str, Any] = {} if plain else {"force_terminal": True, "color_system": "standard"}
        console = Console(file=self.out, width=width, highlight=False, soft_wrap=True, **colours)
        screen = Screen(plain=plain, out=console, steps=console)
        engine = self.engine
        loaders = Loaders(
            engine=lambda _: engine, index=lambda _: small_index(), policy=lambda _: _no_policy()
        )
        self.chat = Chat(
            Models(Choice("scripted"), loaders), screen, Saver(folder, screen.problem), Settings()
        )

    def says(self, *lines: str) -> str:
        """Run lines and return what they showed; times are written as 0 ms."""
        start = self.out.tell()
        self.code = run_script(self.chat, lines)
        return re.sub(r"\d+ ms", "0 ms", self.out.getvalue()[start:])


def _no_policy() -> Any:
    raise AssertionError("these tests load no policy")
