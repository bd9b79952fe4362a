"""What an evaluation prints."""

from dataclasses import replace

from samples import evaluation

from zoo.evaluation.tables import print_tables


def test_the_data_is_named_as_it_is_whatever_brackets_it_has(capsys):
    evaluated = replace(evaluation(), data="Title v01 [digital].cbz")
    print_tables(evaluated)
    assert " of Title v01 [digital].cbz, " in capsys.readouterr().out.splitlines()[0]
