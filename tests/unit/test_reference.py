import pytest

from flexmeter.reference import FOLDER, PAGES, page


@pytest.mark.parametrize("name", PAGES)
def test_page_says_what_the_data_says(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == page(name), "run python -m flexmeter.reference"
