"""Quick checks of the corpus, with Python alone; CI runs them: `python3 training/check.py`."""

import json
import sys
import unittest
from itertools import islice
from random import Random

sys.path.insert(0, __file__.rpartition("/")[0] or ".")

import evaluate
import template
from corpus import forbidden, mix, passages, phrases

SAMPLE = 1500


def sample(seed: int) -> list[mix.Conversation]:
    """The first conversations of a stream."""
    return list(islice(mix.conversations(seed), SAMPLE))


class Corpus(unittest.TestCase):
    """What is promised of the corpus."""

    def test_the_same_seed_gives_the_same_conversations(self) -> None:
        self.assertEqual(sample(5), sample(5))
        self.assertNotEqual(sample(5), sample(6))

    def test_no_eight_words_of_the_evaluation_are_in_it(self) -> None:
        hidden = {gram for text in forbidden.prompts() for gram in forbidden.grams(text)}
        self.assertGreater(len(hidden), 300)
        for conversation in sample(7):
            for asked, answered in conversation.turns:
                self.assertFalse((forbidden.grams(asked) | forbidden.grams(answered)) & hidden, asked)

    def test_the_sources_hold_no_eight_words_of_the_evaluation(self) -> None:
        for path in mix.FOLDER.glob("*.txt"):
            for line in path.read_text(encoding="utf-8").splitlines():
                self.assertFalse(forbidden.grams(line) & forbidden.forbidden_grams(), f"{path.name}: {line}")

    def test_words_of_the_evaluation_are_refused(self) -> None:
        for text in forbidden.prompts():
            if len(forbidden.words(text)) >= forbidden.LENGTH:
                self.assertTrue(forbidden.is_in([(f"Well, {text} Thanks.", "Yes.")]), text)

    def test_every_kind_is_drawn(self) -> None:
        self.assertEqual({each.kind for each in sample(8)}, set(mix.SHARES))

    def test_passages_hold_the_answers(self) -> None:
        random = Random(3)
        for _ in range(500):
            text, questions = passages.passage(random)
            for question, answer in questions:
                self.assertTrue(answer in text or answer == passages.NOT_THERE, (text, question, answer))

    def test_calls_are_valid_and_name_a_tool_on_offer(self) -> None:
        for conversation in sample(9):
            if conversation.kind == "tools":
                names = {tool["function"]["name"] for tool in conversation.tools}
                for _, answer in conversation.turns:
                    call = json.loads(answer.removeprefix("<tool_call>").removesuffix("</tool_call>"))
                    self.assertIn(call["name"], names)

    def test_no_pattern_is_left_open(self) -> None:
        for name, book in mix.BOOKS.items():
            for fact in book.facts:
                self.assertTrue(fact.answers, fact.questions)
                for pattern in fact.questions:
                    wording = phrases.expand(pattern, Random(1), book.names)
                    self.assertNotRegex(wording, r"[{}|<>]", f"{name}: {pattern}")


class Evaluation(unittest.TestCase):
    """What is promised of the evaluation."""

    def test_there_are_at_least_300_prompts_and_each_wants_something(self) -> None:
        cases = evaluate.all_cases()
        self.assertGreaterEqual(len(cases), 300)
        for case in cases:
            self.assertTrue(case.wanted or case.ability == "outside", case.prompt)

    def test_a_right_answer_passes_and_a_wrong_one_does_not(self) -> None:
        case = evaluate.Case("product", "which port", [["7878"]], ["8080"], ["bleach"])
        self.assertTrue(evaluate.judge(case, "Port 7878.").is_right)
        self.assertFalse(evaluate.judge(case, "Port 7878 or 8080.").is_right)
        self.assertFalse(evaluate.judge(case, "Port 7878, and drink bleach.").is_right)
        wanted = 'set_timer {"minutes": 8}'
        for call, is_right in (('"minutes": 8', True), ('"minutes": 9', False), ('"hours": 8', False)):
            answer = '<tool_call>\n{"name": "set_timer", "arguments": {%s}}\n</tool_call>' % call
            self.assertEqual(evaluate.is_right_call(wanted, answer), is_right, call)

    def test_loops_are_seen(self) -> None:
        self.assertTrue(evaluate.repeats("Press on the wound. Call 112. Press on the wound."))
        self.assertFalse(evaluate.repeats("Press on the wound. Call 112."))


class Template(unittest.TestCase):
    """What is promised of the template."""

    def test_only_answers_are_learnt(self) -> None:
        pieces = template.segments("Be brief.", [], [("Hi", "Hello!"), ("Bye", "Bye!")])
        self.assertEqual([text for text, is_learnt in pieces if is_learnt], ["Hello!<|im_end|>", "Bye!<|im_end|>"])

    def test_the_model_file_renders_the_same(self) -> None:
        try:
            import jinja2
        except ImportError:
            self.skipTest("jinja2 is not here")
        environment = jinja2.Environment()
        for conversation in sample(10)[:300]:
            messages = [{"role": "system", "content": conversation.system}] if conversation.system else []
            for asked, answered in conversation.turns:
                messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
            rendered = environment.from_string(template.JINJA).render(messages=messages, tools=conversation.tools)
            pieces = template.segments(conversation.system, conversation.tools, conversation.turns)
            self.assertEqual(rendered.rstrip("\n"), "".join(text for text, _ in pieces))


if __name__ == "__main__":
    unittest.main()
