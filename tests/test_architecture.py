"""The rules that hold between the packages, and between the tree and the files that name its parts."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[1]
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: Final[list[str]] = PROJECT["tool"]["setuptools"]["packages"]
LAYERS: Final = sorted(name for name in PACKAGES if "." not in name)
TOOLS: Final = frozenset({"benchmarks", "documentation", "faults", "fuzz", "load"})
BUILD_FILES: Final = ("Makefile", "Dockerfile", "docker-compose.yml", ".ci/run", "pyproject.toml")
OPTIONAL: Final[dict[str, list[str]]] = PROJECT["project"]["optional-dependencies"]
EXTRAS: Final = sorted(set(OPTIONAL) - {"dev"})
# What reads objects of any class from a file, what may, and what it is told about that.
UNPICKLERS: Final = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
LOADERS: Final = ("torch.load", "torch.jit.load", "torch.hub.load", "eval", "exec")
TRUST: Final = ("weights_only", "allow_pickle")
LOCKS: Final = ("requirements.lock", "requirements-dev.lock")

# Imports that the contracts have to refuse: in which module, and what; a module without a place needs none.
FORBIDDEN: Final = (
    ("models/wrong.py", "import corpus"),
    ("corpus/wrong.py", "import index"),
    ("index/building/wrong.py", "import evaluation"),
    ("evaluation/wrong.py", "import training"),
    ("training/wrong.py", "import service"),
    ("service/wrong.py", "import training"),
    ("service/wrong.py", "import cli"),
    ("index/wrong.py", ""),
    ("index/shortlists/wrong.py", "import index.files"),
    ("index/searching/wrong.py", "import index.local"),
    ("index/exploring/wrong.py", "import index.milvus"),
    ("index/filters/wrong.py", "import faiss"),
    ("corpus/wrong.py", "from PIL import Image"),
    ("index/searching/wrong.py", "import fastapi"),
    ("training/wrong.py", "import pydantic_settings"),
    ("evaluation/wrong.py", "import matplotlib"),
    ("cli/wrong.py", "import jinja2"),
    ("service/wrong.py", "import onnxruntime"),
    ("models/wrong.py", "import openvino"),
    ("index/local/wrong.py", "import pymilvus"),
    ("service/wrong.py", "import grpc"),
    ("penumbra_client/wrong.py", "import models"),
    ("penumbra_client/wrong.py", "import service"),
    ("penumbra_client/wrong.py", "import pydantic"),
    ("service/wrong.py", "import penumbra_client"),
    ("cli/wrong.py", "import httpx2"),
)


def tracked() -> list[Path]:
    """The files of the tree that git holds, or would hold."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True
    )
    if listing.returncode:
        pytest.skip("this is no git checkout")
    names = listing.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    """Name and contents of the tree's text files."""
    for path in tracked():
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def package_files() -> list[Path]:
    """The tree's files in the packages, relative to the root."""
    paths = (path.relative_to(ROOT) for path in tracked())
    return [path for path in paths if path.parts[0] in LAYERS]


def lint(folder: Path) -> int:
    """The exit code of import-linter with the project's contracts on the packages in a folder."""
    command = [sys.executable, "-c", "import sys, importlinter.cli as c; sys.exit(c.lint_imports(no_cache=True))"]
    return subprocess.run(command, cwd=folder, capture_output=True).returncode


def skeleton(folder: Path) -> Path:
    """Empty packages under the project's contracts, with the modules that they name, and the imports that they make
    exceptions of.
    """
    for name in PACKAGES:
        package = folder.joinpath(*name.split("."))
        package.mkdir()
        (package / "__init__.py").touch()
    for path in (ROOT / "index").glob("*.py"):
        (folder / "index" / path.name).touch()
    (folder / "index" / "shortlists" / "kinds.py").write_text("import faiss\n")
    (folder / "models" / "image.py").write_text("import PIL\n")
    (folder / "models" / "runtimes" / "onnx_runtime.py").write_text("import onnxruntime\n")
    (folder / "models" / "runtimes" / "openvino_runtime.py").write_text("import openvino\n")
    (folder / "index" / "milvus" / "connection.py").write_text("import grpc, pymilvus\n")
    (folder / "penumbra_client" / "clients.py").write_text("import httpx2\n")
    (folder / "evaluation" / "reports" / "plots.py").write_text("import matplotlib\n")
    (folder / "evaluation" / "reports" / "page.py").write_text("import jinja2\n")
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def runs_files(path: Path) -> Iterator[str]:
    """The imports and calls of a module that may run what a file holds."""
    for name in sorted({name.split(".")[0] for name in imported(ROOT / path)} & UNPICKLERS):
        yield f"import {name}"
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = ", ".join(f"{each.arg}={ast.unparse(each.value)}" for each in node.keywords if each.arg in TRUST)
            if called in LOADERS or "allow_pickle=True" in options:
                yield f"{called}({options})"


def pinned(lock: str) -> dict[str, Requirement]:
    """The packages that a lock names."""
    lines = [line for line in (ROOT / lock).read_text().splitlines() if line and not line.startswith(("#", "-r "))]
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def hidden_by_git(patterns: str, paths: list[str], folder: Path) -> list[str]:
    """The paths that git would ignore under these patterns."""
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    (folder / ".gitignore").write_text(patterns)
    command = ["git", "-c", "core.excludesFile=", "check-ignore", "--no-index", "--stdin"]
    answer = subprocess.run(command, cwd=folder, input="\n".join(paths), capture_output=True, text=True)
    return answer.stdout.splitlines()


# The layers


def test_imports_point_downwards() -> None:
    """import-linter finds no import that the contracts in pyproject.toml forbid."""
    assert lint(ROOT) == 0


def test_contracts_accept_their_exceptions(tmp_path: Path) -> None:
    """Packages that import only what they may pass, so the refusals below are due to the wrong import alone."""
    assert lint(skeleton(tmp_path)) == 0


@pytest.mark.parametrize(("module", "statement"), FORBIDDEN)
def test_contracts_refuse(tmp_path: Path, module: str, statement: str) -> None:
    """Every contract notices the import that it is there for."""
    (skeleton(tmp_path) / module).write_text(statement + "\n")
    assert lint(tmp_path) == 1


def test_service_imports_no_reports() -> None:
    """The service imports neither evaluation's reports nor training."""
    forbidden = ("evaluation.report", "training")
    wrong = [
        (str(path), name)
        for path in package_files()
        if path.parts[0] == "service" and path.suffix == ".py"
        for name in imported(ROOT / path)
        if name.startswith(forbidden)
    ]
    assert not wrong


def test_nothing_is_unpickled() -> None:
    """Nothing that runs what a file holds is imported or called, but where published checkpoints and the state of a
    training are read, and there torch is told to take tensors and plain values alone. The service reads neither.
    """
    assert {(str(path), found) for path in package_files() if path.suffix == ".py" for found in runs_files(path)} == {
        ("models/official.py", "import pickle"),
        ("models/official.py", "torch.load(weights_only=True)"),
        ("training/state.py", "import pickle"),
        ("training/state.py", "torch.load(weights_only=True)"),
    }


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", "import pickle"),
        ("from joblib import load", "import joblib"),
        ("import torch\ntorch.load(path)", "torch.load()"),
        ("import torch\ntorch.load(path, weights_only=False)", "torch.load(weights_only=False)"),
        ("import numpy as np\nnp.load(path, allow_pickle=True)", "np.load(allow_pickle=True)"),
        ("import torch\ntorch.jit.load(path)", "torch.jit.load()"),
        ("eval(text)", "eval()"),
    ],
)
def test_unpickling_is_noticed(tmp_path: Path, source: str, found: str) -> None:
    """Each way of running what a file holds is found where it is written."""
    (tmp_path / "module.py").write_text(source)
    assert list(runs_files(tmp_path / "module.py")) == [found]


# What pyproject.toml lists


def test_packages_are_complete() -> None:
    """Every folder of the tree with Python in it is a package that pyproject.toml lists, but for tests and tools."""
    folders = {path.relative_to(ROOT).parent for path in tracked() if path.suffix == ".py"}
    apart = TOOLS | {"tests", "docs"}
    found = {".".join(folder.parts) for folder in folders if folder.parts and folder.parts[0] not in apart}
    assert found == set(PACKAGES)
    assert all(ROOT.joinpath(*name.split("."), "__init__.py").is_file() for name in PACKAGES)


def test_checks_cover_all_packages() -> None:
    """mypy looks at all packages, also at those of tools; import-linter at all that are installed."""
    assert sorted(PROJECT["tool"]["mypy"]["packages"]) == sorted({*LAYERS, *TOOLS})
    assert sorted(PROJECT["tool"]["importlinter"]["root_packages"]) == LAYERS


def test_package_data_is_installed() -> None:
    """Every file of a package that is no Python module matches a pattern of package-data."""
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    installed = {
        path.relative_to(ROOT)
        for package, globs in patterns.items()
        for glob in globs
        for path in ROOT.joinpath(*package.split(".")).glob(glob)
    }
    assert [str(path) for path in package_files() if path.suffix != ".py" and path not in installed] == []


def test_dependencies_are_named() -> None:
    """Whatever the packages import from elsewhere belongs to a distribution that pyproject.toml depends on, or that one
    of its extras for users brings.
    """
    lines = [*PROJECT["project"]["dependencies"], *(line for extra in EXTRAS for line in OPTIONAL[extra])]
    named = {canonicalize_name(Requirement(line).name) for line in lines}
    # Part of fastapi's own interface, in versions that fastapi chooses.
    named |= {canonicalize_name(name) for name in ("starlette", "pydantic")}
    providers = packages_distributions()
    names = {name.split(".")[0] for path in package_files() if path.suffix == ".py" for name in imported(ROOT / path)}
    foreign = names - set(LAYERS) - sys.stdlib_module_names
    # Of an extra that is not installed nobody knows which distribution a module is of; it has the same name.
    assert sorted(n for n in foreign if not named & {canonicalize_name(p) for p in providers.get(n, [n])}) == []


# The locks


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_is_exact(lock: str) -> None:
    """A lock names one version of each package, and no address."""
    assert all(re.fullmatch(r"==[\w.!]+", str(requirement.specifier)) for requirement in pinned(lock).values())
    assert "://" not in (ROOT / lock).read_text()


def test_locks_hold_what_pyproject_asks_for() -> None:
    """Each dependency is pinned, in a version that pyproject.toml allows: those of tests only in the lock for tests."""
    runtime, both = pinned(LOCKS[0]), pinned(LOCKS[0]) | pinned(LOCKS[1])
    wanted = [(line, runtime) for line in PROJECT["project"]["dependencies"]]
    wanted += [(line, both) for extra in OPTIONAL.values() for line in extra]
    for requirement, lock in ((Requirement(line), lock) for line, lock in wanted):
        [pin] = lock[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version, prereleases=True), requirement
    assert "pytest" not in runtime


def test_lock_forces_no_cuda() -> None:
    """The lock can be met by a torch for the CPU alone and on other systems than Linux."""
    assert not [name for name in pinned(LOCKS[0]) if re.match("nvidia|cuda|triton", name)]


# What the tree says, and what it hides


def test_no_machine_in_the_tree() -> None:
    """No file names a folder or a host of the machine it was written on."""
    folder = re.compile(r"(?<![\w.~})/*-])/(?:home|root|work|workspace|Users|mnt)/\w")
    host = re.compile(
        r"https?://(?:[\w.-]+\.(?:internal|local|lan|corp|svc)\b|10\.|172\.(?:1[6-9]|2\d|3[01])\.|192\.168\.)"
    )
    wrong = [
        f"{name}: {found[0]}"
        for name, text in texts()
        for found in (*folder.finditer(text), *host.finditer(text))
        if name != str(Path(__file__).relative_to(ROOT))
    ]
    assert wrong == []


def test_no_package_index_in_the_tree() -> None:
    """The files that build and install name no package index but PyTorch's, in the Dockerfile."""
    found = [
        (name, address)
        for name in (*BUILD_FILES, *LOCKS)
        for address in re.findall(r"https?://([\w.-]+)", (ROOT / name).read_text())
        if address not in ("127.0.0.1", "localhost")
    ]
    assert found == [("Dockerfile", "download.pytorch.org")]


def test_gitignore_hides_no_package(tmp_path: Path) -> None:
    """git would ignore no module and no data of a package; it would with a pattern that is not anchored."""
    paths = [f"{'/'.join(name.split('.'))}/module.py" for name in PACKAGES] + [str(path) for path in package_files()]
    assert hidden_by_git((ROOT / ".gitignore").read_text(), paths, tmp_path) == []
    assert "models/module.py" in hidden_by_git("models/\n", paths, tmp_path)


def test_dockerignore_hides_no_package() -> None:
    """Every pattern is anchored and names something else than a package, or names what Python itself leaves behind."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    anchored = {pattern for pattern in patterns if re.fullmatch(r"/[\w.*-]+", pattern)}
    assert set(patterns) - anchored <= {"**/__pycache__", "**/*.pyc"}
    needed = [*LAYERS, "pyproject.toml", "README.md", "requirements.lock"]
    assert [name for name in needed for pattern in anchored if Path("/", name).match(pattern)] == []
