"""Small helpers without models, each module named by its topic."""
