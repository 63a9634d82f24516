"""Relevance, ranking of a whole collection, the report, and σ against the true number of matches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from numpy.typing import NDArray
from scipy.stats import rankdata

from corpus.manifest import Corpus, Entry
from corpus.read import read
from corpus.scenes.generate import write
from corpus.scenes.truth import truth_of
from evaluation import protocols, relevance
from evaluation.calibration import calibrate
from evaluation.positives import Positives, Ranks, rank_positives
from evaluation.protocols import Embedded, embed, quality_in_folds, rank, ranking_quality, rsum
from evaluation.relevance import Relevance, alike_in_categories, owners, plausible, relevant, same_words
from evaluation.report import Asked, measure, recall_1_of_exact
from evaluation.tables import read_tables
from evaluation.uncertainty import ambiguity_correlation
from models.calibration import Direction
from models.encoders import Encoder, EncoderConfig
from models.errors import ConfigError, CorpusError
from models.gaussian import Gaussian
from models.image import Framing, decode
from models.match import MatchHead
from models.text import Vocabulary

ENTRIES = [
    Entry("a", Path("a.png"), ("one", "two"), "rose"),
    Entry("b", Path("b.png"), ("three",), "lily"),
    Entry("c", Path("c.png"), ("four",), "rose"),
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Twelve small Scenes with three captions each."""
    folder = tmp_path_factory.mktemp("scenes") / "corpus"
    write(folder, 12, 1, side=32, per_image=3)
    return read(folder)


@pytest.fixture(scope="module")
def encoder(scenes: Corpus) -> Encoder:
    """A small model with random weights."""
    torch.manual_seed(0)
    config = EncoderConfig(16, 8, "resnet18", 1, Framing(32, 1.0))
    words = Vocabulary.from_captions([caption for entry in scenes.entries for caption in entry.captions])
    return Encoder(config, words, MatchHead(10.0, 9.0)).eval().requires_grad_(False)


def test_relevance_by_instance_and_by_label() -> None:
    """A caption matches its own image, or every image of its class."""
    assert owners(ENTRIES).tolist() == [0, 0, 1, 2]
    by_instance, by_label = (relevant(ENTRIES, kind).mask() for kind in (Relevance.INSTANCE, Relevance.LABEL))
    assert by_instance.astype(int).tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert by_label.astype(int).tolist() == [[1, 0, 1], [1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_captions_of_the_same_words_match_each_others_images() -> None:
    """Case and punctuation do not count; other captions keep their own image."""
    twins = [Entry("a", Path("a.png"), ("A red star.", "blue")), Entry("b", Path("b.png"), ("a red star", "green"))]
    assert same_words(twins).mask().astype(int).tolist() == [[1, 1], [1, 0], [1, 1], [0, 1]]


def test_images_alike_in_categories_match() -> None:
    """Up to as many categories may be missing or too many as the tolerance says."""
    sets = (["cat", "dog"], ["dog"], ["cat", "dog", "bus"], ["tree"])
    made = [Entry(str(i), Path("x.png"), ("text",), meta={"categories": names}) for i, names in enumerate(sets)]
    for tolerance in (0, 1, 2, 3, 4):
        expected = [[len({*one} ^ {*other}) <= tolerance for other in sets] for one in sets]
        assert alike_in_categories(made, tolerance).mask().tolist() == expected
    with pytest.raises(ConfigError, match="categories"):
        alike_in_categories(ENTRIES, 0)


def test_what_is_not_known_is_not_assumed() -> None:
    """Without labels or scenes the wider relevances are refused, and the plausible one is by instance."""
    bare = [Entry("a", Path("a.png"), ("one",))]
    assert plausible(bare) is Relevance.INSTANCE
    assert plausible(ENTRIES) is Relevance.LABEL
    for kind in (Relevance.LABEL, Relevance.TRUTH):
        with pytest.raises(ConfigError, match="choose instance"):
            relevant(bare, kind)


def test_scenes_know_the_truth(scenes: Corpus) -> None:
    """Every caption is true of its own picture, and truth is what counts where it is known."""
    truth = relevant(scenes.entries, Relevance.TRUTH).mask()
    assert plausible(scenes.entries) is Relevance.TRUTH
    assert truth[np.arange(36), owners(scenes.entries)].all()


def test_embedding_is_the_encoder_item_by_item(encoder: Encoder, scenes: Corpus) -> None:
    """Whatever the batch: each image and caption as if encoded alone, in order; progress reaches the end."""
    told: list[tuple[int, int]] = []
    embedded = embed(encoder, scenes.entries, lambda done, total: told.append((done, total)), batch=5)
    assert told[-1] == (48, 48)
    for row in (0, 7, 11):
        alone = encoder.encode_images([decode(scenes.entries[row].image.read_bytes())])
        torch.testing.assert_close(embedded.images.mean[row], alone.mean[0], atol=1e-5, rtol=1e-4)
        caption = encoder.encode_texts([scenes.entries[row].captions[1]])
        torch.testing.assert_close(embedded.texts.log_variance[3 * row + 1], caption.log_variance[0], atol=1e-4, rtol=0)


def embedded_by_hand() -> Embedded:
    """Images on a line at 0, 1, 2; captions near their images, but for caption `two`, which lies beyond 1."""

    def points(values: list[float]) -> Gaussian:
        mean = torch.tensor(values)[:, None]
        return Gaussian(mean, torch.zeros_like(mean))

    return Embedded(ENTRIES, points([0.0, 1.0, 2.0]), points([0.1, 1.2, 0.9, 2.1]))


def test_ranking_quality_by_hand() -> None:
    """Three of four captions find their image first; images find a caption of theirs first, two in three."""
    quality = ranking_quality(embedded_by_hand(), Relevance.INSTANCE)
    text = quality[Direction.TEXT_TO_IMAGE]
    assert (text.recall_1, text.recall_5, text.queries) == (0.75, 1.0, 4)
    image = quality[Direction.IMAGE_TO_TEXT]
    assert image.recall_1 == pytest.approx(1.0)
    assert image.r_precision == pytest.approx((1 / 2 + 1 + 1) / 3)


def test_recall_of_exact_captions_leaves_the_others_out() -> None:
    """Only captions that are true of one image are asked."""
    truth = relevant(ENTRIES, Relevance.INSTANCE).mask()
    own, embedded = Positives.of_mask(truth.copy()), embedded_by_hand()
    for expected in (0.75, 1.0):
        ranked = rank(embedded.texts, embedded.images, own, Positives.of_mask(truth))
        assert recall_1_of_exact(ranked.wider) == expected
        truth[1] = True
    vague = rank(embedded.texts, embedded.images, own, Positives.of_mask(np.ones((4, 3), dtype=bool)))
    assert np.isnan(recall_1_of_exact(vague.wider))


def test_folds_are_ranked_alone() -> None:
    """Two folds of two images: the mean of what each gives by itself; the fifth image is left over."""
    entries = [Entry(str(i), Path("x.png"), ("one", "two")) for i in range(5)]
    generator = torch.Generator().manual_seed(0)
    images, texts = (Gaussian(torch.randn(n, 3, generator=generator), torch.zeros(n, 3)) for n in (5, 10))
    parts = [Embedded(entries[a : a + 2], images[a : a + 2], texts[2 * a : 2 * a + 4]) for a in (0, 2)]
    alone = [ranking_quality(part, Relevance.INSTANCE) for part in parts]
    found = quality_in_folds(Embedded(entries, images, texts), 2)
    for direction in Direction:
        pair = [each[direction] for each in alone]
        assert found[direction].recall_1 == pytest.approx((pair[0].recall_1 + pair[1].recall_1) / 2)
        assert found[direction].median_rank == pytest.approx((pair[0].median_rank + pair[1].median_rank) / 2)
        assert found[direction].queries == pair[0].queries + pair[1].queries
    with pytest.raises(ConfigError, match="fewer"):
        quality_in_folds(Embedded(entries, images, texts), 6)


def test_rsum_adds_six_recalls() -> None:
    """In per cent: 75 + 100 + 100 for captions, 3 × 100 for images."""
    assert rsum(ranking_quality(embedded_by_hand(), Relevance.INSTANCE)) == pytest.approx(575)


def test_progress_of_a_ranking_goes_on_through_both_directions() -> None:
    """It never falls back, and ends with all queries."""
    told: list[tuple[int, int]] = []
    ranking_quality(embedded_by_hand(), progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 7), (7, 7)]


def test_ambiguity_correlation_is_that_of_ranks() -> None:
    """Spearman's ρ is Pearson's r of the ranks; items that match nothing are left out."""
    rng = default_rng(0)
    matches = rng.random((40, 25)) < rng.random((40, 1))
    matches[3] = False
    sigma = matches.sum(1) + rng.normal(0, 5, 40)
    kept = matches.any(1)
    expected = np.corrcoef(rankdata(sigma[kept]), rankdata(matches.sum(1)[kept]))[0, 1]
    found = ambiguity_correlation(sigma, matches.sum(1))
    assert found.spearman == pytest.approx(expected)
    assert found.items == kept.sum()
    assert np.isnan(ambiguity_correlation(np.ones(40), matches.sum(1)).spearman)


def test_further_rankings_stand_beside_the_usual_one(tmp_path: Path) -> None:
    """By the same words, by folds, by a given table, and by categories: each by its own positives."""
    names = {"categories": ["cat"]}
    entries = [
        Entry("a", Path("a.png"), ("one", "two"), meta={**names, "cocoid": 7, "sentids": [70, 71]}),
        Entry("b", Path("b.png"), ("two",), meta={**names, "cocoid": 8, "sentids": [80]}),
        Entry("c", Path("c.png"), ("four",), meta={**names, "cocoid": 9, "sentids": [90]}),
    ]
    (tmp_path / "far_caption_to_image.json").write_text('{"90": [7], "12345": [7]}')
    (tmp_path / "far_image_to_caption.json").write_text('{"7": [90]}')
    by_hand = embedded_by_hand()
    embedded = Embedded(entries, by_hand.images, by_hand.texts)
    encoder = SimpleNamespace(match=MatchHead(10.0, 9.0), calibration=None)
    (table,) = read_tables(tmp_path, entries)
    assert (table.name, table.unknown) == ("far", 1)
    figures = measure(embedded, encoder, asked=Asked(same_words=True, folds=3, tables=(table,)))  # type: ignore[arg-type]
    text = {name: ranking[Direction.TEXT_TO_IMAGE] for name, ranking in figures.further.items()}
    assert figures.ranking[Direction.TEXT_TO_IMAGE].recall_1 == 0.75
    assert text["same words count"].recall_1 == 1.0
    assert text["3 folds"].recall_1 == 1.0
    # The caption at 2.1 is asked for the image at 0, the last of three.
    assert (text["far"].median_rank, text["far"].queries, text["far"].recall_1) == (3.0, 1, 0.0)
    assert figures.pmrp == dict.fromkeys(Direction, 1.0)
    json.dumps(figures.to_dict())


@pytest.mark.parametrize("content", ["[]", "{", '{"1": 2}', None])
def test_a_bad_table_is_named(tmp_path: Path, content: str | None) -> None:
    """No table at all, half of one, and files that are none."""
    with pytest.raises(CorpusError, match="holds no table"):
        read_tables(tmp_path, ENTRIES)
    (tmp_path / "x_caption_to_image.json").write_text("{}")
    if content is not None:
        (tmp_path / "x_image_to_caption.json").write_text(content)
    with pytest.raises(CorpusError, match=r"x_image_to_caption\.json is no table of ids"):
        read_tables(tmp_path, ENTRIES)


def test_a_report_ranks_once_and_works_out_the_truth_once(
    encoder: Encoder, scenes: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recalls, bins, exact captions and sensitivity come from one ranking a direction, and change nothing of it."""
    embedded, rankings, truths = embed(encoder, scenes.entries), [], []
    monkeypatch.setattr(encoder, "calibration", calibrate(embedded, encoder.match))

    def ranked(*given: Any, **named: Any) -> tuple[Ranks, ...]:
        rankings.append(given)
        return rank_positives(*given, **named)

    def truth(entries: Sequence[Entry]) -> NDArray[np.bool_]:
        truths.append(entries)
        return truth_of(entries)

    expected = ranking_quality(embedded)
    monkeypatch.setattr(protocols, "rank_positives", ranked)
    monkeypatch.setattr(relevance, "truth_of", truth)
    assert measure(embedded, encoder).ranking == expected
    assert (len(rankings), len(truths)) == (2, 1)


def test_the_report_holds_every_figure(encoder: Encoder, scenes: Corpus) -> None:
    """With a calibration its reliability stands beside the raw one; Scenes add what only they know."""
    embedded = embed(encoder, scenes.entries)
    figures = measure(embedded, encoder)
    assert set(figures.reliability["text-to-image"]) == {"pairs", "matches", "share", "raw"}
    encoder.calibration = calibrate(embedded, encoder.match)
    figures = measure(embedded, encoder)
    encoder.calibration = None
    calibrated = figures.reliability["text-to-image"]
    assert calibrated["calibrated"]["log_loss"] < calibrated["raw"]["log_loss"]
    assert figures.recall_1_exact is not None
    assert sum("true number of matches" in line for line in figures.sentences) == 2
    assert sum("by R-AUROC" in line for line in figures.sentences) == 2
    assert figures.to_dict()["ambiguity"]["texts"]["items"] == 36
