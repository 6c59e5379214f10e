"""Texts become vectors."""

import json
import math
import os
from pathlib import Path

import openai
import pytest
from conftest import MODEL, Server, user

EMBEDDER = "embedder"  # a toy BERT with 128 positions and 32 dimensions
GOLDEN = Path(__file__).parents[3] / "rustygpt-model/tests/fixtures/embedding_models/bert-mean/golden.json"
MINILM = Path(__file__).with_name("minilm.json")


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


@pytest.fixture
def client():
    """Asks the server that has a model that answers and one that embeds."""
    with Server(os.environ["TEST_MIXED_URL"], os.environ["TEST_MIXED_KEY"]).client() as client:
        yield client


@pytest.fixture
def texts():
    return json.loads(GOLDEN.read_text())["texts"]


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_a_batch_has_the_vectors_of_the_reference(client, texts, options):
    # Without a format the SDK asks for base64 and decodes it itself.
    answer = client.embeddings.create(model=EMBEDDER, input=[text["text"] for text in texts], **options)
    assert answer.object == "list"
    assert answer.model == EMBEDDER
    assert [entry.index for entry in answer.data] == list(range(len(texts)))
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == sum(len(text["ids"]) for text in texts)
    if options.get("encoding_format") == "base64":
        assert all(isinstance(entry.embedding, str) for entry in answer.data)
        return
    for entry, text in zip(answer.data, texts, strict=True):
        assert entry.object == "embedding"
        assert entry.embedding == pytest.approx(text["vector"], abs=2e-6)


def test_one_text_and_token_ids_have_the_same_vector(client, texts):
    text, ids = texts[0]["text"], texts[0]["ids"]
    vectors = [
        client.embeddings.create(model=EMBEDDER, input=given).data[0].embedding
        for given in (text, [text], ids, [ids])
    ]
    assert all(vector == pytest.approx(vectors[0], abs=1e-6) for vector in vectors)


def test_fewer_dimensions_keep_the_direction_and_length_1(client):
    whole, cut = (
        client.embeddings.create(model=EMBEDDER, input="The sky is blue.", **more).data[0].embedding
        for more in ({}, {"dimensions": 8})
    )
    assert len(whole) == 32 and len(cut) == 8
    assert math.hypot(*cut) == pytest.approx(1, abs=1e-6)
    assert cosine(whole[:8], cut) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({"input": "word " * 200}, "context_length_exceeded", "input[0]"),
        ({"input": ["short", "word " * 200]}, "context_length_exceeded", "input[1]"),
        ({"input": ""}, "invalid_value", "input"),
        ({"input": []}, "invalid_value", "input"),
        ({"input": "x", "dimensions": 33}, "unsupported_parameter", "dimensions"),
        ({"input": "x", "model": MODEL}, "model_not_supported", "model"),
    ],
)
def test_what_cannot_be_embedded_is_refused_and_named(client, given, code, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(**{"model": EMBEDDER, **given})
    assert (refused.value.code, refused.value.param) == (code, param)


def test_each_model_does_what_it_is_for(client):
    def ask(model):
        return client.chat.completions.create(model=model, messages=user("Hello"), max_tokens=1)

    assert {EMBEDDER, MODEL} <= {model.id for model in client.models.list()}
    assert ask(MODEL).usage.completion_tokens <= 1
    with pytest.raises(openai.BadRequestError) as refused:
        ask(EMBEDDER)
    assert refused.value.code == "model_not_supported"
    assert "embedding model" in refused.value.message


def test_a_real_model_has_the_vectors_of_sentence_transformers(client):
    if "TEST_MINILM" not in os.environ:
        pytest.skip("SKIPPED: all-MiniLM-L6-v2 could not be fetched")
    golden = json.loads(MINILM.read_text())
    answer = client.embeddings.create(model="minilm", input=[text["text"] for text in golden])
    for entry, text in zip(answer.data, golden, strict=True):
        assert cosine(entry.embedding, text["vector"]) >= 0.9999, text["text"]
    assert answer.usage.prompt_tokens == sum(text["tokens"] for text in golden)
