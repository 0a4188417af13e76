"""Flat packages of macOS, made from scratch: what an archive is, what is in it, and how it is signed."""

from mdm.protocol.pkg.entries import Entry, tree_of
from mdm.protocol.pkg.product import Component, product_archive
from mdm.protocol.pkg.signature import PackageSigner

__all__ = ["Component", "Entry", "PackageSigner", "product_archive", "tree_of"]
