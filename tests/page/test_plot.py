"""Hand-written curves, read back from the SVG."""

import re
from xml.etree import ElementTree

import pytest
import torch

from speechbrain_xser.evidence.curves import Curves
from speechbrain_xser.evidence.localization import BranchTrace, Where
from speechbrain_xser.page.plot import HEIGHT, WIDTH, signal_plot
from speechbrain_xser.page.ticks import ticks

HERTZ = [0.0, 100.0, 150.0, 0.0, 200.0]


def curves(**values) -> Curves:
    """Ten seconds; five frames one second apart, starting at second 2, of which four are speech."""
    pairs = torch.tensor([[-0.5, 0.5], [-0.25, 0.25]])
    made = Curves(
        10.0, 1.0, 2.0, torch.tensor(HERTZ), torch.linspace(-40, -20, 5), torch.tensor([1, 1, 1, 1, 0]) > 0, pairs
    )
    return made._replace(**values)


def where(kl=(1.0, 2.0), shares=(0.5, -0.25)) -> Where:
    content = BranchTrace(None if kl is None else torch.tensor(kl), torch.tensor(shares), None, 5.0)
    return Where("a < b", {"content": content, "descriptor": content, "<who>": content}, 5.0)


def drawn(svg: str, kind: str) -> list[list[tuple[float, float]]]:
    """Points of every line of the first path of a class."""
    path = re.search(f'<path class="{kind}" d="([^"]*)"', svg)[1]
    lines = [line for line in re.split("M|h.1|Z", path) if line]
    return [[tuple(map(float, point.split())) for point in line.split("L")] for line in lines]


def test_pitch_is_drawn_at_its_time_and_broken_where_there_is_none():
    lines = drawn(signal_plot(curves()), "xser-curve")
    assert [[x for x, _ in line] for line in lines] == [[WIDTH * 0.3, WIDTH * 0.4], [WIDTH * 0.6]]
    assert [y for line in lines for _, y in line] == [HEIGHT, HEIGHT / 2, 0]  # the axis goes from 100 to 200 Hz


def test_the_waveform_fills_its_box_from_the_least_to_the_greatest_sample():
    [points] = drawn(signal_plot(curves()), "xser-wave")
    assert [y for _, y in points] == [0, HEIGHT / 4, 3 * HEIGHT / 4, HEIGHT]


def test_pauses_are_shaded_before_between_and_after_speech():
    svg = signal_plot(curves())
    shaded = re.findall(r'xser-silent" x="([\d.]+)" y="0" width="([\d.]+)"', svg)[:3]
    assert [(float(x), float(width)) for x, width in shaded] == [(0, 200), (600, 100), (700, 300)]


def test_what_a_token_adds_is_a_step_over_its_time():
    [points] = drawn(signal_plot(curves(), where()), "xser-area xser-words")
    assert [x for x, _ in points] == [0, 0, 500, 500, 1000, 1000]
    heights = [y for _, y in points]
    assert heights[0] == heights[-1] and heights[1] < heights[0] < heights[3]  # up for, down against


def test_each_frame_of_information_is_drawn_in_its_middle():
    [points] = drawn(signal_plot(curves(), where()), "xser-voice")
    assert [x for x, _ in points] == [250, 750] and points[1][1] == 0


def test_every_panel_has_a_name_and_a_unit():
    svg = signal_plot(curves(), where())
    for told in ("Waveform", "of full scale", "F0, Hz", "dB re full scale", "nats a frame", "nats a moment", "seconds"):
        assert told in svg


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, where()),
        ({}, where(kl=None)),
        ({"hertz": torch.zeros(5), "speech": torch.zeros(5) > 0, "peaks": torch.zeros(2, 2)}, where(shares=())),
        ({"hertz": torch.tensor([0, 0, 210.0, 0, 0]), "decibels": torch.full((5,), -torch.inf)}, None),
        ({"seconds": 1 / 16000, "start_seconds": 0.0, "peaks": torch.zeros(1, 2)}, where((3.0,), (0.0,))),
    ],
)
def test_the_drawing_is_well_formed_for_any_clip(values, found):
    svg = signal_plot(curves(**values), found)
    names = {element.tag for element in ElementTree.fromstring(svg).iter()}
    assert names <= {"svg", "path", "line", "rect", "text", "tspan"} and "nan" not in svg and "inf," not in svg


def test_a_steady_voice_looks_steady():
    svg = signal_plot(curves(hertz=torch.tensor([0, 200.0, 200.1, 200.0, 0])))
    [line] = drawn(svg, "xser-curve")
    assert max(y for _, y in line) - min(y for _, y in line) < 1  # pixel


def test_an_image_for_those_who_do_not_see_has_a_name():
    root = ElementTree.fromstring(signal_plot(curves(), where()))
    assert root.get("role") == "img" and root.get("aria-label").endswith("over 10.0 seconds")
    assert "a < b" in "".join(root.itertext())


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        ((0, 1), [0, 0.5, 1]),
        ((-0.003, 0.021), [-0.01, 0, 0.01, 0.02, 0.03]),
        ((200, 200), [199.5, 200, 200.5]),
        ((87, 412), [0, 100, 200, 300, 400, 500]),
    ],
)
def test_axes_have_round_numbers(ends, found):
    low, high, marks = ticks(*ends)
    assert marks == pytest.approx(found) and (low, high) == (marks[0], marks[-1])
