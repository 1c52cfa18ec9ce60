"""Commands that change what answers: /model, /policy, /index, /set."""

import shlex
from pathlib import Path

from agent.repl.chat import Chat
from agent.repl.options import changed, shown
from tools.catalogue import CATALOGUE
from tools.errors import SouschefError, UsageError
from tools.files import expanded
from tools.models import find_model

_ITSELF = "model"  # as a policy: the model writes summaries itself


def cmd_model(chat: Chat, argument: str) -> str:
    """[NAME] -- Answer with another model, by name or path; without NAME, list them."""
    using = chat.models.choice.model
    if not argument:
        names = [entry.name for entry in CATALOGUE.values() if entry.role != "embedder"]
        return "\n".join(f"{'*' if name == using else ' '} {name}" for name in dict.fromkeys([*names, using]))
    _there(argument)
    chat.models.use(model=argument, base_url=chat.models.choice.base_url if "openai/" in argument else None)
    return f"{argument} answers from now on; it loads while you type."


def cmd_policy(chat: Chat, argument: str) -> str:
    """[NAME|RUN] -- Let another model or a training run write summaries; "model" is the one that answers."""
    choice = chat.models.choice
    if not argument:
        return f"Summaries are written by {choice.policy or f'the model itself ({choice.model})'}."
    if argument == _ITSELF:
        chat.models.use(policy=None)
        return "The model itself writes summaries from now on."
    if not expanded(argument).is_dir():  # a run's folder is read, and judged, when it is loaded
        _there(argument)
    chat.models.use(policy=argument)
    return f"{argument} writes summaries from now on; it loads while you type."


def cmd_index(chat: Chat, argument: str) -> str:
    """[use DIR|use embedded|add FILE] -- Search other recipes, or add some to those in use.

    Recipes added to the embedded ones last for this chat; those added to an index of your own stay in it.
    """
    what, *given = _words(argument)
    if what == "use" and len(given) == 1:
        return _use(chat, given[0])
    if what == "add" and given:
        return _add(chat, [expanded(path) for path in given])
    if what:
        raise UsageError("Say /index use DIR, /index use embedded, or /index add FILE.")
    return f"Recipes are searched in {chat.models.choice.index or 'the embedded index'}."


def cmd_set(chat: Chat, argument: str) -> str:
    """[NAME VALUE] -- Set temperature, max_tokens, step_limit, k, time_limit_s or seed.

    k is how many recipes a search finds.
    """
    if argument:
        name, _, value = argument.replace("=", " ").partition(" ")
        chat.settings = changed(chat.settings, name, value.strip())
    return shown(chat.settings)


def _there(name: str) -> None:
    """Refuse a model that is not on this machine before the one in use is given up."""
    if not name.startswith("openai/") and name != "phi-3-mini":  # either of two models, by the machine
        find_model(name)


def _use(chat: Chat, folder: str) -> str:
    if folder == "embedded":
        chat.models.use(index=None)
        return "The embedded recipes are searched from now on."
    from tools.index_files import read_manifest

    path = expanded(folder)
    count = read_manifest(path).count
    chat.models.use(index=path)
    return f"{path} is searched from now on ({count:,} recipes)."


def _add(chat: Chat, files: list[Path]) -> str:
    with chat.interrupt.listening():
        index = chat.models.index(lambda: chat.interrupt.pressed)
    from tools.index import RecipeIndex
    from tools.recipes import read_recipes

    if not isinstance(index, RecipeIndex):
        raise SouschefError("Nothing can be added to these recipes: /index use DIR chooses an index.")
    folder = chat.models.choice.index
    if folder is None:
        counts = index.add(read_recipes(files))
        where = "for this chat; `souschef index build` makes an index that stays"
    else:
        with RecipeIndex.editing(folder) as edited:
            counts = edited.add(read_recipes(files))
        chat.models.use(index=folder)
        where = f"to {folder}"
    return f"{counts.added:,} added, {counts.updated:,} updated, {counts.unchanged:,} unchanged, {where}."


def _words(argument: str) -> list[str]:
    try:
        return shlex.split(argument) or [""]
    except ValueError as error:
        raise UsageError(f"A quotation mark is not closed in {argument!r}: close it.") from error
