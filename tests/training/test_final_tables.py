"""The tables that a run ends with."""

from samples import run_result

from zoo.training.config import RunConfig
from zoo.training.final_tables import print_scores
from zoo.training.outcome import scores_of


def test_the_data_is_named_as_it_is_whatever_brackets_it_has(capsys):
    for name in ("Title v01 [digital].cbz", "x [/b]"):
        print_scores(RunConfig("residual", data=name), scores_of(run_result()))
        assert capsys.readouterr().out.startswith(f"residual on {name}, step 100 of 400")
