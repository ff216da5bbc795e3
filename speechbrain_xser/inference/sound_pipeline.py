"""The recogniser under the names of transformers' ``pipeline("audio-classification")``, for programs that use that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from speechbrain_xser.answer.explanation import UNKNOWN, Explanation
from speechbrain_xser.data.sound_source import is_sound_source
from speechbrain_xser.errors import AudioError, SettingsError
from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer
from speechbrain_xser.inference.verbs import refuse_without_emotion
from speechbrain_xser.stages import STAGES

TASK = "audio-classification"
Labels = list[dict[str, object]]  # {"score": float, "label": str}, the most probable first


class EmotionPipeline:
    """Tells the most probable emotions of sounds.

    Arguments
    ---------
    recognizer : ExplainableEmotionRecognizer
        The model.
    top_k : int or None
        How many classes are told; None for all.
    batch_size : int
        Sounds at a time; it changes no answer.

    Raises
    ------
    SettingsError
        If ``top_k`` or ``batch_size`` is below 1, or the model's answers name no emotion.

    Example
    -------
    >>> from speechbrain_xser.data.synthetic.corpus import plan, speak
    >>> tell = EmotionPipeline(ExplainableEmotionRecognizer.from_hparams("tiny"), top_k=2)
    >>> wav = speak(plan("test", 3, seed=1))
    >>> [sorted(one) for one in tell(wav)]
    [['label', 'score'], ['label', 'score']]
    >>> tell({"array": wav, "sampling_rate": 16000}) == tell(wav), len(tell([wav, wav], top_k=None)[1])
    (True, 7)
    """

    task = TASK

    def __init__(self, recognizer: ExplainableEmotionRecognizer, top_k: int | None = None, batch_size: int = 8) -> None:
        refuse_without_emotion(STAGES[recognizer.hparams.stage])
        self.recognizer, self.top_k, self.batch_size = recognizer, _count("top_k", top_k), batch_size
        _count("batch_size", batch_size)

    def __call__(self, inputs: object, top_k: object = ..., batch_size: int | None = None) -> object:
        """Classifies one sound, or several.

        Arguments
        ---------
        inputs : path, str, bytes, open file, array, dict, or list or iterator of them
            A file, an http(s) address, a file's content; samples [S] at the encoder's rate; or
            ``{"array": samples, "sampling_rate": hertz}``, where ``raw`` may stand for ``array``.
        top_k : int or None, optional
            Another number of classes than that of the pipeline; None for all.
        batch_size : int, optional
            Another number of sounds at a time.

        Returns
        -------
        list of dict
            ``{"score": probability, "label": emotion}``, the most probable first. An empty list claims nothing: there
            is no speech, or it is unlike what the model was trained on. For a list of sounds a list of these, for an
            iterator an iterator.

        Raises
        ------
        AudioError
            If a sound cannot be used; names it.
        SettingsError
            If a number is below 1.
        """
        top_k = self.top_k if top_k is ... else _count("top_k", top_k)
        batch_size = self.batch_size if batch_size is None else _count("batch_size", batch_size)
        if isinstance(inputs, list):
            return list(self._told(iter(inputs), top_k, batch_size))
        if isinstance(inputs, Iterator) and not is_sound_source(inputs):  # an open file iterates over its lines
            return self._told(inputs, top_k, batch_size)
        [found] = self._told(iter([inputs]), top_k, batch_size)
        return found

    def _told(self, inputs: Iterator, top_k: int | None, batch_size: int) -> Iterator[Labels]:
        while group := list(islice(inputs, batch_size)):
            for told in self.recognizer.explain_batch(list(map(self._samples, group))):
                yield _labels(told)[:top_k]

    def _samples(self, sound: object) -> object:
        """One input as ``explain_batch`` takes it."""
        if is_sound_source(sound):
            return self.recognizer.load_audio(sound)
        if not isinstance(sound, Mapping):
            return sound
        samples = next((sound[key] for key in ("raw", "array") if sound.get(key) is not None), None)
        if samples is None or "sampling_rate" not in sound:
            raise AudioError(f'a dict with {sorted(map(str, sound))}; expected "array" (or "raw") and "sampling_rate".')
        return self.recognizer.checked_clip(samples, sound["sampling_rate"])


def pipeline(
    task: object = None,
    model: object = None,
    top_k: int | None = None,
    batch_size: int = 8,
    device: object = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    **options: object,
) -> EmotionPipeline:
    """Loads a model as a callable with the arguments and results of transformers' audio classification.

    ``pipeline("small")`` and ``pipeline("audio-classification", model="small")`` are the same.

    Arguments
    ---------
    task : str, Path or ExplainableEmotionRecognizer, optional
        ``audio-classification``, or the model itself.
    model : str, Path or ExplainableEmotionRecognizer, optional
        A source as for :meth:`ExplainableEmotionRecognizer.from_hparams`, or what that gave.
    top_k : int or None
        How many classes are told; None for all.
    batch_size : int
        Sounds at a time.
    device : int, str or torch.device, optional
        As in transformers: -1 is the CPU, 0 the first GPU. By default a GPU if there is one.
    revision, trust_remote_code
        As for :meth:`ExplainableEmotionRecognizer.from_hparams`.
    **options
        Further ones of ``from_hparams``.

    Returns
    -------
    EmotionPipeline

    Raises
    ------
    SettingsError
        If no model is given, the task is another one, or a loaded model comes with arguments for loading one.
    XserError
        As ``from_hparams``.

    Example
    -------
    >>> tell = pipeline("audio-classification", model="tiny", top_k=1)
    >>> import torch
    >>> tell(torch.zeros(16000))  # silence: nothing is claimed
    []
    """
    if model is None:
        task, model = TASK, None if task == TASK else task
    if task not in (None, TASK) or model is None:
        raise SettingsError(f"task is {task!r} and model is {model!r}; expected {TASK!r} and a model's name or folder.")
    given = options | {"device": device, "revision": revision, "trust_remote_code": trust_remote_code or None}
    if isinstance(model, ExplainableEmotionRecognizer):
        if unused := [name for name, value in given.items() if value is not None]:
            raise SettingsError(f"{', '.join(unused)}: the model is loaded already; give this to from_hparams.")
    else:
        options = {"pretrained": False, **options, "revision": revision, "trust_remote_code": trust_remote_code}
        run_opts = {**(options.pop("run_opts", None) or {}), **({} if device is None else {"device": _device(device)})}
        model = ExplainableEmotionRecognizer.from_hparams(model, run_opts=run_opts, **options)
    return EmotionPipeline(model, top_k, batch_size)


def _labels(told: Explanation) -> Labels:
    """All classes, unless nothing is claimed."""
    if told.emotion == UNKNOWN:
        return []
    ranked = sorted(told.probabilities.items(), key=lambda pair: -pair[1])
    return [{"score": probability, "label": emotion} for emotion, probability in ranked]


def _count(name: str, value: int | None) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise SettingsError(f"{name} is {value!r}; expected 1 or more.")
    return value


def _device(device: object) -> str:
    if isinstance(device, int):
        return "cpu" if device < 0 else f"cuda:{device}"
    return str(device)
