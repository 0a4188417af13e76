"""Text from outside on its way into the database."""


def clean_text(value: str, limit: int) -> str:
    """Cut to limit characters, without NUL and lone surrogates, which PostgreSQL cannot store."""
    return value[:limit].replace("\x00", "").encode("utf-8", "replace").decode()


def line_count(text: str) -> int:
    """As editors count: the last line end begins no line of its own."""
    return text.count("\n") + (not text.endswith("\n"))
