"""``xser serve``: starts the web page."""

from __future__ import annotations

import math

import click

from speechbrain_xser.cli.model_options import (
    explained_by,
    is_tiny,
    load_recognizer,
    model_name,
    model_options,
    unknown_option,
)
from speechbrain_xser.utils.commandline import one_line_errors
from speechbrain_xser.utils.quick_imports import importing


class Positive(click.FloatRange):
    """A number above 0; NaN, which passes any limit, and infinity are rejected."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        number = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value} is not a finite number", param, ctx)


POSITIVE = Positive(0, min_open=True)
NOT_ENCRYPTED = (
    "warning: everyone who can reach {host} can see this page's password and uploads on their way, because nothing is "
    "encrypted. Put a server with TLS in front of it, or omit --host to serve only this machine."
)
NO_PASSWORD = (
    "--host {host}: others can reach this address, so a user and a password are needed. Set XSER_AUTH=user:password, "
    "or name a file with them by --auth-file. Or omit --host to serve only this machine."
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
@click.option("--auth", envvar="XSER_AUTH", metavar="USER:PASSWORD", help="Asked for by the page.  [env: XSER_AUTH]")
@click.option("--auth-file", type=click.Path(), help="File with USER:PASSWORD, which other users cannot see.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Name of the server, besides addresses; repeatable.")
@click.option(
    "--max-requests",
    type=click.IntRange(1, 32),
    default=16,
    show_default=True,
    help="Requests that are answered or wait at the same time.",
)
@click.option("--max-seconds", type=POSITIVE, help="Longest clip.  [default: the model's]")
@click.option("--max-megabytes", type=POSITIVE, default=500, show_default=True, help="Largest upload.")
@click.option("--max-hours", type=POSITIVE, default=4, show_default=True, help="Longest recording.")
@click.option("--open/--no-browser", "open_browser", default=False, help="Open the page in a browser.")
def serve_command(
    model,
    revision,
    device,
    unknown,
    host,
    port,
    auth,
    auth_file,
    allow_host,
    max_requests,
    max_seconds,
    max_megabytes,
    max_hours,
    open_browser,
) -> None:
    """Starts a web page that explains recordings and uploads.

    Only this machine can reach the page, unless you set --host, which asks for a password. Uploads are not kept, and
    the page loads nothing from elsewhere. The server runs until Ctrl-C.

    \b
    Example:
      xser serve --model results/CREMA-D/fd_ser_sed_asr/model --port 8080 --open
    """
    with one_line_errors("Stopped; all uploads were deleted."):
        with importing():
            from speechbrain_xser.evidence.clip_evidence import check_paragraphs
            from speechbrain_xser.stages import STAGES
            from speechbrain_xser.timeline.heap import use_one_heap
            from speechbrain_xser.web.login import is_own
            from speechbrain_xser.web.server import free_port, serving
            from speechbrain_xser.web.server_settings import WebSettings

        use_one_heap()
        login = checked_login(host, auth, auth_file)
        port = free_port(host, port)  # before the seconds that a model takes to load
        recognizer = load_recognizer(model, revision, device, unknown=unknown)
        check_paragraphs(recognizer.mods.model, STAGES[recognizer.hparams.stage])  # the page shows the evidence
        longest = checked_seconds(max_seconds, recognizer.hparams.max_seconds)
        limits = (longest, max_megabytes, max_hours, max_requests)
        settings = WebSettings(explained_by(model), is_tiny(model), *limits, allow_host, login, model_name(model))
        if not is_own(host):
            click.echo(NOT_ENCRYPTED.format(host=host), err=True)
        with serving(recognizer, settings, host, port, open_browser) as server:
            click.echo(f"Serving at {server.address} (press Ctrl-C to stop)")
            server.wait()


def checked_login(host: str, auth: str | None, auth_file: str | None) -> tuple[str, str] | None:
    """User and password; a ``SettingsError`` if others can reach the host and there are none.

    Example
    -------
    >>> checked_login("127.0.0.1", None, None), checked_login("0.0.0.0", "anna:secret", None)
    (None, ('anna', 'secret'))
    """
    from speechbrain_xser.errors import SettingsError
    from speechbrain_xser.web.login import is_own, login_in, parsed_login

    if auth_file is not None:
        return login_in(auth_file)
    if auth is not None:
        return parsed_login(auth, "--auth or XSER_AUTH")
    if not is_own(host):
        raise SettingsError(NO_PASSWORD.format(host=host))
    return None


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
