"""Files and folders as a package installs them: all belong to root and the group wheel."""

import stat
from collections.abc import Iterable
from dataclasses import dataclass

FOLDER_MODE = 0o755


@dataclass(frozen=True, slots=True)
class Entry:
    """path: from the root of the volume, without a slash at either end; "" is the root itself. content: None for a folder."""

    path: str
    content: bytes | None = None
    permissions: int = 0o644

    @property
    def mode(self) -> int:
        """With the bits that say what it is, as stat(2) has them."""
        return (stat.S_IFDIR if self.content is None else stat.S_IFREG) | self.permissions

    @property
    def size(self) -> int:
        return len(self.content or b"")

    @property
    def name_in_archive(self) -> str:
        """As archives and receipts spell it: beginning with a dot."""
        return f"./{self.path}" if self.path else "."


def tree_of(files: Iterable[Entry]) -> list[Entry]:
    """The files with every folder above them, each folder before what is in it, in an order that is always the same.

    Raises ValueError for a path that is none, and for two files of one path.
    """
    entries: dict[str, Entry] = {"": Entry("", permissions=FOLDER_MODE)}
    for file in sorted(files, key=lambda one: one.path.split("/")):
        parts = file.path.split("/")
        if file.path in entries or any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise ValueError(f"{file.path!r} cannot be installed: it is no path, or is there twice.")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if entries.setdefault(folder, Entry(folder, permissions=FOLDER_MODE)).content is not None:
                raise ValueError(f"{folder!r} is a file: nothing can be installed in it.")
        entries[file.path] = file
    return list(entries.values())
