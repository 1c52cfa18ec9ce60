"""What a ranking, or a choice among options, is worth for one question.

Rankings are scored by trec_eval itself, through pytrec_eval: nDCG with linear gains (Järvelin and Kekäläinen
2002, Cumulated gain-based evaluation of IR techniques), recall, and the reciprocal of the first relevant
rank. A choice among options is counted in expectation over what is tied, so that it cannot matter in which
order a file lists its options. Left out: measures of user patience, and judgements by grade below 1.
"""

from collections.abc import Mapping, Sequence

from tools.errors import SouschefError

NDCG_AT = 10


def ranking_scores(
    relevant: Mapping[str, int], ranked: Sequence[str], recall_at: Sequence[int]
) -> dict[str, float]:
    """nDCG@10, the recalls, and the reciprocal rank of the first relevant one in `ranked`, each 0 to 1.

    `relevant` holds grades above 0; `ranked` is best first, without repetition. Raises SouschefError on a
    machine that trec_eval has no wheel for.
    """
    try:
        from pytrec_eval import RelevanceEvaluator
    except ImportError as error:
        raise SouschefError(
            "Rankings are scored by trec_eval, which is not installed here: pip install pytrec-eval-terrier."
        ) from error

    cutoffs = ",".join(map(str, recall_at))
    measures = [f"ndcg_cut.{NDCG_AT}", f"recall.{cutoffs}", "recip_rank"]
    # trec_eval sorts by score and breaks ties by name: distinct scores keep the ranking as it is.
    run = {uid: float(len(ranked) - place) for place, uid in enumerate(ranked)}
    found = RelevanceEvaluator({"q": dict(relevant)}, measures).evaluate({"q": run})["q"]
    return {
        f"ndcg@{NDCG_AT}": found[f"ndcg_cut_{NDCG_AT}"],
        **{f"recall@{cutoff}": found[f"recall_{cutoff}"] for cutoff in recall_at},
        "mrr": found["recip_rank"],
    }


def choice_scores(answer: str, options: Sequence[str], scores: Mapping[str, float]) -> dict[str, float]:
    """How likely the answer comes first, and its expected reciprocal rank, with ties broken by chance.

    An option without a score was not found, and is tied with the others that were not, below all that were.

    >>> choice_scores("a", ["a", "b", "c", "d"], {"c": 2.0, "a": 2.0})
    {'accuracy': 0.5, 'mrr': 0.75}
    """
    lowest = float("-inf")
    own = scores.get(answer, lowest)
    above = sum(scores.get(option, lowest) > own for option in options)
    tied = sum(scores.get(option, lowest) == own for option in options)  # the answer among them
    return {
        "accuracy": 0.0 if above else 1 / tied,
        "mrr": sum(1 / (above + place) for place in range(1, tied + 1)) / tied,
    }
