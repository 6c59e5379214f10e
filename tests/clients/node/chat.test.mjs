// Answers, whole and as they come.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { awaitStatus, clientOf, endless, hello, sdks, wide } from "./sdks.mjs";

for (const { name, OpenAI } of sdks) {
  describe(name, () => {
    const client = clientOf(OpenAI, wide);
    const ask = (options = {}) =>
      client.chat.completions.create({ model: "tiny", messages: hello, max_tokens: 24, ignore_eos: true, ...options });
    const collect = async (options) => {
      const chunks = [];
      for await (const chunk of await ask({ stream: true, ...options })) chunks.push(chunk);
      return chunks;
    };
    const textOf = (chunks, index = 0) =>
      chunks
        .flatMap((chunk) => chunk.choices)
        .filter((choice) => choice.index === index)
        .map((choice) => choice.delta.content ?? "")
        .join("");

    test("a whole answer", async () => {
      const answer = await ask();
      assert.match(answer.id, /^chatcmpl-/);
      assert.equal(answer.object, "chat.completion");
      assert.equal(answer.model, "tiny");
      assert.equal(answer.choices.length, 1);
      const [choice] = answer.choices;
      assert.equal(choice.message.role, "assistant");
      assert.equal(typeof choice.message.content, "string");
      assert.equal(choice.message.refusal, null);
      assert.equal(choice.logprobs, null);
      assert.equal(choice.finish_reason, "length");
      assert.equal(answer.usage.completion_tokens, 24);
      assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + 24);
    });

    test("a stream has a role, pieces and a reason, and no usage that nobody asked for", async () => {
      const chunks = await collect();
      assert.equal(chunks[0].choices[0].delta.role, "assistant");
      assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
      assert.ok(chunks.slice(0, -1).every((chunk) => chunk.choices[0].finish_reason === null));
      assert.ok(chunks.every((chunk) => chunk.choices.length === 1 && !("usage" in chunk)));
    });

    test("usage comes last when asked for", async () => {
      const chunks = await collect({ stream_options: { include_usage: true } });
      const last = chunks.pop();
      assert.deepEqual(last.choices, []);
      assert.equal(last.usage.completion_tokens, 24);
      assert.ok(chunks.every((chunk) => chunk.usage === null));
    });

    test("a seed makes an answer repeatable, whole or streamed", async () => {
      const options = { seed: 31, temperature: 1, max_tokens: 80 };
      const whole = (await ask(options)).choices[0].message.content;
      assert.equal((await ask(options)).choices[0].message.content, whole);
      assert.equal(textOf(await collect(options)), whole);
      assert.notEqual((await ask({ ...options, seed: 32 })).choices[0].message.content, whole);
    });

    test("several choices", async () => {
      const options = { n: 2, seed: 6, temperature: 1 };
      const whole = await ask(options);
      assert.deepEqual(whole.choices.map((choice) => choice.index), [0, 1]);
      const chunks = await collect(options);
      assert.deepEqual([0, 1].map((index) => textOf(chunks, index)), whole.choices.map((c) => c.message.content));
    });

    test("a stop string is not part of the answer", async () => {
      const options = { seed: 3, temperature: 1, max_tokens: 200 };
      const whole = (await ask(options)).choices[0].message.content;
      const stop = whole.slice(5).match(/[!-~]{2}/)[0];
      const stopped = await ask({ ...options, stop: [stop] });
      assert.equal(stopped.choices[0].message.content, whole.slice(0, whole.indexOf(stop)));
      assert.equal(stopped.choices[0].finish_reason, "stop");
    });

    test("log-probabilities", async () => {
      const { content } = (await ask({ logprobs: true, top_logprobs: 3 })).choices[0].logprobs;
      assert.equal(content.length, 24);
      assert.ok(content.every((token) => token.logprob <= 0 && token.top_logprobs.length === 3));
    });

    test("the accumulating helper of the SDK", async () => {
      const runner = client.chat.completions.stream({ model: "tiny", messages: hello, max_tokens: 24, seed: 4 });
      let said = "";
      runner.on("content", (piece) => (said += piece));
      const answer = await runner.finalChatCompletion();
      assert.equal(answer.choices[0].message.content, said);
      assert.match(answer.choices[0].finish_reason, /^(stop|length)$/);
    });

    test("models and their aliases", async () => {
      const ids = [];
      for await (const model of client.models.list()) ids.push(model.id);
      assert.deepEqual(ids, ["gpt-4o", "long", "tiny"]);
      assert.equal((await client.models.retrieve("tiny")).id, "tiny");
    });

    test("the request's id, and the names of keys that nothing reads", async () => {
      const { data, response, request_id } = await ask({ invented: 1 }).withResponse();
      assert.match(request_id, /^req_/);
      assert.equal(data._request_id, request_id);
      assert.equal(response.headers.get("x-rustygpt-ignored"), "invented");
    });

    test("leaving a stream frees its slot", async () => {
      for await (const chunk of await client.chat.completions.create({ ...endless, stream: true })) {
        assert.ok(chunk.choices);
        break;
      }
      await awaitStatus(wide, "long", { running: 0 });
    });

    test("aborting a stream, or a whole answer, frees its slot", async () => {
      for (const stream of [true, false]) {
        const controller = new AbortController();
        const answer = client.chat.completions.create({ ...endless, stream }, { signal: controller.signal });
        const consumed = (async () => {
          for await (const chunk of await answer) assert.ok(chunk);
        })().catch((error) => error);
        await awaitStatus(wide, "long", { running: 1 });
        controller.abort();
        await consumed;
        await awaitStatus(wide, "long", { running: 0 });
      }
    });
  });
}
