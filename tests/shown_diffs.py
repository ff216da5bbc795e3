"""The diffs that docs/contributing.md shows, and how they are applied."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIFFS = re.findall(r"```diff\n(.*?)```", (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8"), re.DOTALL)
NAMED = re.compile(r"^--- (?:a/)?(\S+)\n\+\+\+ b/(\S+)\n", re.MULTILINE)


def hunks(diff: str) -> list[tuple[str, str, str]]:
    """File, old lines and new lines of every hunk of a unified diff."""
    found = []
    parts = NAMED.split(diff)[1:]
    for _, path, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        for hunk in re.split(r"^@@.*\n", body, flags=re.MULTILINE)[1:]:
            lines = hunk.splitlines(keepends=True)
            old, new = ("".join(line[1:] for line in lines if line[0] in f" {sign}") for sign in "-+")
            found.append((path, old, new))
    return found


def apply(diff: str, folder: Path) -> None:
    """Changes each file in its one place that has a hunk's old lines; a hunk without old lines is a new file."""
    for path, old, new in hunks(diff):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_text(encoding="utf-8") if old else ""
        assert text.count(old) == 1 if old else not file.exists(), f"{path} has no single place with\n{old}"
        file.write_text(text.replace(old, new) if old else new, encoding="utf-8")


def diff_with(words: str) -> str:
    [diff] = [diff for diff in DIFFS if words in diff]
    return diff
