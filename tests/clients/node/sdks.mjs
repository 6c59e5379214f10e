// The versions of the SDK under test, the servers that `run.sh` started, and waiting with a deadline.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

// Version 7 needs Node 22; those who stay on Node 20 stay on version 6.
const names = Number(process.versions.node.split(".")[0]) >= 22 ? ["openai", "openai-6"] : ["openai-6"];
export const sdks = await Promise.all(names.map(async (name) => ({ name, OpenAI: (await import(name)).default })));

export const wide = { url: process.env.TEST_URL, key: process.env.TEST_KEY };
export const narrow = { url: process.env.TEST_NARROW_URL, key: process.env.TEST_NARROW_KEY };

/** A server with a model that answers and one that embeds. */
export const mixed = { url: process.env.TEST_MIXED_URL, key: process.env.TEST_MIXED_KEY };

export const hello = [{ role: "user", content: "Hello" }];
// A long answer of the model whose context is large, to be stopped by who asked for it.
export const endless = { model: "long", messages: hello, max_tokens: 60_000, ignore_eos: true };

/** The SDK's client; retries are off, so that a test sees what the server said. */
export function clientOf(OpenAI, server, options = {}) {
  return new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0, timeout: 60_000, ...options });
}

/** The status of one model. */
export async function status(server, model) {
  const response = await fetch(`${server.url}/status`, { headers: { authorization: `Bearer ${server.key}` } });
  return (await response.json()).models.find((entry) => entry.id === model);
}

/** Waits until the status of a model has these values; fails when it does not in time. */
export async function awaitStatus(server, model, wanted) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const seen = await status(server, model);
    if (Object.entries(wanted).every(([name, value]) => seen[name] === value)) return;
    assert.ok(Date.now() < deadline, `${model} never had ${JSON.stringify(wanted)}: ${JSON.stringify(seen)}`);
    await pause(10);
  }
}
