"""The licence of a trained model, as far as it follows from the bases and corpora that it was made from.

The code is Apache-2.0. Weights are different: those of a base stay under the base's licence, and many people apply a
corpus's terms to models that were trained on it. Anything that this package does not know is reported as unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

OWN = "apache-2.0"
PERMISSIVE = {OWN, "mit"}  # what may go into a work under Apache-2.0
OTHER = "other"  # the hub's word for a licence that it does not list
BASES = {  # by the beginning of a hub id; the hub's names of licences
    "packaged:": OWN,
    "setup:smollm2": OWN,
    "setup:whisper": "mit",
    "meta-llama/Llama-3.1": "llama3.1",
    "meta-llama/Llama-3.2": "llama3.2",
    "meta-llama/Llama-3.3": "llama3.3",
    "meta-llama/Meta-Llama-3-": "llama3",
    "mistralai/Mistral-7B": OWN,
    "TinyLlama/": OWN,
}


def base_licence(sources: Iterable[str]) -> str:
    """The licence of weights that contain those of some bases, by its name on the hub.

    Arguments
    ---------
    sources : iterable of str
        The bases whose weights are in the folder.

    Returns
    -------
    str
        "apache-2.0" if there are no bases, or only permissive ones; "other" if a base is unknown here, or if the
        licences differ.

    Example
    -------
    >>> base_licence([]), base_licence(["meta-llama/Llama-3.1-8B-Instruct"]), base_licence(["owner/name"])
    ('apache-2.0', 'llama3.1', 'other')
    >>> base_licence(["setup:whisper-tiny.en", "setup:smollm2-135m-instruct"])
    'apache-2.0'
    """
    found = {_licence_of(source) for source in sources} - PERMISSIVE
    return OWN if not found else found.pop() if len(found) == 1 else OTHER


def is_known(source: str) -> bool:
    """Whether this package knows a base's licence.

    Arguments
    ---------
    source : str
        A backbone's source.

    Returns
    -------
    bool

    Example
    -------
    >>> is_known("meta-llama/Llama-3.2-1B"), is_known("owner/name")
    (True, False)
    """
    return _licence_of(source) != OTHER


def _licence_of(source: str) -> str:
    return next((licence for start, licence in BASES.items() if source.startswith(start)), OTHER)


def licence_note(bases: Sequence[str], corpora: Mapping[str, str | None], llm: Sequence[str] = ()) -> str:
    """The section of a model card on what the weights were made from, and under which terms.

    Arguments
    ---------
    bases : sequence of str
        Whose weights are in the folder.
    corpora : mapping of str to str or None
        The licence of each training corpus, None if it is unknown; empty if no corpora were recorded.
    llm : sequence of str
        Bases outside the folder that its LoRA was trained on.

    Returns
    -------
    str
        Markdown.

    Example
    -------
    >>> print(licence_note([], {"EmoDB": "CC0 1.0"}))
    The code is under Apache-2.0. The author of the model decides the licence of its branches, adapters and LoRA.
    <BLANKLINE>
    The model was trained on:
    <BLANKLINE>
    * EmoDB: CC0 1.0
    """
    lines = [
        "The code is under Apache-2.0. The author of the model decides the licence of its branches, adapters and LoRA."
    ]
    if bases:
        lines[0] += f" The folder also contains the weights of {', '.join(bases)}, with or without changes."
        lines[0] += " They stay under their own licence."
    if llm:
        lines[0] += f" The LoRA was made with {', '.join(llm)}, whose licence may bind it."
    if not corpora:
        return "\n\n".join([*lines, "The training corpora were not recorded, so their terms are unknown."])
    rows = [f"* {name}: {terms or 'its terms are not known'}" for name, terms in corpora.items()]
    return "\n\n".join([*lines, "The model was trained on:", "\n".join(rows)])
