"""Runs the snippets of docs/clients.md as a newcomer would: installed as the page says, against a server.

    python3 snippets.py go|python|node|rust|java    the language's commands (go, pip, npm, cargo, mvn) must be there

Only the folder of the repository and the server's address are other ones than on the page. The server is the scripted
one, so ids begin with 1.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from server import Fleet

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Its name in the page, the file that it goes to, what runs it, what it prints.
LANGUAGES = {
    "go": ("Go", "main.go", ["go", "run", "."], "1 [2 3 4]"),
    "python": ("Python", "main.py", ["bin/python", "main.py"], "1 [2, 3, 4]"),
    "rust": ("Rust", "src/main.rs", ["cargo", "run", "--quiet"], "1 [2, 3, 4]"),
    "node": ("Node.js", "main.mjs", ["node", "main.mjs"], "1n [ 2n, 3n, 4n ]"),
    "java": ("Java", "Main.java", ["java", "-cp", "id-alloc-client-0.1.0.jar", "Main.java"], "1 [2, 3, 4]"),
}


def main():
    heading, file, command, wanted = LANGUAGES[sys.argv[1]]
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    section = page.split(f"\n### {heading}\n")[1].split("\n##")[0]
    install, program = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)
    fleet = Fleet({"servers": [{}]})
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1] == "python":
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        environment = dict(os.environ, PATH=f"{folder}/bin{os.pathsep}{os.environ['PATH']}")
        if sys.argv[1] == "rust":
            # Where it is, since it is a part of the workspace; with the versions of dependencies that were tested.
            shutil.copy(ROOT / "Cargo.lock", folder)
            environment.setdefault("CARGO_TARGET_DIR", str(ROOT / "target"))
            install = install.replace("/home/me/id-alloc", str(ROOT))
        else:
            # A copy, since pip's build leaves files in the folder that it builds.
            shutil.copytree(ROOT / "clients" / sys.argv[1], pathlib.Path(folder, "clients", sys.argv[1]))
            install = install.replace("/home/me/id-alloc", folder)
        subprocess.run(["sh", "-eu", "-c", install], check=True, cwd=folder, env=environment, stdout=sys.stderr)
        pathlib.Path(folder, file).write_text(
            program.replace("http://127.0.0.1:8880", fleet.addresses[0]), encoding="utf-8"
        )
        printed = subprocess.run(command, check=True, cwd=folder, env=environment, capture_output=True, text=True).stdout
    fleet.stop()
    print(printed, end="")
    return 0 if printed.strip() == wanted else 1


if __name__ == "__main__":
    sys.exit(main())
