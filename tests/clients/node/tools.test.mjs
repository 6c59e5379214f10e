// Tools: the model has random weights, so whatever comes right was made to.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { clientOf, hello, sdks, wide } from "./sdks.mjs";

const parameters = {
  type: "object",
  properties: { kind: { enum: ["small", "large"] }, count: { type: "integer", minimum: 1, maximum: 9 } },
  required: ["kind", "count"],
  additionalProperties: false,
};
const forced = {
  model: "tiny",
  messages: hello,
  max_tokens: 400,
  tools: [{ type: "function", function: { name: "order", parameters } }],
  tool_choice: "required",
  parallel_tool_calls: false,
};

for (const { name, OpenAI } of sdks) {
  describe(name, () => {
    const client = clientOf(OpenAI, wide);

    test("a forced call, whole and streamed", async () => {
      const request = { ...forced, seed: 5, temperature: 1 };
      const answer = await client.chat.completions.create(request);
      const [choice] = answer.choices;
      assert.equal(choice.finish_reason, "tool_calls");
      assert.equal(choice.message.content, null);
      const [call] = choice.message.tool_calls;
      assert.equal(call.function.name, "order");
      assert.ok(["small", "large"].includes(JSON.parse(call.function.arguments).kind));

      const deltas = [];
      for await (const chunk of await client.chat.completions.create({ ...request, stream: true }))
        for (const { delta } of chunk.choices) deltas.push(...(delta.tool_calls ?? []));
      assert.ok(deltas[0].id && deltas[0].function.name === "order" && deltas[0].index === 0);
      assert.ok(deltas.slice(1).every((delta) => delta.id === undefined));
      assert.equal(deltas.map((delta) => delta.function.arguments).join(""), call.function.arguments);
    });
  });
}
