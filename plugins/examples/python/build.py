"""Builds every plugin of this folder into plugins/dist/examples/py-KIND.wasm; the tool goes into .venv. One of them by hand:
.venv/bin/componentize-py -d ../../../wit/plugin.wit -w extractor-plugin componentize -s extractor -o extractor.wasm
"""

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
DIST = HERE.parents[1] / "dist" / "examples"
WIT = HERE.parents[2] / "wit" / "plugin.wit"
VENV = HERE / ".venv"
TOOL = VENV / "bin" / "componentize-py"
REQUIREMENTS = HERE / "requirements.txt"


def install() -> None:
    """The tool in the version that requirements.txt names."""
    stamp = VENV / "installed"
    if TOOL.is_file() and stamp.is_file() and stamp.read_text() == REQUIREMENTS.read_text():
        return
    venv.create(VENV, clear=True, with_pip=True)
    pip = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([*pip, "--requirement", REQUIREMENTS], check=True)
    stamp.write_text(REQUIREMENTS.read_text())


def build(kind: str) -> None:
    """A component; an unchanged one is not built again, for each takes ten seconds."""
    made = DIST / f"py-{kind}.wasm"
    sources = [WIT, REQUIREMENTS, *HERE.glob("*.py")]
    if made.is_file() and all(source.stat().st_mtime < made.stat().st_mtime for source in sources):
        return
    # Without WASI: this is the smallest, and such a plugin asks for nothing.
    tool = [TOOL, "--quiet", "--wit-path", WIT, "--world", f"{kind}-plugin", "componentize", "--stub-wasi"]
    subprocess.run([*tool, kind, "--output", made], cwd=HERE, check=True)


if __name__ == "__main__":
    if sys.version_info < (3, 10):
        sys.exit("Python 3.10 or newer is needed")
    DIST.mkdir(parents=True, exist_ok=True)
    install()
    for kind in ["extractor", "validator"]:
        build(kind)
