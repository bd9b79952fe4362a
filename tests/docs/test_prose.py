"""`tools/prose.py` counts what a reader reads, and nothing else."""

import prose
import pytest

PAGE = """# A heading of a great many words that nobody counts

Four words stand here. And `python -m zoo.train residual --data pages` is code
of R. Meda et al. in *one* sentence (with [a link](docs/a%20target.md "and its title")).

<!-- a comment
of two lines -->

| a | table |
|---|---|
| of. Some. | sentences. |

- An item with ![a picture of much](x.png) nothing.
- A\\* is <!-- value: drawn | a, mode | a_star | interval -->0.8 [0.7, 0.9]<!-- end --> here. Is
  it? Yes!

```sh
echo one two three. Four.
```
"""


def test_what_is_read_is_counted():
    found = prose.paragraphs(PAGE)
    assert [(each.line, [prose.words(sentence) for sentence in each.sentences]) for each in found] == [
        (3, [4, 15]),
        (13, [4]),
        (14, [4, 2, 1]),
    ]
    assert found[0].sentences[1] == ("And Code is code of R. Meda et al. in one sentence (with a link).")


def test_a_page_is_measured():
    assert prose.measure(PAGE) == {"sentences": 6, "median": 4, "ninth": 9.5, "longest": 19}
    assert prose.measure("# No text\n") is None


def test_the_command_shows_a_table(tmp_path, capsys):
    (tmp_path / "page.md").write_text(PAGE, encoding="utf-8")
    assert prose.main([str(tmp_path / "page.md"), "--longest", "1"]) == 0
    shown = capsys.readouterr().out
    assert "| 6 | 4 | 10 | 19 |" in shown
    assert "page.md:3: And Code is code" in shown
    assert prose.main([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It ends. *It* begins.", 2),
        ("By A. B. Meda. And Levin et al. 2004.", 2),
        ("It is 0.5 of 1.5. 3 more.", 2),
        ("(It ends.) So it begins.", 2),
    ],
)
def test_sentences_end_where_they_end(text, sentences):
    assert len(prose.Paragraph(1, text).sentences) == sentences
