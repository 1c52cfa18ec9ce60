"""transformers loads one model at a time: meanwhile it changes the default dtype and device of all threads.

The embedder loads behind a question that is being read; without this lock a model that another thread loads
then would now and then come out broken.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Model = TypeVar("Model")

_LOADING = threading.RLock()


def loading() -> AbstractContextManager[object]:
    """What holds while a model loads: no other thread loads one."""
    return _LOADING


def one_at_a_time(load: Callable[Arguments, Model]) -> Callable[Arguments, Model]:
    """A function that loads a model, and waits while another thread loads one."""

    @wraps(load)
    def waiting(*given: Arguments.args, **named: Arguments.kwargs) -> Model:
        with _LOADING:
            return load(*given, **named)

    return waiting
