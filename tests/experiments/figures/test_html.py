"""A page of Markdown as HTML."""

from html import escape
from urllib.parse import quote

from experiments.figures.html import slug, to_html
from experiments.figures.markdown import plain, table


def test_markdown_becomes_tables_that_scroll_and_figures_that_are_inside():
    html = to_html("# T\n\n![a](a.png)\n\n| x |\n| --- |\n| 1 < 2 |\n", "T", {"a.svg": b"<svg/>"}.__getitem__)
    assert '<div class="wide"><table>' in html and "1 &lt; 2" in html and "PHN2Zy8+" in html


def test_a_name_is_shown_as_it_is_whatever_its_letters_mean():
    name = r"a$b$ _c_ <b>&amp; d_e \* [x](y) `f` | 100%"
    html = to_html(f"{plain(name)}\n\n{table('| x |', [[plain(name)]])}", "T", str.encode)
    shown = escape(name, quote=False)
    assert f"<p>{shown}</p>" in html and f"<td>{shown}</td>" in html
    assert plain("MovieLens-1M, ratings_2020.csv (5 users)") == "MovieLens-1M, ratings_2020.csv (5 users)"


def test_a_figure_is_found_by_a_name_of_any_letters():
    picture = "study/figure2-a b%20&c.png"
    html = to_html(f"![a]({quote(picture, safe='/+')})", "T", {"study/figure2-a b%20&c.svg": b"<svg/>"}.__getitem__)
    assert "PHN2Zy8+" in html


def test_a_heading_has_the_anchor_that_github_gives_it():
    assert slug("Figure 2: quality against embedding_dim") == "figure-2-quality-against-embedding_dim"
    assert '<h2 id="ncfs-own-protocol">NCF\'s own protocol</h2>' in to_html("## NCF's own protocol", "T", str.encode)


def test_long_names_of_columns_may_wrap():
    html = to_html("| embedding_dim | NDCG@10 |\n| --- | --- |\n| a_b | c@d |\n", "T", str.encode)
    assert "<th>embedding_<wbr>dim</th>" in html and "<th>NDCG@<wbr>10</th>" in html
    assert "<td>a_b</td>" in html and "<td>c@d</td>" in html


def test_numbers_do_not_wrap_and_words_do():
    html = to_html("| x | y |\n| --- | --- |\n| ± 0.1 | python -m x |\n", "T", str.encode)
    assert '<td class="number">± 0.1</td>' in html and "<td>python -m x</td>" in html
