"""Summaries without a model."""

from tools.baselines import BASELINES, lead, random_sentences

ARTICLE = "One is first. Dr. Two is next! Three came third? Four. Five. Six.\n\nSeven ends it"
SENTENCES = [
    "One is first.",
    "Dr. Two is next!",
    "Three came third?",
    "Four.",
    "Five.",
    "Six.",
    "Seven ends it",
]


def test_lead_3_is_the_first_three_sentences() -> None:
    assert lead(ARTICLE) == "One is first. Dr. Two is next! Three came third?"


def test_random_3_is_three_sentences_in_the_articles_order() -> None:
    for seed in range(50):
        places = [place for place, text in enumerate(SENTENCES) if text in random_sentences(ARTICLE, seed)]
        assert " ".join(SENTENCES[place] for place in places) == random_sentences(ARTICLE, seed)
        assert len(places) == 3


def test_random_3_takes_every_sentence_in_its_turn() -> None:
    drawn = " ".join(random_sentences(ARTICLE, seed) for seed in range(50))
    assert all(text in drawn for text in SENTENCES)


def test_the_seed_decides_what_random_3_takes() -> None:
    assert random_sentences(ARTICLE, 3) == random_sentences(ARTICLE, 3)
    assert len({random_sentences(ARTICLE, seed) for seed in range(50)}) > 10


def test_articles_of_one_length_do_not_all_give_the_same_places() -> None:
    other = ARTICLE.replace("One", "Eins")
    here, there = ([random_sentences(text, seed)[-7:] for seed in range(20)] for text in (ARTICLE, other))
    assert here != there


def test_an_article_of_two_sentences_is_given_whole() -> None:
    assert [write("Stir. Eat.", 0) for write in BASELINES.values()] == ["Stir. Eat.", "Stir. Eat."]


def test_an_empty_article_has_an_empty_summary() -> None:
    assert [write(" \n ", 0) for write in BASELINES.values()] == ["", ""]
