"""``xser serve``: starts the web page."""

from __future__ import annotations

import math

import click

from speechbrain_xser.cli.model_options import explained_by, is_tiny, load_recognizer, model_options, unknown_option
from speechbrain_xser.utils.commandline import one_line_errors


class Positive(click.FloatRange):
    """A number above 0; NaN, which passes any limit, and infinity are rejected."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        number = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value} is not a finite number", param, ctx)


POSITIVE = Positive(0, min_open=True)
OPEN_TO_OTHERS = (
    "warning: everyone who can reach {host} can use this page, without a password and without encryption. Omit --host "
    "to serve only this machine."
)


@click.command("serve")
@model_options
@unknown_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7860,
    show_default=True,
    help="Port to listen on; 0 for any free one.",
)
@click.option("--max-seconds", type=POSITIVE, help="Longest clip.  [default: the model's]")
@click.option("--max-megabytes", type=POSITIVE, default=500, show_default=True, help="Largest upload.")
@click.option("--max-hours", type=POSITIVE, default=4, show_default=True, help="Longest recording.")
@click.option("--open/--no-browser", "open_browser", default=False, help="Open the page in a browser.")
def serve_command(
    model, revision, device, unknown, host, port, max_seconds, max_megabytes, max_hours, open_browser
) -> None:
    """Starts a web page that explains recordings and uploads.

    Only this machine can reach the page, unless you set --host. Uploads are not kept, and the page loads nothing from
    elsewhere. The server runs until Ctrl-C.

    \b
    Example:
      xser serve --model results/CREMA-D/fd_ser_sed_asr/model --port 8080 --open
    """
    with one_line_errors("Stopped; all uploads were deleted."):
        from speechbrain_xser.evidence.clip_evidence import check_paragraphs
        from speechbrain_xser.stages import STAGES
        from speechbrain_xser.web.server import OWN_HOSTS, free_port, serving
        from speechbrain_xser.web.server_settings import WebSettings

        port = free_port(host, port)  # before the seconds that a model takes to load
        recognizer = load_recognizer(model, revision, device, unknown=unknown)
        check_paragraphs(recognizer.mods.model, STAGES[recognizer.hparams.stage])  # the page shows the evidence
        longest = checked_seconds(max_seconds, recognizer.hparams.max_seconds)
        settings = WebSettings(explained_by(model), is_tiny(model), longest, max_megabytes, max_hours)
        if host not in OWN_HOSTS:
            click.echo(OPEN_TO_OTHERS.format(host=host), err=True)
        with serving(recognizer, settings, host, port, open_browser) as server:
            click.echo(f"Serving at {server.address} (press Ctrl-C to stop)")
            server.wait()


def checked_seconds(wanted: float | None, longest: float) -> float:
    """The longest clip; at most what the model takes.

    Example
    -------
    >>> checked_seconds(None, 30.0), checked_seconds(10.0, 30.0)
    (30.0, 10.0)
    """
    from speechbrain_xser.errors import SettingsError

    if wanted is not None and wanted > longest:
        raise SettingsError(f"--max-seconds {wanted:g}: this model takes up to {longest:g} s. Choose that or less.")
    return longest if wanted is None else wanted
