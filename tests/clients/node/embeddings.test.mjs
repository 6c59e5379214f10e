// Texts become vectors.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { clientOf, mixed, sdks } from "./sdks.mjs";

const golden = new URL("../../../rustygpt-model/tests/fixtures/embedding_models/bert-mean/golden.json", import.meta.url);
const { texts } = JSON.parse(await readFile(golden, "utf8"));

for (const { name, OpenAI } of sdks) {
  describe(name, () => {
    const client = clientOf(OpenAI, mixed);
    const embed = (options) => client.embeddings.create({ model: "embedder", ...options });

    // Without a format the SDK asks for base64 and decodes it itself.
    for (const format of [{}, { encoding_format: "float" }]) {
      test(`a batch has the vectors of the reference: ${JSON.stringify(format)}`, async () => {
        const answer = await embed({ input: texts.map(({ text }) => text), ...format });
        assert.equal(answer.data.length, texts.length);
        answer.data.forEach(({ embedding, index }, place) => {
          assert.equal(index, place);
          const { vector } = texts[place];
          assert.equal(embedding.length, vector.length);
          embedding.forEach((value, element) => assert.ok(Math.abs(value - vector[element]) < 2e-6));
        });
        assert.equal(answer.usage.prompt_tokens, texts.reduce((sum, { ids }) => sum + ids.length, 0));
      });
    }

    test("a text that is too long is refused and named", async () => {
      const refused = await embed({ input: ["short", "word ".repeat(200)] }).catch((error) => error);
      assert.ok(refused instanceof OpenAI.BadRequestError);
      assert.equal(refused.code, "context_length_exceeded");
      assert.equal(refused.param, "input[1]");
    });

    test("a model that embeds does not chat", async () => {
      const chat = client.chat.completions.create({ model: "embedder", messages: [{ role: "user", content: "Hello" }] });
      const refused = await chat.catch((error) => error);
      assert.ok(refused instanceof OpenAI.BadRequestError);
      assert.equal(refused.code, "model_not_supported");
    });
  });
}
