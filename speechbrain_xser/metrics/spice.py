"""SPICE (Anderson et al., 2016, ECCV) on a current Java.

pycocoevalcap includes ``spice-1.0.jar`` but not Stanford CoreNLP 3.6.0 and its models, which it would download into its
own folder from a site that is often down. Here they are in the user's cache (:func:`spice_folder`), which
``xser setup spice`` fills, together with the JavaScript engine that Java included before version 15, which SPICE needs.
Java also gets flags that open its modules to SPICE's libraries.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from speechbrain_xser.errors import MetricError
from speechbrain_xser.metrics.java import caption_folder, run_java
from speechbrain_xser.utils.files import moved_into_place
from speechbrain_xser.utils.user_cache import user_cache

VERSION = "3.6.0"  # of CoreNLP, which SPICE was made with
ASM = "7.3.1"
ARTIFACTS = {  # Maven's name by file
    f"stanford-corenlp-{VERSION}.jar": f"edu.stanford.nlp:stanford-corenlp:{VERSION}:jar",
    f"stanford-corenlp-{VERSION}-models.jar": f"edu.stanford.nlp:stanford-corenlp:{VERSION}:jar:models",
    "nashorn-core-15.4.jar": "org.openjdk.nashorn:nashorn-core:15.4:jar",
    **{
        f"{name}-{ASM}.jar": f"org.ow2.asm:{name}:{ASM}:jar"
        for name in ("asm", "asm-analysis", "asm-commons", "asm-tree", "asm-util")
    },
}
OPENED = (
    "java.lang",
    "java.math",
    "java.util",
    "java.net",
    "java.text",
    "java.io",
    "java.util.concurrent",
    "sun.nio.ch",
)
CENTRAL = "https://repo1.maven.org/maven2"


def spice_folder() -> Path:
    """The folder of the jars: ``spice`` in :func:`speechbrain_xser.utils.user_cache.user_cache`.

    Example
    -------
    >>> getfixture("monkeypatch").setenv("XSER_CACHE", "/cache")
    >>> str(spice_folder())
    '/cache/spice'
    """
    return user_cache() / "spice"


def why_no_spice() -> str | None:
    """What is missing for SPICE; None if it can be computed.

    Example
    -------
    >>> getfixture("monkeypatch").setenv("XSER_CACHE", "/nowhere")
    >>> why_no_spice()
    'no stanford-corenlp-3.6.0.jar in /nowhere/spice: run `xser setup spice`'
    """
    missing = [name for name in ARTIFACTS if not (spice_folder() / name).is_file()]
    return f"no {missing[0]} in {spice_folder()}: run `xser setup spice`" if missing else None


def spice_scores(references: Mapping[str, Sequence[str]], hypotheses: Mapping[str, str]) -> list[float]:
    """The F-score over the propositions of each description, 0 to 1; NaN without any proposition."""
    if (why := why_no_spice()) is not None:
        raise MetricError(f"SPICE: {why}.")
    ids = list(references)
    items = [{"image_id": n, "test": hypotheses[id], "refs": list(references[id])} for n, id in enumerate(ids)]
    with tempfile.TemporaryDirectory() as folder:
        given, written = Path(folder, "in.json"), Path(folder, "out.json")
        given.write_text(json.dumps(items), encoding="utf-8")
        run_java([*_java_flags(), "edu.anu.spice.SpiceScorer", str(given), "-out", str(written), "-silent"], "SPICE")
        found = {item["image_id"]: item["scores"]["All"]["f"] for item in json.loads(written.read_text())}
    return [float(found[n]) if found[n] is not None else float("nan") for n in range(len(ids))]


def _java_flags() -> list[str]:
    """Memory, opened modules and class path."""
    spice = caption_folder() / "spice"
    paths = [
        spice / "spice-1.0.jar",
        *(spice_folder() / name for name in ARTIFACTS),
        *sorted((spice / "lib").glob("*.jar")),
    ]
    opened = [flag for name in OPENED for flag in ("--add-opens", f"java.base/{name}=ALL-UNNAMED")]
    return ["-Xmx4G", *opened, "-cp", os.pathsep.join(map(str, paths))]


def fetch_jars(source: str | os.PathLike | None = None) -> Path:
    """Gets missing jars from a folder, or else from Maven Central (about 390 MB) with ``mvn``; returns their folder."""
    folder = spice_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for name, artifact in ARTIFACTS.items():
        if (folder / name).is_file():
            continue
        if source is None:
            _fetch(artifact, folder)
        else:
            _copy(Path(source, name), folder / name)
    if (why := why_no_spice()) is not None:
        raise MetricError(f"SPICE: {why}.")
    return folder


def _copy(jar: Path, target: Path) -> None:
    if not jar.is_file():
        raise MetricError(f"{jar}: no such file, expected the jars {', '.join(ARTIFACTS)}.")
    with moved_into_place(target) as beside:
        shutil.copyfile(jar, beside)


def _fetch(artifact: str, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MetricError(
            "No mvn on the PATH: install Maven (on Debian and Ubuntu `apt-get install maven`), or fetch "
            f"{', '.join(ARTIFACTS)} from {CENTRAL} and name their folder with --from."
        )
    command = [
        maven,
        "--quiet",
        "--batch-mode",
        "dependency:copy",
        f"-Dartifact={artifact}",
        f"-DoutputDirectory={folder}",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        last = next((line for line in done.stdout.splitlines() if "ERROR" in line), "no message")
        raise MetricError(f"mvn could not download {artifact}: {last}")
