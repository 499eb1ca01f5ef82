"""Prints the tables of all races when the benchmarks end."""

import pytest
from rich.console import Console
from rich.table import Table

import contenders


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    console = Console(width=140, file=terminalreporter._tw._file)
    for title, rows in contenders.TABLES.items():
        table = Table(title=title, title_justify="left")
        for column in rows[0]:
            table.add_column(column, justify="left" if column == "contender" else "right")
        for row in rows:
            table.add_row(*(v if isinstance(v, str) else f"{v:,.4g}" for v in row.values()))
        console.print(table)
