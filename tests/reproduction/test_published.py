"""The paper's figures as data, against its tables as printed."""

import pytest

from speechbrain_xser.errors import ReproductionError
from speechbrain_xser.reproduction.published import PAIRS, rows

TABLE_1 = """
P1 4.5 11.6 20.4 5.1 3.7
P2 6.7 14.5 21.8 10.3 5.7
P3 7.4 16.6 25.9 11.2 5.8
P4 9.8 20.9 29.8 18.7 7.6
1 7.1 15.8 24.1 10.7 5.9
2 10.2 22.0 30.1 19.2 8.8
3 10.3 22.1 30.4 19.3 9.0
"""  # B@4, M, R, C, S on EMOSEC
TABLE_2 = """
P1 67.0 - 32.9 -
P2 - - 55.7 -
P3 72.0 - - -
P4 77.2 14.57 - -
P5 78.6 - 56.4 -
P6 74.8 - - -
P7 64.8 25.6 - -
P8 77.5 22.5 - -
1 64.6 23.8 53.2 45.7
2 68.9 39.1 54.6 60.2
3 69.3 28.0 54.8 41.2
4 73.6 24.3 56.4 29.9
5 70.6 18.9 53.3 29.6
6 75.5 - 56.5 -
7 77.6 11.1 60.1 25.3
"""  # UA, WER on IEMOCAP, then on MELD
TABLE_3 = """
1 10.2 22.0 30.1 19.2 8.8 75.5 - 56.5 -
2 8.0 17.9 26.7 16.3 5.1 76.8 10.7 59.1 25.0
3 - - - - - 70.6 18.9 53.3 29.6
4 10.3 22.1 30.4 19.3 9.0 77.6 11.1 60.1 25.3
5 7.8 16.9 25.2 12.4 6.7 72.8 17.7 53.5 28.6
6 9.8 21.5 29.6 18.9 8.6 77.3 11.8 59.7 26.0
7 10.4 21.9 30.3 19.4 8.9 77.4 11.3 60.2 25.1
8 10.0 21.7 29.6 18.6 8.5 77.1 11.6 59.8 25.8
"""  # both
SED = [("EMOSEC", metric) for metric in ("BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE")]
SER = [(corpus, metric) for corpus in ("IEMOCAP", "MELD") for metric in ("UA", "WER")]


@pytest.mark.parametrize(
    ("table", "printed", "columns"), [(1, TABLE_1, SED), (2, TABLE_2, SER), (3, TABLE_3, [*SED, *SER])]
)
def test_every_printed_figure_is_there_and_no_other(table, printed, columns):
    lines = [line.split() for line in printed.strip().splitlines()]
    assert [row.id for row in rows(table)] == [line[0] for line in lines]
    for row, (_, *cells) in zip(rows(table), lines, strict=True):
        told = {column: float(cell) for column, cell in zip(columns, cells, strict=True) if cell != "-"}
        assert {(c, m): value for c, found in row.figures.items() for m, value in found.items()} == told


def test_a_row_that_two_tables_share_has_one_system_and_one_figure():
    assert rows(1)[-1].system == rows(2)[-1].system == rows(3)[3].system == "fd_ser_sed_asr"
    assert rows(2)[-1].figures["MELD"] == rows(3)[3].figures["MELD"]


def test_at_ears_scale_one_row_of_ours_stands_for_those_that_differ_in_their_encoder():
    printed, shown = rows(2), rows(2, "ears")
    [ours] = [row for row in shown if row.id not in {row.id for row in printed}]
    left = [(row.id, row.figures) for row in shown if row is not ours]
    assert (ours.id, ours.system, ours.figures) == ("1-3", "ssl_whisper", {})
    assert left == [(row.id, row.figures) for row in printed]  # what the paper has stays
    changed = [row.id for row in shown if row is not ours and row not in printed]
    assert changed == ["1", "2", "3"] and not [row for row in shown if row.id in changed and row.system]
    assert rows(3, "ears") == rows(3) and rows(2, "tiny") == printed


def test_compared_rows_are_rows_of_ours():
    for table, pairs in PAIRS.items():
        ours = {row.id for row in rows(table) if row.system}
        assert {id for pair in pairs for id in pair} <= ours


def test_there_is_no_fourth_table():
    with pytest.raises(ReproductionError, match="no table 4; expected 1, 2, 3"):
        rows(4)
