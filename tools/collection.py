"""The content of an index in memory: lines, their vectors, and the tables that search them.

Row n of the vectors belongs to line n. The lexical table and the filter are made when first needed and
dropped when rows change. It knows neither the embedder nor the disk, and locks nothing.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tools.filters import RowFilter
from tools.lexical import LexicalTable
from tools.passages import Passage, read_line, uid_of
from tools.vectors import VectorTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


class Collection:
    """Passages by uid and by row."""

    def __init__(self, lines: Sequence[bytes] = (), table: VectorTable | None = None) -> None:
        self.lines = list(lines)
        self.uids = [uid_of(line) for line in self.lines]
        self.changes = 0  # counted up by whatever alters the content
        self.table = table  # None until there is a first vector, which brings the dimension
        self._lexical: LexicalTable | None = None
        self._filter: RowFilter | None = None
        self._number()

    def __len__(self) -> int:
        return len(self.lines)

    def passage(self, row: int) -> Passage:
        return read_line(self.lines[row])

    def row(self, uid: str) -> int | None:
        return self._row_of.get(uid)

    def put(self, lines: Mapping[str, bytes], vectors: "Vectors") -> None:
        """Append passages with their vectors, in the same order; passages with these uids give way."""
        if not lines:
            return
        self.changes += 1
        self.remove(list(lines))
        if self.table is None:
            self.table = VectorTable.of(vectors)
        else:
            self.table.add(vectors)
        self._row_of.update(zip(lines, range(len(self), len(self) + len(lines)), strict=True))
        self.uids.extend(lines)
        self.lines.extend(lines.values())
        self._forget_tables()

    def restate(self, lines: Mapping[str, bytes]) -> None:
        """Replace lines whose text, and so whose vector, stays the same."""
        self.changes += len(lines)
        for uid, line in lines.items():
            self.lines[self._row_of[uid]] = line
        self._forget_tables()

    def remove(self, uids: Sequence[str]) -> int:
        """Take passages out; returns how many there were."""
        import numpy as np

        gone = {self._row_of[uid] for uid in uids if uid in self._row_of}
        if gone and self.table is not None:
            self.changes += 1
            self.table.remove(np.asarray(sorted(gone), dtype=np.int64))
            self.lines = [line for row, line in enumerate(self.lines) if row not in gone]
            self.uids = [uid for row, uid in enumerate(self.uids) if row not in gone]
            self._number()
        return len(gone)

    @property
    def lexical(self) -> LexicalTable:
        """The table for search by words."""
        if self._lexical is None:
            self._lexical = LexicalTable(read_line(line).text for line in self.lines)
        return self._lexical

    @property
    def filter(self) -> RowFilter:
        """What says which rows a search may return."""
        if self._filter is None:
            self._filter = RowFilter(self.lines)
        return self._filter

    def _number(self) -> None:
        self._row_of = {uid: row for row, uid in enumerate(self.uids)}
        self._forget_tables()

    def _forget_tables(self) -> None:
        self._lexical = self._filter = None
