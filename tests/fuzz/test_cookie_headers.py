"""Generated Cookie headers: our cookie is found in the headers that a browser sends, and nowhere else."""

from hypothesis import given
from hypothesis import strategies as st

from holdall._cookie_header import cookie_finder

PREFIXED = "__Host-sid"
PLAIN = "sid"

# The characters that a browser allows in other cookies: no control character and no semicolon, and in names no equals
# sign.
BROWSERS = st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters=";\x7f")
PARTS = [",", '"', "=", " ", PREFIXED, PLAIN, f"{PREFIXED}=x", f",{PLAIN}=x"]
VALUES = st.lists(BROWSERS | st.sampled_from(PARTS)).map("".join)
NAMES = st.text(BROWSERS.filter(lambda each: each != "=")).map(lambda name: name.strip(" "))
OURS = st.text("ABCabc019-_.:=+/", min_size=1)


def sent(name: str, value: str) -> str:
    """Return a cookie as a browser sends it: without surrounding space, and a nameless one as its value alone."""
    value = value.strip(" \t")
    return f"{name}={value}" if name else value


OTHERS = st.lists(st.builds(sent, NAMES, VALUES))


def is_ours(pair: str, key: str) -> bool:
    return pair.partition("=")[0].strip(" \t") == key


@given(before=OTHERS, value=OURS, after=OTHERS)
def test_our_cookie_is_found_next_to_any_other(before: list[str], value: str, after: list[str]) -> None:
    for key in (PLAIN, PREFIXED):
        pairs = [each for each in (*before, *after) if not is_ours(each, key)]
        header = "; ".join([*pairs[: len(before)], f"{key}={value}", *pairs[len(before) :]])

        assert cookie_finder(key)(header) == [value]


@given(others=OTHERS)
def test_no_other_cookie_can_imitate_one_with_a_prefix(others: list[str]) -> None:
    pairs = [each for each in others if not is_ours(each, PREFIXED)]

    assert cookie_finder(PREFIXED)("; ".join(pairs)) == []


@given(header=st.lists(st.sampled_from([*PLAIN, PLAIN, "=", ";", "; ", ",", '"', " ", "\t", "\xa0"])).map("".join))
def test_the_fast_path_finds_what_the_slow_one_does(header: str) -> None:
    # Two headers take the slow path, even if the second is empty.
    assert cookie_finder(PLAIN)(header) == cookie_finder(PLAIN)(f"{PLAIN};{header}")
