"""What the user sees on stderr while files are fetched: a bar on a terminal, single lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    """Tell the user on stderr; stdout belongs to the answer."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def bar(title: str, size_bytes: int, *, progress: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield a function of bytes done and bytes in all; nothing is shown where progress is not wanted."""
    if not progress or not sys.stderr.isatty():
        if progress:
            say(f"{title} ...")
        yield lambda _done, _total: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.DownloadColumn())
    with bars.Progress(*columns, bars.TimeRemainingColumn(), console=Console(stderr=True)) as shown:
        task = shown.add_task(title, total=size_bytes)
        yield lambda done, total: shown.update(task, completed=done, total=total or size_bytes)
