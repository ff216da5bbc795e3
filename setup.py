"""Metadata and dependencies; the tools' settings are in pyproject.toml.

Each requirement has a lower bound, the oldest version that the tests ran with (`make test VERSIONS=oldest`), and an
upper bound where a next version is known, or by its numbering announced, to break. The package reads them from its
metadata when it is imported (`versions.py`). Which exact versions `make` installs stands in `requirements`.
"""

from pathlib import Path

from setuptools import find_packages, setup

REQUIREMENTS = [
    "speechbrain>=1.1,<1.2",  # Brain, Pretrained, DynamicItemDataset; the tests look at 1.1's behaviour
    "torch>=2.11,<2.16",  # up to 2.12 it loads torchaudio 2.11.0 only, 2.15 only 2.11.1, which is what pip takes
    "torchaudio>=2.11,<2.12",  # speechbrain imports it; resampling and MFCC
    "transformers>=5.24,<6",  # backbones; 5.24 takes keys and values as `cache`
    "peft>=0.21,<0.22",  # LoRA in the standard adapter folder; adapter names are matched strictly
    "hyperpyyaml>=1.2.2,<2",  # the YAML of every experiment
    "ruamel.yaml>=0.18,<0.19",  # 0.19 breaks every YAML load of hyperpyyaml
    "safetensors>=0.4.3,<1",  # weights without code in them
    "huggingface_hub>=1.31,<3",  # fetches a pinned revision of a backbone or model folder
    "soundfile>=0.13,<1",  # reads wav, flac, ogg, aiff, caf and their like; writes sound
    "sentencepiece>=0.2,<0.3",  # the tiny decoder's tokenizer is trained with it
    "jiwer>=4,<5",  # word error rate
    "pycocoevalcap>=1.2,<2",  # BLEU, METEOR, ROUGE-L, CIDEr, SPICE of descriptions
    "espeakng-loader>=0.2.4,<0.3",  # eSpeak NG as a shared library, for the embedded corpus
    "numpy>=1.26,<3",  # audio between soundfile and torch
    "scipy>=1.11,<2",  # significance tests, and fitting a temperature
    "packaging>=24.2,<28",  # compares installed versions with the tested ones
    "joblib>=1.4,<2",  # one function over many files on all cores
    "click>=8.1,<9",  # the xser command
    "av>=16,<19",  # sound of mp3, mp4, m4a, webm and other files without a system ffmpeg
    "ftfy>=6.3,<7",  # repairs wrongly decoded transcripts
    "ijson>=3.3,<4",  # reads JSON files of gigabytes piece by piece
    "silero-vad>=6.2,<7",  # where speech is in a long recording; its weights are in it
    "tqdm>=4.66,<5",  # the progress bar
    "filelock>=4.3.1,<5",  # one writer of a folder at a time; earlier ones write the lock anew, or leave it to forks
    "psutil>=6,<8",  # whether another process still runs, on every system
    "jinja2>=3.1.6,<4",  # chat templates of LLMs
    "rich>=13.9,<16",  # tables that fit the terminal
    "platformdirs>=4,<5",  # where a user's caches lie, on every system
    "pip>=23.2,<28",  # fetches the backbones of `xser setup small`; an environment made by uv has none by itself
    "gguf>=0.17,<0.20",  # reads the one that comes as GGUF; a few files of Python, so that setup asks for nothing more
]

DOCS = [
    "sphinx>=8.2,<10",  # the documentation
    "myst-parser>=4,<6",  # its pages are Markdown
    "myst-nb>=1.3,<2",  # and notebooks
    "furo>=2025.12.19,<2027",  # its theme
    "nbformat>=5.10,<6",  # reads them
    "nbclient>=0.10,<1",  # runs the notebooks
    "ipykernel>=6.29,<8",  # what they run in
]
WEB = ["gradio>=6.31,<7"]  # xser serve
PARQUET = ["pyarrow>=26,<27"]  # rows of explain --out and annotate --out
RAY = [
    *PARQUET,
    "ray[data]>=2.60,<2.64",  # --ray; 2.64 drops how an actor's retries are bounded
    "fsspec>=2025.3,<2027",  # files in the cloud; with s3fs, gcsfs, ... for each kind of store
]

EXTRAS = {
    "dev": [
        *DOCS,
        *WEB,
        *RAY,
        "s3fs>=2025.3,<2027",  # buckets, in tests with a stand-in on this machine
        "moto[s3]>=5.2,<6",  # which is this, a server
        "flask>=3.1,<4",  # of this kind
        "flask-cors>=6,<7",
        "srt>=3.5,<4",  # reads the subtitles that are written
        "webvtt-py>=0.6,<0.7",
        "playwright>=1.51,<2",  # drives a real browser in tests of pages
        "pytest>=8.2,<10",  # tests and doctests
        "pytest-xdist>=3.6,<4",  # on several cores
        "hypothesis>=6.100,<7",  # odd inputs, and the smallest of those that fail
        "ruff>=0.6,<1",  # the linter
        "setuptools>=77,<85",  # builds the package without fetching anything
        "praat-parselmouth>=0.4.5,<0.5",  # reference for pitch
        "datasets>=4,<6",  # read by the generic importer's tests
        "dtw-python>=1.5.3,<2",  # a second dynamic time warping, for tests
        "yamllint>=1.35,<2",  # the style of YAML, by SpeechBrain's rules
        "webdataset>=1.0,<2",  # reads packed shards in tests
        "scikit-learn>=1.4,<2",  # probes, the prosody baseline, a model's domain, and reference values in tests
        "matplotlib>=3.8,<4",  # pictures of reports
        "bitsandbytes>=0.50,<1",  # quantised decoders
        "tensorboard>=2.20,<3",  # read by tests of the log of a training
        "wandb>=0.20,<1",
        "trl>=1.16,<2",  # its chat templates of LLMs, for tests
    ],
    "docs": DOCS,
    "web": WEB,
    "parquet": PARQUET,
    "ray": RAY,
    "report": ["scikit-learn>=1.4,<2", "matplotlib>=3.8,<4"],  # xser reproduce, xser probe, fitting a domain
    "speakers": ["scikit-learn>=1.4,<2"],  # xser timeline --speakers
    "praat": ["praat-parselmouth>=0.4.5,<0.5"],  # Praat's pitch tracker; GPL-3.0
    "datasets": ["datasets>=4,<6"],  # corpora that are saved as Hugging Face datasets
    "quantized": ["bitsandbytes>=0.50,<1"],  # decoders of 4 or 8 bits a weight; earlier ones need a GPU
    "kernels": ["liger-kernel>=0.8,<1"],  # fused kernels where there is a GPU
    "tensorboard": ["tensorboard>=2.20,<3"],  # curves of a training
    "wandb": ["wandb>=0.20,<1"],  # the same on a server, or in files with WANDB_MODE=offline
}

setup(
    name="speechbrain_xser",
    version="0.1.0",
    description="Explainable speech emotion recognition with disentangled speech descriptors, on SpeechBrain",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["speechbrain_xser", "speechbrain_xser.*"]),
    package_data={
        "speechbrain_xser": [
            "packaged/**/*",
            "annotator/*.json",
            "reproduction/*.csv",
            "page/assets/*",
            "page/templates/*.html",
        ]
    },
    install_requires=REQUIREMENTS,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["xser = speechbrain_xser.cli.main:xser"]},
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Intended Audience :: Science/Research",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
    ],
)
