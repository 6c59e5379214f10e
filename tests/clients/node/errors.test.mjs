// What goes wrong has the SDK's own class; what may get better is tried again.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, test } from "node:test";
import { awaitStatus, clientOf, endless, hello, narrow, sdks, status, wide } from "./sdks.mjs";

const short = { model: "long", messages: hello, max_tokens: 4 };

for (const { name, OpenAI } of sdks) {
  describe(name, () => {
    const client = clientOf(OpenAI, wide);
    const fails = async (promise, kind, fields) => {
      const error = await promise.then(() => assert.fail("it went well"), (error) => error);
      assert.ok(error instanceof kind, `${error}`);
      for (const [field, value] of Object.entries(fields)) assert.equal(error[field], value, field);
      return error;
    };

    test("a wrong key", async () => {
      const error = await fails(clientOf(OpenAI, { ...wide, key: "wrong" }).models.list(), OpenAI.AuthenticationError, {
        status: 401,
        code: "invalid_api_key",
      });
      assert.match(error.requestID, /^req_/);
    });

    test("a model that is not there", async () => {
      const fields = { status: 404, code: "model_not_found", param: "model", type: "invalid_request_error" };
      await fails(client.chat.completions.create({ ...short, model: "nobody" }), OpenAI.NotFoundError, fields);
      await fails(client.models.retrieve("nobody"), OpenAI.NotFoundError, fields);
    });

    test("a request that cannot be", async () => {
      for (const [options, code, param] of [
        [{ temperature: 9 }, "invalid_value", "temperature"],
        [{ temperature: "hot" }, "invalid_type", "temperature"],
        [{ messages: [{ role: "user", content: 7 }] }, "invalid_type", "messages[0].content"],
        [{ model: "tiny", messages: [{ role: "user", content: "x".repeat(3000) }] }, "context_length_exceeded", "messages"],
      ]) {
        for (const stream of [false, true]) {
          const asked = client.chat.completions.create({ ...short, ...options, stream });
          await fails(asked, OpenAI.BadRequestError, { status: 400, code, param });
        }
      }
    });

    test("nobody listens", async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await new Promise((listening) => server.once("listening", listening));
      const { port } = server.address();
      await new Promise((closed) => server.close(closed));
      const lonely = clientOf(OpenAI, { url: `http://127.0.0.1:${port}`, key: "x" });
      await fails(lonely.models.list(), OpenAI.APIConnectionError, {});
    });

    test("a client without patience", async () => {
      const asked = client.chat.completions.create(endless, { timeout: 1000 });
      await fails(asked, OpenAI.APIConnectionTimeoutError, {});
      await awaitStatus(wide, "long", { running: 0 });
    });

    test("a full queue turns away, and a retry waits as long as it was told", async () => {
      const crowd = [];
      const crowding = clientOf(OpenAI, narrow);
      for (const wanted of [{ running: 1 }, { running: 1, waiting: 1 }]) {
        crowd.push(await crowding.chat.completions.create({ ...endless, stream: true }));
        await awaitStatus(narrow, "long", wanted);
      }
      await fails(clientOf(OpenAI, narrow).chat.completions.create(short), OpenAI.RateLimitError, {
        status: 429,
        code: "queue_full",
      });
      assert.equal((await status(narrow, "long")).waiting, 1);

      const seen = [];
      const watching = clientOf(OpenAI, narrow, {
        maxRetries: 3,
        fetch: async (...request) => {
          const response = await fetch(...request);
          seen.push({ status: response.status, at: Date.now(), retryAfter: Number(response.headers.get("retry-after")) });
          if (response.status === 429) for (const stream of crowd) stream.controller.abort();
          return response;
        },
      });
      const answer = await watching.chat.completions.create(short);
      assert.ok(answer.usage.completion_tokens <= 4);
      assert.deepEqual(seen.map((response) => response.status), [429, 200]);
      assert.ok(seen[0].retryAfter >= 1);
      assert.ok(seen[1].at - seen[0].at >= seen[0].retryAfter * 1000 - 20);
      await awaitStatus(narrow, "long", { running: 0, waiting: 0 });
    });
  });
}
