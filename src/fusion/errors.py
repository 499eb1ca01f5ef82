"""Errors of the package beyond the built-in ``ValueError``, ``TypeError`` and ``ImportError``."""

from pathlib import Path


class RecordingError(ValueError):
    """A recording or store file that cannot be used.

    Parameters
    ----------
    path : Path or str
        The file.
    message : str
        What was expected and what came.
    line : int, optional
        Line (text) or row (table), counted from 1.
    field : str, optional
        The field, as a path such as ``document.plate_data.values.data``.
    """

    def __init__(self, path: Path | str, message: str, *, line: int | None = None, field: str | None = None) -> None:
        self.path = Path(path)
        self.line = line
        self.field = field
        where = str(path) if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {field}: {message}" if field else f"{where}: {message}")
