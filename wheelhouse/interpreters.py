"""Finds the CPythons that wheels are built for and run on.

On this machine: the running one, those on the PATH, of pyenv and of uv. From Debian's archive, unpacked into a folder
of their own and never installed: those of its suites for x86-64 and arm64. A foreign one runs under qemu-user, one of
another suite under its own dynamic linker.
"""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST = (3, 11)
SUITES = ("bookworm", "trixie", "forky")
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
LINKERS = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}
QUERY = """
import json, platform, sys, sysconfig
free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print(json.dumps([sys.implementation.name, list(sys.version_info[:2]), free, platform.python_version(),
                  sysconfig.get_path("include")]))
"""


class MissingError(Exception):
    """Something that this machine lacks; says what."""


@dataclass(frozen=True)
class Interpreter:
    """A CPython and how to run it: ``(*runner, executable)``; `includes` are its headers."""

    runner: tuple[str, ...]
    executable: str
    includes: tuple[str, ...]
    tag: str
    machine: str
    version: str
    origin: str

    @property
    def name(self) -> str:
        """Name by which one is asked for, such as ``cp313-aarch64``."""
        return f"{self.tag}-{self.machine}"


def describe(runner: tuple[str, ...], executable: str, machine: str, origin: str) -> Interpreter | None:
    """Ask an interpreter what it is; None if it does not run or is none that is supported."""
    done = subprocess.run([*runner, executable, "-c", QUERY], capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    name, version, free, whole, include = json.loads(done.stdout)
    if name != "cpython" or tuple(version) < OLDEST:
        return None
    tag = f"cp{version[0]}{version[1]}{free}"
    return Interpreter(runner, executable, (include,), tag, machine, whole, origin)


def local(first: str) -> Iterator[Interpreter]:
    """Find the interpreters of this machine that have headers, `first` before all others."""
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local" / "share" / "uv" / "python"
    homes = [Path.home() / ".pyenv" / "versions", Path(uv)]
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *(str(p) for h in homes for p in sorted(h.glob("*/bin")))]
    found = [
        str(p) for f in folders for p in sorted(Path(f).glob("python3*")) if re.fullmatch(r"python3\.\d+t?", p.name)
    ]
    for executable in dict.fromkeys([first, *found]):
        one = describe((), executable, platform.machine(), "this machine")
        if one and (Path(one.includes[0]) / "Python.h").is_file():
            yield one


def mirror() -> str:
    """Tell where this machine gets Debian's packages from."""
    if not shutil.which("apt-get"):
        raise MissingError("apt-get: Debian's interpreters are left out")
    command = ["apt-get", "indextargets", "--format", "$(SITE)", "Origin: Debian", "Component: main"]
    sites = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if not sites:
        raise MissingError("lists of Debian's packages (apt-get update): its interpreters are left out")
    return next((s for s in sites if not s.rstrip("/").endswith("-security")), sites[0])


class Archive:
    """One suite of Debian for one architecture, with package lists of its own in `folder`."""

    def __init__(self, site: str, suite: str, machine: str, folder: Path) -> None:
        self.suite, self.machine, self._folder = suite, machine, folder
        for part in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (folder / "etc/sources.list").write_text(f"deb [signed-by={keys}] {site} {suite} main\n", encoding="utf-8")
        architecture = MACHINES[machine]
        options = {
            "Dir": f"{folder}/",
            "Dir::State": "state",
            "Dir::State::status": f"{folder}/status",
            "Dir::Cache": "cache",
            "Dir::Etc": "etc",
            "APT::Architecture": architecture,
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            # A mirror may lag behind the clock; signatures are checked all the same.
            "Acquire::Check-Valid-Until": "false",
        }
        lines = [f'{key} "{value}";' for key, value in options.items()]
        text = "\n".join([*lines, f'APT::Architectures {{"{architecture}";}};', ""])
        (folder / "apt.conf").write_text(text, encoding="utf-8")

    def _apt(self, *command: str) -> str:
        environment = os.environ | {"APT_CONFIG": str(self._folder / "apt.conf")}
        cwd = self._folder / "cache/archives"
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingError(f"packages of Debian {self.suite} for {self.machine}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def versions(self) -> list[str]:
        """List the CPythons that the suite has, such as ``3.13``."""
        self._apt("apt-get", "-q", "update")
        names = self._apt("apt-cache", "--names-only", "search", r"^libpython3\.[0-9]+-stdlib$")
        versions = re.findall(r"^libpython(3\.\d+)-stdlib", names, re.MULTILINE)
        return sorted((v for v in versions if tuple(map(int, v.split("."))) >= OLDEST), key=lambda v: int(v[2:]))

    def unpack(self, version: str) -> Interpreter:
        """Unpack an interpreter with all that it needs, and its headers."""
        root = self._folder / f"root-{version}"
        if not root.is_dir():
            install = ["apt-get", "-qy", "--download-only", "--no-install-recommends", "install"]
            self._apt(*install, f"python{version}-minimal", f"libpython{version}-stdlib", "libstdc++6")
            self._apt("apt-get", "-q", "download", f"libpython{version}-dev")
            fresh = self._folder / f"fresh-{version}"
            for name in ("lib", "lib64"):  # where a whole Debian has them too
                (fresh / "usr" / name).mkdir(parents=True, exist_ok=True)
                (fresh / name).symlink_to(f"usr/{name}")
            for package in sorted((self._folder / "cache/archives").glob("*.deb")):
                subprocess.run(["dpkg-deb", "-x", str(package), str(fresh)], check=True)
                package.unlink()
            fresh.rename(root)
        one = describe(self._runner(root), str(root / f"usr/bin/python{version}"), self.machine, f"Debian {self.suite}")
        if one is None:
            shutil.rmtree(root)
            raise MissingError(f"a Python {version} of Debian {self.suite} for {self.machine} that runs")
        include = root / f"usr/include/python{version}"
        includes = (
            str(include),
            str(root / f"usr/include/{self.machine}-linux-gnu/python{version}"),
            str(root / "usr/include"),
        )
        return Interpreter(one.runner, one.executable, includes, one.tag, one.machine, one.version, one.origin)

    def _runner(self, root: Path) -> tuple[str, ...]:
        if self.machine != platform.machine():
            emulator = shutil.which(f"qemu-{self.machine}") or shutil.which(f"qemu-{self.machine}-static")
            if not emulator:
                raise MissingError(f"qemu-{self.machine} (Debian's qemu-user): {self.machine} is left out")
            return (emulator, "-L", str(root))
        libraries = f"{root}/lib/{self.machine}-linux-gnu:{root}/usr/lib/{self.machine}-linux-gnu"
        return (str(root / LINKERS[self.machine]), "--library-path", libraries)


def everywhere(first: str, folder: Path) -> tuple[list[Interpreter], list[str]]:
    """Find one interpreter a version and machine; and what was missing."""
    found: dict[str, Interpreter] = {}
    missing = []
    for one in local(first):
        found.setdefault(one.name, one)
    for machine in MACHINES:
        for suite in SUITES:
            try:
                archive = Archive(mirror(), suite, machine, folder / f"{suite}-{machine}")
                for version in archive.versions():
                    if f"cp{version.replace('.', '')}-{machine}" not in found:
                        one = archive.unpack(version)
                        found[one.name] = one
            except MissingError as error:
                missing.append(str(error))
    return sorted(found.values(), key=lambda i: (i.machine != platform.machine(), len(i.tag), i.tag)), missing
