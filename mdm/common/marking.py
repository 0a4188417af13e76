"""Marking texts for translation where Django is not known: tables of words in the layers below it.

`from mdm.common.marking import marked as _`, and whoever shows the text translates it: `gettext(pane.label)`.
"""


def marked(text: str) -> str:
    """The text as it is. `make messages` collects what stands in a call named `_`."""
    return text
