"""Reads from a linked image what it takes: ``python ext/firmware/figures.py FOLDER``, after ``make OUT=FOLDER``.

flash_bytes: code and constants of the controller: all but the replay, the board and the recording. ram_bytes: static
memory of the whole image. stack_bytes: a bound on the depth of the calls, from the compiler's call graph with each
function's stack; functions of the libraries, which have none there, count `LIBRARY_STACK` each. undefined: what the
controller and the kernels need besides themselves.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

REPLAY = {"replay.o", "kernels.o", "say.o", "board.o", "host.o", "golden_replay.o", "golden_kernels.o"}
LIBRARY_STACK = 64
CALLED = {"emit": "Reporter4tell", "Reporter4tell": "tell_event", "tell_event": "compare", "tell_status": "compare"}
"""Who is called where the call graph knows only a pointer: by parts of the names."""
SECTION = re.compile(
    r"^ \.(text|rodata|data|bss|vectors|ARM\.ex\w+)\S*\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S+)$", re.MULTILINE
)
NODE = re.compile(r'node: \{ title: "([^"]+)" label: "[^"]*?(\d+) bytes \((\w+)')
EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')


def sections(folder: Path) -> dict[str, dict[str, int]]:
    """Bytes of each kind of section, by the object that they come from."""
    text = (folder / f"{image(folder).name}.map").read_text(encoding="utf-8")
    linked = re.sub(r"\n {16}(?=0x\S+ +0x)", " ", text.partition("Linker script and memory map")[2])  # of long names
    result: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for kind, address, size, source in SECTION.findall(linked):
        if int(address, 16) or kind == "vectors":
            result[source.rpartition("/")[2]][kind] += int(size, 16)
    return result


def image(folder: Path) -> Path:
    """Find the image."""
    return next(path for path in (folder / "replay", folder / "kernels") if path.exists())


def stack_bytes(folder: Path) -> int:
    """Depth of the deepest chain of calls from ``main``."""
    own: dict[str, int] = {}
    calls: dict[str, set[str]] = defaultdict(set)
    for path in sorted(folder.glob("*.ci")):
        text = path.read_text(encoding="utf-8")
        for name, size, how in NODE.findall(text):
            if how == "dynamic":
                raise ValueError(f"{name} takes as much stack as it likes")
            own[name] = max(own.get(name, 0), int(size))
        for caller, callee in EDGE.findall(text):
            calls[caller].add(callee)

    def called(caller: str, callee: str) -> str:
        if callee != "__indirect_call":
            return callee
        wanted = next(target for source, target in CALLED.items() if source in caller)
        return next(name for name in own if wanted in name)

    @cache
    def depth(name: str) -> int:
        deeper = [depth(called(name, callee)) for callee in calls[name]]
        return own.get(name, LIBRARY_STACK) + max(deeper, default=0)

    return depth("main")


def undefined(folder: Path) -> list[str]:
    """Names that the controller's objects use and none of them defines."""
    objects = [str(p) for p in sorted(folder.glob("*.o")) if p.name not in REPLAY]
    lines = subprocess.run(
        ["arm-none-eabi-nm", *objects], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    names = [line.split()[-2:] for line in lines if line and not line.endswith(":")]
    return sorted({n for kind, n in names if kind == "U"} - {n for kind, n in names if kind in "TtWVDBRdbr"})


def figures(folder: Path) -> dict[str, int | list[str]]:
    """Read everything; the bound on the stack for the controller only, as sorting calls itself."""
    taken = sections(folder)
    flash = ("vectors", "text", "rodata", "data", "ARM.exidx", "ARM.extab")
    controller = [kinds for source, kinds in taken.items() if source not in REPLAY]
    return {
        "flash_bytes": sum(kinds[kind] for kinds in controller for kind in flash),
        "image_flash_bytes": sum(kinds[kind] for kinds in taken.values() for kind in flash),
        "ram_bytes": sum(kinds[kind] for kinds in taken.values() for kind in ("data", "bss")),
        **({"stack_bytes": stack_bytes(folder)} if image(folder).name == "replay" else {}),
        "undefined": undefined(folder),
    }


if __name__ == "__main__":
    print(json.dumps(figures(Path(sys.argv[1])), indent=1))
