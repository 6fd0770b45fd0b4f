import gzip
import hashlib
import http.server
import io
import subprocess
import threading
import zipfile

import numpy as np
import pytest

from ncfjax.data import catalog
from ncfjax.data.catalog import CATALOG, NAMES, Entry, RemoteFile, checksum, load
from ncfjax.data.movielens import read_movielens
from ncfjax.data.ncf import read_ncf_files
from ncfjax.data.synthetic import SyntheticOptions

TRAIN = b"0\t1\t5\t30\n0\t0\t4\t20\n1\t2\t3\t40\n"
TEST = b"0\t2\t5\t31\n1\t3\t4\t41\n"
NEGATIVE = b"(0,2)\t3\n(1,3)\t0\n"
NCF_FILES = {"tiny.train.rating": TRAIN, "tiny.test.rating": TEST, "tiny.test.negative": NEGATIVE}
RATINGS = b"1::7::5::100\n1::9::4::200\n2::9::3::150\n2::8::3::50\n"


def zipped(member, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, content)
    return buffer.getvalue()


def git_blob(content):
    return "git:" + hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@pytest.fixture
def server(monkeypatch):
    """A web server with `content` by path; `requested` lists what was requested. Proxies do not apply to it."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    content, requested = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requested.append(self.path)
            body = content.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        running.content, running.requested = content, requested
        running.address = f"http://127.0.0.1:{running.server_port}/"
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def tiny(server, monkeypatch):
    """The data set "tiny" in NCF's format, on the server."""
    server.content.update({f"/{name}": content for name, content in NCF_FILES.items()})
    files = tuple(RemoteFile(name, server.address + name, git_blob(content)) for name, content in NCF_FILES.items())
    monkeypatch.setitem(CATALOG, "tiny", Entry(files, read_ncf_files))
    return server


@pytest.fixture
def tiny_ratings(server, monkeypatch):
    """The data set "tiny-ratings", a file in a zip file on the server."""
    archive = zipped("folder/ratings.dat", RATINGS)
    server.content["/tiny.zip"] = archive
    digest = "md5:" + hashlib.md5(archive).hexdigest()
    file = RemoteFile("ratings.dat", server.address + "tiny.zip", digest, "folder/ratings.dat")
    monkeypatch.setitem(CATALOG, "tiny-ratings", Entry((file,), read_movielens))
    return server


def write_ncf(folder, change=lambda content: content, suffix=""):
    folder.mkdir(exist_ok=True)
    for name, content in NCF_FILES.items():
        (folder / (name + suffix)).write_bytes(change(content))


def test_the_checksum_of_a_file_is_its_git_blob_id(tmp_path):
    (tmp_path / "file").write_bytes(NEGATIVE)
    expected = subprocess.run(["git", "hash-object", tmp_path / "file"], capture_output=True, text=True, check=True)
    assert checksum(NEGATIVE, "git:") == "git:" + expected.stdout.strip()


# downloads


def test_files_are_downloaded_once(tiny, tmp_path):
    first = load("tiny", data_dir=tmp_path / "new", num_negatives=1)
    again = load("tiny", data_dir=tmp_path / "new", num_negatives=1)
    assert sorted(tiny.requested) == sorted(f"/{name}" for name in NCF_FILES)
    assert sorted(path.name for path in (tmp_path / "new" / "tiny").iterdir()) == sorted(NCF_FILES)
    assert (first.name, first.negatives, first.note) == ("tiny", "file", "")
    np.testing.assert_array_equal(first.train.items, again.train.items)


def test_a_member_of_a_zip_file_is_downloaded_once(tiny_ratings, tmp_path):
    for _ in range(2):
        data = load("tiny-ratings", data_dir=tmp_path, num_negatives=1)
    assert tiny_ratings.requested == ["/tiny.zip"]
    assert [path.name for path in (tmp_path / "tiny-ratings").iterdir()] == ["ratings.dat"]
    assert (data.name, len(data.train), data.negatives) == ("tiny-ratings", 2, "1 drawn, seed=0")


@pytest.mark.parametrize("subfolder", ["", "tiny"])
def test_only_what_is_missing_is_downloaded(tiny, tmp_path, subfolder):
    write_ncf(tmp_path / subfolder)
    (tmp_path / subfolder / "tiny.test.negative").unlink()
    load("tiny", data_dir=tmp_path, num_negatives=1)
    assert tiny.requested == ["/tiny.test.negative"]


def test_only_what_is_missing_is_reported(tiny, tmp_path):
    write_ncf(tmp_path)
    (tmp_path / "tiny.test.rating").unlink()
    tiny.content.clear()
    with pytest.raises(FileNotFoundError, match=r"tiny: expected tiny\.test\.rating \(plain or \.gz\) in .*, got none"):
        load("tiny", data_dir=tmp_path, num_negatives=1)


@pytest.mark.parametrize("content", [TRAIN[:-1], b"", b"<html>not found</html>"])
def test_a_download_with_a_wrong_checksum_is_refused_and_leaves_nothing(tiny, tmp_path, content):
    tiny.content["/tiny.train.rating"] = content
    with pytest.raises(ValueError, match=r"tiny\.train\.rating: expected content with checksum git:\w+, got git:\w+"):
        load("tiny", data_dir=tmp_path, num_negatives=1)
    assert list((tmp_path / "tiny").iterdir()) == []
    tiny.content["/tiny.train.rating"] = TRAIN
    assert len(load("tiny", data_dir=tmp_path, num_negatives=1).train) == 3


def test_what_cannot_be_had_is_named_with_folder_and_address(tiny, tmp_path):
    del tiny.content["/tiny.test.rating"]
    with pytest.raises(FileNotFoundError) as caught:
        load("tiny", data_dir=tmp_path / "data", num_negatives=1)
    message = str(caught.value)
    for part in ("tiny.test.rating", str(tmp_path / "data"), tiny.address, "404", "NCFJAX_DATA"):
        assert part in message
    assert "tiny.test.negative" in message  # not requested any more, missing all the same
    assert "\n" not in message


def test_without_a_network_the_message_is_as_clear(tiny, tmp_path, monkeypatch):
    files = tuple(file._replace(address="http://127.0.0.1:9/" + file.name) for file in CATALOG["tiny"].files)
    monkeypatch.setitem(CATALOG, "tiny", Entry(files, read_ncf_files))
    with pytest.raises(
        FileNotFoundError, match=r"tiny: expected tiny\.train\.rating, .* in .*, got none, and the download"
    ):
        load("tiny", data_dir=tmp_path, num_negatives=1)


def test_a_folder_that_cannot_be_made_is_reported(tiny, tmp_path):
    (tmp_path / "data").write_text("a file, not a folder")
    with pytest.raises(FileNotFoundError, match="tiny: expected tiny.train.rating, .*Not a directory"):
        load("tiny", data_dir=tmp_path / "data", num_negatives=1)


def test_a_local_subset_without_its_files_says_that_there_is_no_address(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="pinterest-20-u37501.train.rating.*there is no address to download from"
    ):
        load("pinterest-u37501", data_dir=tmp_path)


# local files


@pytest.mark.parametrize("subfolder", ["", "tiny"])
@pytest.mark.parametrize(("change", "suffix"), [(bytes, ""), (gzip.compress, ".gz")], ids=["plain", "gz"])
def test_local_files_are_found_in_the_folder_or_its_subfolder(tiny, tmp_path, subfolder, change, suffix):
    write_ncf(tmp_path / subfolder, change, suffix)
    data = load("tiny", data_dir=tmp_path, num_negatives=1)
    assert (tiny.requested, data.note) == ([], "")


def test_local_files_that_lie_in_both_folders_are_read_together(tiny, tmp_path):
    write_ncf(tmp_path)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny.test.rating").rename(tmp_path / "tiny" / "tiny.test.rating")
    data = load("tiny", data_dir=tmp_path, num_negatives=1)
    assert (tiny.requested, len(data.train), data.negatives, data.note) == ([], 3, "file", "")


@pytest.mark.parametrize(("whole", "part"), [("", "tiny"), ("tiny", "")])
def test_a_folder_with_all_files_is_not_mixed_with_another(tiny, tmp_path, whole, part):
    write_ncf(tmp_path / "tiny")
    write_ncf(tmp_path)
    (tmp_path / part / "tiny.test.rating").unlink()
    (tmp_path / part / "tiny.train.rating").write_bytes(TRAIN + b"1\t0\t3\t50\n")
    data = load("tiny", data_dir=tmp_path, num_negatives=1)
    assert (tiny.requested, len(data.train), data.note) == ([], 3, "")


def test_local_files_that_are_not_the_original_are_taken_and_noted(tiny, tmp_path):
    write_ncf(tmp_path)
    (tmp_path / "tiny.train.rating").write_bytes(TRAIN + b"1\t2\t3\t40\n")
    data = load("tiny", data_dir=tmp_path, num_negatives=1)
    assert tiny.requested == []
    assert data.note == "local tiny.train.rating is not the original; 1 repeated train pairs dropped"


def test_the_folder_is_the_argument_else_the_environment_else_the_cache(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NCFJAX_DATA", raising=False)
    assert catalog.data_folder(None) == tmp_path / "cache" / "ncfjax"
    monkeypatch.setenv("NCFJAX_DATA", str(tmp_path / "environment"))
    assert catalog.data_folder(None) == tmp_path / "environment"
    assert catalog.data_folder(tmp_path / "argument") == tmp_path / "argument"
    write_ncf(tmp_path / "environment")
    assert len(load("tiny", num_negatives=1).train) == 3


# names


def test_synthetic_needs_no_files():
    data = load("synthetic", num_negatives=20, seed=5, synthetic=SyntheticOptions(num_users=30, num_items=80))
    assert data.held_out.negatives.shape == (30, 20)
    assert data.negatives == "20 drawn, seed=5"
    assert data.oracle is not None
    assert load("synthetic").train.num_users == 1000


def test_any_ncf_files_are_read_by_their_prefix(tmp_path):
    write_ncf(tmp_path)
    data = load("ncf", prefix=tmp_path / "tiny", num_negatives=1)
    assert (data.name, len(data.train), data.negatives) == ("tiny", 3, "file")
    (tmp_path / "tiny.test.negative").unlink()
    assert load("ncf", prefix=tmp_path / "tiny", num_negatives=1, seed=2).negatives == "1 drawn, seed=2"


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_any_table_is_read_by_its_path(tmp_path, suffix):
    content = b"user,item,timestamp\na,x,1\na,y,2\nb,z,1\n"
    (tmp_path / f"mine.csv{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    data = load("csv", path=tmp_path / "mine.csv", num_negatives=1)
    assert (data.name, len(data.train)) == ("mine", 2)


ALONE = "not evaluated: 1 of 2 users, with a single row"


def test_high_ratings_and_strengths_are_interactions_where_it_is_asked_for(tmp_path):
    (tmp_path / "u.data").write_bytes(RATINGS.replace(b"::", b"\t") + b"2\t6\t4\t999\n")
    data = load("ml-100k", data_dir=tmp_path, min_rating=4.0, num_negatives=1)
    note = "local u.data is not the original; ratings of at least 4; " + ALONE
    assert (len(data.train), len(data.held_out), data.note) == (2, 1, note)
    (tmp_path / "mine.csv").write_text("user,item,strength,timestamp\na,x,5,1\na,y,1,2\nb,z,1,1\n")
    data = load("csv", path=tmp_path / "mine.csv", strength=True, num_negatives=1)
    assert data.train.weights.tolist() == [5, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"name": "ml1m"},
            ValueError,
            r"dataset: expected one of synthetic, ml-1m, .*, got 'ml1m' \(did you mean 'ml-1m'",
        ),
        ({"name": "?"}, ValueError, r"dataset: expected one of .*, got '\?'$"),
        ({"name": "synthetic", "num_negatives": 0}, ValueError, "num_negatives: expected at least 1, got 0"),
        ({"name": "ncf"}, ValueError, "ncf: expected prefix=FOLDER/NAME, got none"),
        ({"name": "csv"}, ValueError, "csv: expected path=FILE, got none"),
        (
            {"name": "ml-1m", "min_rating": 4.0},
            ValueError,
            "min_rating: expected none, as ml-1m has no ratings to choose from, got 4",
        ),
        (
            {"name": "synthetic", "min_rating": 0.5},
            ValueError,
            "min_rating: expected none, as synthetic has no ratings",
        ),
        ({"name": "ncf", "prefix": "nowhere/x"}, FileNotFoundError, r"nowhere/x\.train\.rating: expected a file"),
        ({"name": "csv", "path": "nowhere/x.csv"}, FileNotFoundError, r"nowhere/x\.csv: expected a file"),
    ],
)
def test_a_wrong_name_or_place_is_refused_with_what_was_expected(arguments, error, message):
    with pytest.raises(error, match=message):
        load(**arguments)


def test_names_lists_every_data_set_once():
    assert set(NAMES) == {"synthetic", "ncf", "csv", *CATALOG}
    assert len(NAMES) == len(set(NAMES))


# real data


@pytest.mark.realdata
def test_the_original_files_have_the_checksums_of_the_catalog(real_data):
    for entry, suffixes in (("ml-1m", (1, 2)), ("pinterest", (1,))):
        for index in suffixes:
            file = CATALOG[entry].files[index]
            content = gzip.decompress((real_data / f"{file.name}.gz").read_bytes())
            assert checksum(content, file.checksum) == file.checksum


@pytest.mark.realdata
def test_ml_1m_notes_that_its_train_file_was_rebuilt(real_data):
    data = load("ml-1m", data_dir=real_data)
    assert (data.negatives, data.note) == ("file", "local ml-1m.train.rating is not the original")


@pytest.mark.realdata
def test_the_pinterest_subset_says_what_it_is(real_data):
    data = load("pinterest-u37501", data_dir=real_data)
    assert len(data.train) == 962_653
    assert (data.train.num_users, data.train.num_items) == (37_501, 9_836)
    assert data.negatives == "99 drawn, seed=0"
    subset = "subset, redrawn negatives, not comparable with the paper"
    assert data.note == f"{subset}; 25555 repeated train pairs dropped"


@pytest.mark.realdata
def test_ml_100k_is_found_in_its_subfolder(real_data):
    data = load("ml-100k", data_dir=real_data)
    assert (len(data.train), len(data.held_out)) == (99_057, 943)
