"""Models, recipes and the libraries under them, loaded in threads while the user types.

Each part is waited for when it is first needed, and no sooner: a question needs the model, a search also the
recipes. Waiting looks up every 50 ms, so that Ctrl-C ends it. What goes wrong while loading is raised where
the part is asked for.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from agent.repl.loaders import Loaders, TopK
from agent.repl.options import Choice, Settings
from agent.stopping import TurnStopped

if TYPE_CHECKING:
    from agent.engines.base import Engine
    from agent.policy import PromptedPolicy
    from agent.session import Session
    from tools.search import Searcher

T = TypeVar("T")
_LOOK_UP_S = 0.05


class Part(Generic[T]):
    """Something that loads in a thread of its own once it is started."""

    def __init__(self, name: str, load: Callable[[], T], done: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self._load, self._done = load, done
        self._value: T | None = None
        self._error: BaseException | None = None
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"load {name}", daemon=True)

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._thread.ident is None:
            self._thread.start()

    @property
    def is_loading(self) -> bool:
        """Whether it is neither there nor failed."""
        return not self._finished.is_set()

    @property
    def failed(self) -> bool:
        """Whether it could not be loaded."""
        return self._error is not None

    def wait(self, pressed: Callable[[], bool]) -> T:
        """What was loaded. Raises what loading raised, and TurnStopped once `pressed` says so."""
        self.start()
        while not self._finished.wait(_LOOK_UP_S):
            if pressed():
                raise TurnStopped
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # T may be None itself

    def _run(self) -> None:
        try:
            self._value = self._load()
        except BaseException as error:  # noqa: BLE001 - raised again where the part is asked for
            self._error = error
        self._finished.set()
        self._done()


class Models:
    """The parts of a choice, and the agent that they make."""

    def __init__(self, choice: Choice, loaders: Loaders | None = None) -> None:
        self.choice = choice
        self.on_change: Callable[[], None] = lambda: None  # called from the threads that load
        self._loaders = loaders or Loaders()
        self._engine = self._engine_part()
        self._index = self._index_part()
        self._policy = self._policy_part()
        self._built: tuple[object, Any] = (None, None)
        self._ahead: Part[None] | None = None
        self._reading: Session | None = None
        self._hurry = threading.Event()

    def start(self, *, read_ahead: bool = False) -> None:
        """Load everything, side by side; then let the model read what every question begins with."""
        for part in self._parts():
            part.start()
        if read_ahead:
            self._hurry.clear()
            self._ahead = Part("reading ahead", self._read_ahead)  # what goes wrong there, nobody need hear
            self._ahead.start()

    def hurry(self) -> None:
        """A question has come: stop reading ahead. What was read until then is not read again."""
        self._hurry.set()
        if self._reading:
            self._reading.stop()

    def _read_ahead(self) -> None:
        """Ask something up to the first word of the answer: llama.cpp keeps the prompt that it has read."""
        engine = self.engine(self._hurry.is_set)
        from agent.engines.gguf import GgufEngine
        from agent.session import Session

        if isinstance(engine, GgufEngine):
            self._reading = Session(self.agent(Settings(), self.choice.tools, self._hurry.is_set))
            for _ in self._reading.stream("Hello!"):
                break

    def status(self) -> str:
        """What is still loading, or could not be loaded, in a few words; empty where all is well."""
        loading = [part.name for part in self._parts() if part.is_loading]
        failed = [part.name for part in self._parts() if part.failed]
        words = [f"loading {' and '.join(loading)} ..."] if loading else []
        return ", ".join(words + [f"{name} could not be loaded" for name in failed])

    def use(self, **changes: Any) -> None:
        """Change the choice; what changed is loaded in the background."""
        self.hurry()
        before, self.choice = self.choice, replace(self.choice, **changes)
        if self._engine_of(before) != self._engine_of(self.choice):
            self._close(self._engine)
            self._engine = self._engine_part()
        if "index" in changes:
            self._index = self._index_part()
        if "policy" in changes:
            if self._policy:
                self._close(self._policy)
            self._policy = self._policy_part()
        self.start(read_ahead=self._ahead is not None)

    def engine(self, pressed: Callable[[], bool]) -> "Engine":
        """The language model."""
        return self._engine.wait(pressed)

    def index(self, pressed: Callable[[], bool]) -> "Searcher":
        """The recipes."""
        return self._index.wait(pressed)

    def writer(self, pressed: Callable[[], bool]) -> "PromptedPolicy":
        """What writes summaries: the policy, or else the model."""
        if self._policy:
            return self._policy.wait(pressed)
        engine = self.engine(pressed)
        from agent.policy import PromptedPolicy

        return PromptedPolicy(engine)

    def agent(self, settings: Settings, tools: bool, pressed: Callable[[], bool]) -> Any:
        """The agent for these settings; waits for what it needs, which without tools is the model alone."""
        engine = self.engine(pressed)
        index = self.index(pressed) if tools else None
        policy = self._policy.wait(pressed) if self._policy and tools else None
        key = (engine, index, policy, settings)
        if self._built[0] != key:
            from agent.build import build_agent

            agent = build_agent(
                engine,
                None if index is None else TopK(index, settings.k),
                tools=None if tools else [],
                policy=policy,
                step_limit=settings.step_limit,
                temperature=settings.temperature,
                max_tokens=settings.max_tokens,
                seed=settings.seed,
            )
            self._built = (key, agent)
        return self._built[1]

    def _parts(self) -> list[Part[Any]]:
        parts: list[Part[Any]] = [self._engine]
        if self.choice.tools:
            parts += [self._index, *([self._policy] if self._policy else [])]
        return parts

    def _changed(self) -> None:
        self.on_change()

    def _engine_part(self) -> "Part[Engine]":
        choice = self.choice
        return Part(choice.model, lambda: self._loaders.engine(choice), self._changed)

    def _index_part(self) -> "Part[Searcher]":
        folder = self.choice.index
        name = f"the recipes in {folder}" if folder else "the recipes"
        return Part(name, lambda: self._loaders.index(folder), self._changed)

    def _policy_part(self) -> "Part[PromptedPolicy] | None":
        name = self.choice.policy
        return Part(name, lambda: self._loaders.policy(name), self._changed) if name else None

    @staticmethod
    def _engine_of(choice: Choice) -> tuple[object, ...]:
        return choice.model, choice.base_url, choice.context_tokens

    @staticmethod
    def _close(part: "Part[Any]") -> None:
        """Give the memory of what is no longer wanted back, or let it load to its end unseen."""
        if not part.is_loading and not part.failed:
            part.wait(lambda: False).close()
