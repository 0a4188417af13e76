"""Pomona: the project package and the core of the MDM server. Loads the Celery app so that tasks find it."""

from mdm.celery import app as celery_app

__version__ = "0.6.0"  # as in pyproject.toml, which the image of the containers lacks
__all__ = ["__version__", "celery_app"]
