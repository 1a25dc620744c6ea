"""Names of objects that are imported when they are first needed, since their import is heavy."""

from __future__ import annotations

import importlib
from typing import Any


def resolve(target: str) -> Any:
    """The object that "module:attribute" names."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
