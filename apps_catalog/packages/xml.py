"""XML out of a stranger's package: no document types, no entities, bounded in every direction."""

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from apps_catalog.packages.errors import BadPackage

MAX_ELEMENTS = 100_000
MAX_ATTRIBUTES = 200_000
MAX_DEPTH = 64


def read_xml(data: bytes, what: str) -> Element:
    """The root; the caller has bounded the bytes. Raises BadPackage with a sentence about what."""
    # Counted before anything is built; scripts in a Distribution have such characters too, but not as many.
    if data.count(b"<") > 2 * MAX_ELEMENTS or data.count(b"=") > MAX_ATTRIBUTES:
        raise BadPackage(f"{what} of this file has more elements than the server reads.")
    builder = _Builder(what)
    # pyexpat and not ElementTree's own parser: that one resolves namespaces, and a long namespace makes every tag long.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.tree.data
    try:
        parser.Parse(data, True)
    except BadPackage:
        raise  # one of ours, out of the builder
    except (expat.ExpatError, ValueError) as error:
        raise BadPackage(f"{what} of this file is not well-formed XML.") from error
    return builder.tree.close()


class _Builder:
    def __init__(self, what: str) -> None:
        self.what = what
        self.tree = TreeBuilder()
        self.depth = 0

    def refuse(self, *_: object) -> None:
        raise BadPackage(f"{self.what} of this file declares a document type or entities of its own.")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise BadPackage(f"{self.what} of this file is nested more than {MAX_DEPTH} levels deep.")
        self.tree.start(tag, attributes)

    def end(self, tag: str) -> None:
        self.depth -= 1
        self.tree.end(tag)
