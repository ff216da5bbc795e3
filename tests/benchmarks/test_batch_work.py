"""The benchmark of batch work goes on after the last turn that it kept."""

from click.testing import CliRunner

from benchmarks import batch_work


def test_a_stopped_benchmark_goes_on_after_the_last_turn(tmp_path, monkeypatch):
    (tmp_path / "clips.jsonl").touch()
    begun = []
    monkeypatch.setattr(batch_work, "plain", lambda *_: begun.append("plain"))
    monkeypatch.setattr(batch_work, "rows", lambda *given: begun.append("ray" if "--ray" in given else "processes"))
    command = [str(tmp_path / "clips.jsonl"), "--results", str(tmp_path / "turns"), "--turns"]
    assert CliRunner().invoke(batch_work.main, [*command, "1"]).exit_code == 0
    done = (tmp_path / "turns").read_text().splitlines(keepends=True)
    (tmp_path / "turns").write_text("".join(done[:2]))  # stopped in the third
    found = CliRunner().invoke(batch_work.main, [*command, "2"])
    assert begun == ["plain", "processes", "ray"] + ["ray"] + ["plain", "processes", "ray"]
    assert len((tmp_path / "turns").read_text().splitlines()) == 6
    assert found.output.count("of 2 plain processes' rate") == 3
