"""From a reward's name and options in a config to something that can be called, checked before a run begins.

A name is one of the ready-made rewards or `module:function`, of a module that is installed or lies in the
current folder. Options are the function's own parameters (of a class, its constructor's), so that adding one
is writing a parameter; their annotations say what is allowed. Left out: anything else than plain values as
options.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from inspect import Parameter
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from tools.errors import TrainingError
from training.combined_reward import running
from training.config import TYPE_WORDS, nearest


def find(name: str, ready_made: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """The ready-made reward of this name, or the user's own where the name is `module:function`."""
    if name in ready_made:
        return ready_made[name]
    if ":" in name:
        return _own(name)
    raise TrainingError(
        f"There is no reward {name!r}: did you mean {nearest(name, ready_made)!r}? "
        "One of your own is named as module:function."
    )


def checked_options(name: str, reward: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """A reward's options, whole numbers as floats where it takes floats; TrainingError if one is wrong."""
    taken = option_parameters(reward)
    for option in options:
        if option not in taken:
            hint = f"did you mean {nearest(option, taken)!r}?" if taken else "it takes none."
            raise TrainingError(f"The reward {name!r} has no option {option!r}: {hint}")
    for option, parameter in taken.items():
        # what a function of the user's own requires may also come as a column of the data
        if parameter.default is Parameter.empty and option not in options and ":" not in name:
            raise TrainingError(
                f"The reward {name!r} needs the option {option!r}: add it to the reward's table."
            )
    return {option: _allowed(name, option, value, taken[option]) for option, value in options.items()}


def option_parameters(reward: Callable[..., Any]) -> dict[str, Parameter]:
    """A reward's parameters that a config can set: all but the prompts, the completions and **columns."""
    fixed = (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
    return {
        parameter.name: parameter
        for parameter in inspect.signature(reward).parameters.values()
        if parameter.kind not in fixed and parameter.name not in ("prompts", "completions")
    }


def _own(name: str) -> Callable[..., Any]:
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if (
        here not in sys.path
    ):  # last, so that a file here hides no installed package, and to stay for later imports
        sys.path.append(here)
    with running(name):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if not f"{module_name}.".startswith(f"{error.name}."):
                raise  # a module that the user's own one imports
            raise TrainingError(
                f"There is no module {module_name!r} for the reward {name!r}: "
                f"start where {module_name}.py lies, or install it."
            ) from error
    found = getattr(module, attribute, None)
    if not callable(found):
        there = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        hint = f"did you mean {nearest(attribute, there)!r}?" if there else "it has no function at all."
        raise TrainingError(f"The module {module_name!r} has no function {attribute!r}: {hint}")
    _check_form(name, found)
    return found  # type: ignore[no-any-return]


def _check_form(name: str, reward: Callable[..., Any]) -> None:
    """Say now, not after the first rollout, that a function cannot be called as a reward is."""
    called: Any = reward.__call__ if inspect.isclass(reward) else reward
    kinds = {parameter.kind for parameter in inspect.signature(called).parameters.values()}
    if Parameter.VAR_KEYWORD not in kinds or inspect.iscoroutinefunction(called):
        raise TrainingError(
            f"The reward {name!r} cannot take a data set's columns: define it as "
            f"`def {name.partition(':')[2]}(prompts, completions, **columns)`."
        )


def _allowed(name: str, option: str, value: Any, parameter: Parameter) -> Any:
    """The value, if the parameter's annotation allows it; annotations that are not plain allow everything."""
    hint = parameter.annotation
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            choices = " or ".join(repr(choice) for choice in get_args(hint))
            raise TrainingError(
                f"The option {option!r} of the reward {name!r} is {value!r}: choose {choices}."
            )
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in TYPE_WORDS and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        raise TrainingError(
            f"The option {option!r} of the reward {name!r} is {value!r}: it must be {TYPE_WORDS[hint]}."
        )
    return value
