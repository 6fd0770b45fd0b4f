import numpy as np
import pytest

from ncfjax.data.movies import read_ml_100k_movies, read_movies, read_netflix_titles

GENRES = "unknown|0\nComedy|1\nWar|2\n\n"
ITEMS = """1|Café Noir (1995)|01-Jan-1994||http://x|0|1|0
7|unknown||||1|0|0
3|Long Title, The (1996)|||http://x|0|1|1
"""


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_ml_100k_has_flags_dates_and_titles(write, encoding):
    movies = read_ml_100k_movies(write("u.item", ITEMS.encode(encoding)), write("u.genre", GENRES))
    assert movies.ids.tolist() == [1, 7, 3]
    assert movies.titles == ("Café Noir (1995)", "unknown", "Long Title, The (1996)")
    np.testing.assert_array_equal(movies.years, [1994, np.nan, 1996])
    assert movies.genres == ("unknown", "Comedy", "War")
    assert movies.has_genre.tolist() == [[False, True, False], [True, False, False], [False, True, True]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "movies.dat",
            "2::Café Noir (1995)::War|Comedy\n9::A: B, C (1996-1999)::War\n4::Untitled::(no genres listed)\n",
        ),
        (
            "movies.csv",
            "movieId,title,genres\n2,Café Noir (1995),War|Comedy\n"
            '9,"A: B, C (1996-1999)",War\n4,Untitled,(no genres listed)\n',
        ),
    ],
)
def test_both_later_formats_are_read_alike(write, name, text):
    movies = read_movies(write(name, text))
    assert movies.ids.tolist() == [2, 9, 4]
    assert movies.titles == ("Café Noir (1995)", "A: B, C (1996-1999)", "Untitled")
    np.testing.assert_array_equal(movies.years, [1995, 1996, np.nan])
    assert movies.genres == ("Comedy", "War")
    assert movies.has_genre.tolist() == [[True, True], [False, True], [False, False]]


def test_netflixs_titles_may_have_commas_and_no_year(write):
    text = "1,2003,Dinosaur Planet\n2,NULL,Lights, Camera, Action\n3,1997,Café\n".encode("latin-1")
    movies = read_netflix_titles(write("movie_titles.csv", text))
    assert movies.titles == ("Dinosaur Planet", "Lights, Camera, Action", "Café")
    np.testing.assert_array_equal(movies.years, [2003, np.nan, 1997])
    assert movies.has_genre.shape == (3, 0)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_movies, "2::A (1995)\n", r"movies:1: expected 3 fields \(MovieID::Title::Genres\), got 2 in '2::A"),
        (read_movies, "2::A::War\nx::B::War\n", "movies:2: expected an integer id, got 'x'"),
        (read_movies, "2::A::War\n3::C::War\n2::B::War\n", "movies:3: expected each id once, got 2 again"),
        (
            read_netflix_titles,
            "1,2003,A\n2,2003\n",
            r"movies:2: expected 3 fields \(id,year,title\), got 2 in '2,2003'",
        ),
        (read_netflix_titles, "1,2003,A\n2,03,B\n", "movies:2: expected a year or NULL, got '03'"),
        (read_netflix_titles, "1,2003,A\n1,2004,B\n", "movies:2: expected each id once, got 1 again"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(write, read, text, message):
    with pytest.raises(ValueError, match=message):
        read(write("movies", text))


@pytest.mark.parametrize(
    ("items", "genres", "message"),
    [
        (
            ITEMS.replace("|0|1|1\n", "|0|1\n"),
            GENRES,
            r"u\.item:3: expected 8 fields, 5 and one for each genre of .*u\.genre, got 7",
        ),
        (ITEMS.replace("|0|1|1\n", "|0|1|2\n"), GENRES, r"u\.item:3: expected 0 or 1 for each genre, got '2'"),
        (ITEMS.replace("\n3|", "\n1|"), GENRES, r"u\.item:3: expected each id once, got 1 again"),
        (ITEMS, GENRES.replace("Comedy|1", "Comedy"), r"u\.genre:2: expected 2 fields \(genre\|column\), got 1"),
        (ITEMS, GENRES.replace("Comedy|1", "Comedy|x"), r"u\.genre:2: expected an integer id, got 'x'"),
        (ITEMS, GENRES.replace("Comedy|1", "Comedy|0"), r"u\.genre:2: expected each column from 0 to 2 once, got 0"),
        (ITEMS, GENRES.replace("Comedy|1", "Comedy|3"), r"u\.genre:2: expected each column from 0 to 2 once, got 3"),
    ],
)
def test_a_wrong_line_of_ml_100k_is_refused_with_its_number(write, items, genres, message):
    with pytest.raises(ValueError, match=message):
        read_ml_100k_movies(write("u.item", items), write("u.genre", genres))


def test_the_lines_of_u_genre_may_have_any_order(write):
    """Each says which flag of u.item is its own."""
    turned = "\n".join(GENRES.split()[::-1])
    one, other = (read_ml_100k_movies(write("u.item", ITEMS), write("u.genre", text)) for text in (GENRES, turned))
    assert one.genres == other.genres and one.has_genre.tolist() == other.has_genre.tolist()


def test_blanks_around_a_genre_are_no_part_of_it(write):
    for name, text in (
        ("movies.CSV", "movieId,title,genres\n2,A,War | Comedy\n"),
        ("movies.dat", "2::A::War|Comedy \n"),
    ):
        assert read_movies(write(name, text)).genres == ("Comedy", "War")


def test_a_movie_that_is_there_twice_is_refused_with_its_line_below_the_header(write):
    text = "movieId,title,genres\n2,A,War\n2,B,War\n"
    with pytest.raises(ValueError, match=r"movies\.csv:3: expected each id once, got 2 again"):
        read_movies(write("movies.csv", text))


@pytest.mark.realdata
def test_the_real_files_have_the_movies_that_their_readmes_count(real_data):
    ml_100k = read_ml_100k_movies(real_data / "ml-100k" / "u.item.gz", real_data / "ml-100k" / "u.genre.gz")
    assert (ml_100k.ids.tolist(), len(ml_100k.genres)) == (list(range(1, 1683)), 19)
    assert ml_100k.titles[0] == "Toy Story (1995)" and ml_100k.years[0] == 1995
    assert [ml_100k.genres[genre] for genre in np.flatnonzero(ml_100k.has_genre[0])] == [
        "Animation", "Children's", "Comedy"
    ]  # fmt: skip
    assert ml_100k.ids[np.isnan(ml_100k.years)].tolist() == [267]
    ml_1m = read_movies(real_data / "ml-1m.movies.dat.gz")
    assert (len(ml_1m.ids), len(ml_1m.genres), int(np.isnan(ml_1m.years).sum())) == (3883, 18, 0)
    netflix = read_netflix_titles(real_data / "netflix-prize-sample" / "movie_titles.csv.gz")
    assert netflix.ids.tolist() == list(range(1, 17771)) and int(np.isnan(netflix.years).sum()) == 7
