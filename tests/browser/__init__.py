"""Pages in a real browser: signed-in people, what every page has to keep to, and the checks for accessibility."""
