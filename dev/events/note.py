"""Remembers the slot that `make events` has on another server, until `make clean` drops it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

FILE = "server.json"


@dataclass(frozen=True, slots=True)
class Note:
    """A slot, and how its server was reached; never the password."""

    host: str
    port: int
    database: str
    user: str
    sslmode: str
    sslrootcert: str
    slot: str

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The note in the folder, if there is one."""
        file = folder / FILE
        return cls(**json.loads(file.read_text())) if file.exists() else None

    def write(self, folder: Path) -> None:
        """Put the note into the folder."""
        new = folder / f"{FILE}.new"
        new.write_text(json.dumps(asdict(self), indent=2))
        new.chmod(0o600)
        new.rename(folder / FILE)

    def variables(self) -> dict[str, str]:
        """What leads to the server, as libpq's variables; the password isn't among them."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGDATABASE": self.database,
            "PGUSER": self.user,
            "PGSSLMODE": self.sslmode,
            "PGSSLROOTCERT": self.sslrootcert,
        }


def noted(data: Path) -> Iterator[tuple[Path, Note]]:
    """All folders of `data` with a note in them, and the notes."""
    for file in data.glob(f"events-*/{FILE}"):
        if note := Note.read(file.parent):
            yield file.parent, note
