"""CREMA-D's actors as other recordings would have them: with silence around them, in other bands, softer and louder.

CREMA-D's clips have little silence around the speech, and in some copies nothing above 5.5 kHz; other recordings are
not so. Pitch, volume and speed are by the package's own bounds, as in the synthetic speech beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import sha256
from importlib import import_module
from itertools import product
from math import log10
from pathlib import Path
from random import Random
from typing import NamedTuple

import soundfile
import torch
from Small.conditions import PEAK, QUIET_SNR, Chances, Conditions, draw_conditions, recorded
from Small.descriptors import volume_of
from Small.joining import SAMPLE_RATE
from Small.noise import level_of
from torch import Tensor

from speechbrain_xser.annotator.annotation import annotate
from speechbrain_xser.annotator.level import frame_decibels
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.faults import Fault, FaultCounter
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.paragraphs import Wording, has_own_paragraphs, with_paragraphs
from speechbrain_xser.data.pipeline import resolve
from speechbrain_xser.errors import AudioError
from speechbrain_xser.utils.files import moved_into_place
from speechbrain_xser.utils.parallel import in_parallel

VERSION = 1  # of how a variant is made, in the names of files
GAIN = 6.0  # decibels, up or down
NOISE_QUANTILE = 0.05  # of a clip's frames: what it has between the words
CHANCES = Chances(
    room=0.0,
    noise=0.3,
    kinds=("white", "pink"),
    snr_decibels=(15.0, 35.0),
    level=None,
    low_pass=0.35,
    low_pass_hertz=(3400.0, 4000.0, 4750.0),
    high_band=0.35,
)


class Variant(NamedTuple):
    """A clip and which of its variants is meant."""

    clip: Utterance
    number: int  # from 1


def vary(
    manifest: str | Path,
    save_folder: str | Path,
    data_folder: str | Path | None = None,
    variants: int = 1,
    seed: int = 1,
    wording: Wording = "varied",
    chances: Chances = CHANCES,
    workers: int | None = None,
) -> str:
    """Writes variants of the clips of a manifest; goes on where it was stopped.

    Arguments
    ---------
    manifest : str | Path
        Clips with labels; those are kept, but for the volume, which is measured anew where it is given.
    save_folder : str | Path
        Where ``NAME-varied.jsonl`` goes, and its FLAC files into ``wav/NAME``.
    data_folder : str | Path | None
        What ``{data_root}`` stands for.
    variants : int
        Of each clip.
    seed : int
        Decides them.
    wording : str
        Of the paragraphs, which are written anew unless they are a human's.
    chances : Chances
        Of silence, noise and bands; a gain of up to 6 dB is drawn beside them.
    workers : int | None
        Processes at a time, None for one a core.

    Returns
    -------
    str
        The manifest of the variants alone.

    Raises
    ------
    ManifestError
        If the manifest is wrong.
    TrainingError
        If more than one variant in a hundred cannot be read; fewer are left out with a warning.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "a.wav", 0.1 * torch.randn(16000).numpy(), 16000)
    >>> write_manifest(folder / "train.jsonl", [Utterance("a", str(folder / "a.wav"), emotion="sad")])
    >>> varied = read_manifest(vary(folder / "train.jsonl", folder, variants=2, workers=1))
    >>> [(row.id, row.emotion, row.duration > 1.0) for row in varied]
    [('a-v1', 'sad', True), ('a-v2', 'sad', True)]
    """
    name, clips = Path(manifest).stem, read_manifest(manifest)
    folder = Path(save_folder, "wav", name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    work = partial(_varied, folder, data_folder, Path(manifest).parent, seed, chances, wording)
    wanted = [Variant(clip, number) for clip, number in product(clips, range(1, variants + 1))]
    made = in_parallel(work, wanted, f"varying {name}", len(wanted), workers)
    path = Path(save_folder, f"{name}-varied.jsonl")
    write_manifest(path, _readable(made, FaultCounter(len(wanted))))
    return str(path)


def acted(
    data_folder: str | Path,
    save_folder: str | Path,
    variants: int = 1,
    seed: int = 1,
    wording: Wording = "varied",
    workers: int | None = None,
) -> dict[str, str]:
    """CREMA-D's manifests with descriptors by the package's bounds, and variants of the training and validation clips.

    Arguments
    ---------
    data_folder : str | Path
        CREMA-D's, with AudioWAV.
    save_folder : str | Path
        Where everything goes; no other recipe's.
    variants, seed, wording, workers
        As for :func:`vary`.

    Returns
    -------
    dict of str to str
        ``train``, ``valid`` and ``test`` as they are recorded, ``train-varied`` and ``valid-varied``.
    """
    recipe = import_module("CREMA-D.prepare")
    paths = recipe.prepare(data_folder, save_folder, wording=wording)
    paths = {split: paths[split] for split in ("train", "valid", "test")}
    journal = Path(save_folder, "measures.sqlite")
    annotate(paths, journal, data_folder, cutoffs="reference", workers=workers, wording=wording)
    varied = partial(
        vary,
        save_folder=save_folder,
        data_folder=data_folder,
        variants=variants,
        seed=seed,
        wording=wording,
        workers=workers,
    )
    return paths | {f"{split}-varied": varied(paths[split]) for split in ("train", "valid")}


def _readable(made: Iterable[Utterance | Fault], faults: FaultCounter) -> Iterator[Utterance]:
    for row in made:
        if isinstance(row, Utterance):
            yield row
        else:
            faults.add([row])


def _varied(
    folder: Path,
    data_folder: str | Path | None,
    base: Path,
    seed: int,
    chances: Chances,
    wording: Wording,
    variant: Variant,
) -> Utterance | Fault:
    torch.set_num_threads(1)
    clip, id = variant.clip, f"{variant.clip.id}-v{variant.number}"
    try:
        source = resolve(clip, data_folder, base)
        plan = repr((VERSION, seed, chances, Path(source).stat().st_size, clip.start, clip.stop))
        path = folder / f"{id}-{sha256(plan.encode()).hexdigest()[:8]}.flac"
        if not path.is_file() or path.stat().st_size == 0:
            _write(path, load_audio(source, clip.start, clip.stop), Random(f"{seed} {id}"), chances)
        wave = load_audio(path)
    except (AudioError, OSError) as error:
        return Fault(id, str(error))
    row = clip._replace(id=id, wav=str(path), start=None, stop=None, duration=round(len(wave) / SAMPLE_RATE, 4))
    row = row._replace(volume=volume_of(wave) if clip.volume else None)
    return row if has_own_paragraphs(clip) else with_paragraphs(row._replace(description=None, caption=None), wording)


def _write(path: Path, wave: Tensor, random: Random, chances: Chances) -> None:
    conditions, seed = _conditions(wave, random, chances), random.randrange(2**31)
    with moved_into_place(path) as beside:
        soundfile.write(beside, recorded(wave, conditions, seed).numpy(), SAMPLE_RATE, "PCM_16", format="FLAC")


def _conditions(wave: Tensor, random: Random, chances: Chances) -> Conditions:
    """Conditions for a real clip: no louder than full scale, and its own noise in the silence around it."""
    drawn = draw_conditions(random, chances)
    room = 20 * log10(PEAK / wave.abs().max().item()) if wave.any() else 0.0
    drawn = drawn._replace(gain=min(random.uniform(-GAIN, GAIN), room))
    if drawn.snr_decibels < QUIET_SNR or drawn.noise is None:
        return drawn
    between = frame_decibels(wave).quantile(NOISE_QUANTILE).item()
    return drawn._replace(snr_decibels=min(max(level_of(wave) - between, 25.0), QUIET_SNR))
