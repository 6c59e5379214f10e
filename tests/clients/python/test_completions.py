"""Bare texts with OpenAI's SDK."""

import openai
import pytest
from conftest import MODEL


@pytest.fixture
def complete(client):
    """Has the small model go on with a text; whatever is said more goes to the SDK."""

    def complete(prompt="Once upon a time", **more):
        return client.completions.create(**{"model": MODEL, "prompt": prompt, "max_tokens": 12, **more})

    return complete


def test_streamed_and_whole_answers_say_the_same(complete):
    asked = {"prompt": ["one", "two"], "n": 2, "seed": 7, "echo": True}
    whole = complete(**asked)
    texts = ["", "", "", ""]
    for piece in complete(**asked, stream=True):
        [choice] = piece.choices
        texts[choice.index] += choice.text
    assert texts == [choice.text for choice in whole.choices]
    assert [text[:3] for text in texts] == ["one", "one", "two", "two"]
    assert whole.usage.completion_tokens <= 4 * 12


def test_tokens_are_told(complete):
    logprobs = complete(logprobs=3, temperature=0).choices[0].logprobs
    lists = [logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, logprobs.text_offset]
    assert len({len(one) for one in lists}) == 1
    # At temperature 0 each token is the likeliest.
    for logprob, top in zip(logprobs.token_logprobs, logprobs.top_logprobs, strict=True):
        assert logprob == pytest.approx(max(top.values()))


def test_the_best_of_several(complete):
    answer = complete(best_of=4, n=1, temperature=1)
    assert len(answer.choices) == 1
    assert answer.usage.completion_tokens > 12


def test_a_model_that_cannot_fill_in_the_middle_says_so(complete):
    with pytest.raises(openai.BadRequestError, match="filling in the middle") as caught:
        complete(suffix="the end.")
    assert caught.value.param == "suffix"
