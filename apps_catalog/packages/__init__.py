"""Uploaded apps and packages from strangers: what they are, read in place and within bounds."""

from apps_catalog.packages.errors import BadPackage
from apps_catalog.packages.facts import PackageFacts
from apps_catalog.packages.hashing import Digests, digest_file
from apps_catalog.packages.inspecting import inspect

__all__ = ["BadPackage", "Digests", "PackageFacts", "digest_file", "inspect"]
