"""Optional dependencies: imported where used, with an error that names the extra to install."""

import importlib
from typing import Any


def require(module: str, extra: str) -> Any:
    """Import an optional module.

    Raises
    ------
    ImportError
        If it is not installed or cannot be loaded; the message names the extra of the distribution that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name == package
        problem = "is not installed" if missing else f"cannot be loaded ({error})"
        raise ImportError(f"this needs {package}, which {problem}: pip install 'walkout-fusion[{extra}]'") from error
