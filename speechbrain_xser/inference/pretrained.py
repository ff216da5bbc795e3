"""The recogniser as a SpeechBrain ``Pretrained``, in its own module because commands need not load SpeechBrain."""

from __future__ import annotations

from speechbrain.inference.interfaces import Pretrained
from speechbrain.utils.autocast import AMPConfig, TorchAutocast

from speechbrain_xser.inference.recognizer import ExplainableEmotionRecognizer


class PretrainedRecognizer(ExplainableEmotionRecognizer, Pretrained):
    """What :meth:`ExplainableEmotionRecognizer.from_hparams` returns: the recogniser with SpeechBrain's run options.

    Arguments
    ---------
    modules : dict
        ``{"model": ExplainableSER}``.
    hparams : dict
        ``emotions``, ``max_seconds`` and ``stage`` of the folder.
    run_opts : dict, optional
        SpeechBrain's run options; ``device`` and ``precision`` count here.
    freeze_params : bool
        Whether parameters are frozen and the model is put in eval.

    Example
    -------
    >>> import speechbrain_xser
    >>> recognizer = speechbrain_xser.ExplainableEmotionRecognizer.from_hparams("tiny", run_opts={"device": "cpu"})
    >>> type(recognizer).__name__, isinstance(recognizer, Pretrained)
    ('PretrainedRecognizer', True)
    """

    HPARAMS_NEEDED = ["emotions", "max_seconds", "stage"]
    MODULES_NEEDED = ["model"]

    def __init__(self, modules: dict, hparams: dict, run_opts: dict | None = None, freeze_params: bool = True) -> None:
        Pretrained.__init__(self, modules, hparams, run_opts, freeze_params)

    def _precise(self) -> TorchAutocast:
        """A new context for each use: SpeechBrain's shared ``inference_ctx`` is not safe for threads."""
        return TorchAutocast(device_type=self.device_type, dtype=AMPConfig.from_name(self.precision).dtype)
