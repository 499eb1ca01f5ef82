"""Optional dependencies: imported where used, with an error that names the extra to install."""

import importlib
from typing import Any


def require(module: str, extra: str) -> Any:
    """Import an optional module.

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra of the distribution that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"this needs {module.partition('.')[0]}, which is not installed: pip install 'walkout-fusion[{extra}]'"
        ) from error
