// Google's SDK, before each provider.

import assert from "node:assert/strict";
import { ApiError, GoogleGenAI } from "@google/genai";
import * as pairs from "./pairs.mjs";

const { ANSWER, all, raises } = pairs;
const client = (apiKey, apiVersion = "v1beta") =>
  new GoogleGenAI({ apiKey, vertexai: false, httpOptions: { baseUrl: pairs.BASE_URL, apiVersion, timeout: 20_000 } });
const SDK = client(pairs.KEY);
const TOOLS = {
  tools: [
    {
      functionDeclarations: [
        { name: "get_weather", description: "The weather", parametersJsonSchema: pairs.WEATHER },
        { name: "get_time", description: "The time", parametersJsonSchema: pairs.TIME },
      ],
    },
  ],
};
const THINKING = { thinkingConfig: { includeThoughts: true, thinkingLevel: "LOW" } };
const user = (...parts) => ({ role: "user", parts });
const ask = (model, contents = "hello", config = {}, sdk = SDK) => sdk.models.generateContent({ model, contents, config });
const askStream = (model, contents = "hello", config = {}, sdk = SDK) =>
  sdk.models.generateContentStream({ model, contents, config });
const parts = (chunks) => chunks.flatMap((it) => it.candidates?.[0]?.content?.parts ?? []);

function checkUsage(usage, entry) {
  const output = (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0);
  assert.deepEqual([usage.promptTokenCount, output], pairs.tokens(entry));
}

// OpenAI's chat completions think in silence.
function shown(parts) {
  return parts.some((it) => it.thought && it.text.startsWith("Thinking")) ? "yes" : "yes, not shown";
}

async function roundTrip(model, question, names, more = {}) {
  const contents = [user({ text: question })];
  const answer = await ask(model, contents, { ...TOOLS, ...more });
  assert.deepEqual(answer.functionCalls.map((it) => it.name), names);
  contents.push(answer.candidates[0].content);
  const result = ({ id, name }) => ({ functionResponse: { id, name, response: { result: pairs.RESULTS[name] } } });
  contents.push(user(...answer.functionCalls.map(result)));
  const last = await ask(model, contents, { ...TOOLS, ...more });
  for (const name of names) assert.ok(last.text.includes(name) && last.text.includes(pairs.RESULTS[name]), last.text);
  return answer;
}

async function fails(status, call) {
  const error = await raises(ApiError, call);
  assert.ok([].concat(status).includes(error.status), `${error.status}: ${error.message}`);
}

async function broken(it, fault) {
  let read = "";
  let ended = false;
  await assert.rejects(async () => {
    for await (const chunk of await askStream(it.model(fault))) {
      read += chunk.text ?? "";
      ended ||= Boolean(chunk.candidates?.[0]?.finishReason);
    }
  });
  assert.ok(!ended, "a broken stream came to an end");
  assert.ok(read && `${ANSWER}hello`.startsWith(read), read);
}

const BOTH = "both get_weather and get_time";
const NAMES = ["get_weather", "get_time"];

const CASES = {
  async chat(it) {
    const answer = await ask(it.model());
    assert.deepEqual([answer.text, answer.candidates[0].finishReason], [`${ANSWER}hello`, "STOP"]);
    checkUsage(answer.usageMetadata, await it.bill());
  },

  async v1(it) {
    assert.equal((await ask(it.model(), "hello", {}, client(pairs.KEY, "v1"))).text, `${ANSWER}hello`);
  },

  async stream(it) {
    const chunks = await all(askStream(it.model()));
    const pieces = chunks.map((it) => it.text).filter(Boolean);
    assert.equal(pieces.join(""), `${ANSWER}hello`);
    assert.ok(pieces.length > 2);
    assert.equal(chunks.at(-1).candidates[0].finishReason, "STOP");
  },

  async stream_usage(it) {
    const chunks = await all(askStream(it.model()));
    checkUsage(chunks.at(-1).usageMetadata, await it.bill());
  },

  async turns(it) {
    const contents = [user({ text: "one" }), { role: "model", parts: [{ text: "two" }] }, user({ text: "three" })];
    const seen = JSON.parse((await ask(it.model("-echo"), contents, { systemInstruction: "Be brief." })).text);
    assert.deepEqual(seen.system, ["Be brief."]);
    assert.deepEqual(seen.messages.map((it) => it.role), ["user", "assistant", "user"]);
  },

  async chat_helper(it) {
    const talk = SDK.chats.create({ model: it.model() });
    assert.equal((await talk.sendMessage({ message: "one" })).text, `${ANSWER}one`);
    assert.equal((await talk.sendMessage({ message: "two" })).text, `${ANSWER}two`);
  },

  async stop(it) {
    assert.equal((await ask(it.model(), "hello", { stopSequences: ["answer"] })).text, "This is a simulated ");
  },

  async length(it) {
    const answer = await ask(it.model(), "hello", { maxOutputTokens: 3 });
    assert.deepEqual([answer.text, answer.candidates[0].finishReason], ["This is a ", "MAX_TOKENS"]);
  },

  tool: async (it) => void (await roundTrip(it.model(), "get_weather please", ["get_weather"])),

  tools_parallel: async (it) => void (await roundTrip(it.model(), BOTH, NAMES)),

  async tools_stream(it) {
    const pieces = parts(await all(askStream(it.model(), `${BOTH}, aloud`, TOOLS)));
    const calls = pieces.filter((it) => it.functionCall).map((it) => it.functionCall);
    assert.deepEqual(calls.map((it) => it.name), NAMES);
    assert.deepEqual(Object.keys(calls[1].args).sort(), ["seconds", "zone"]);
    assert.equal(pieces.map((it) => it.text ?? "").join("").trim(), "I will look it up.");
  },

  async image(it) {
    const inlineData = { mimeType: "image/png", data: pairs.PIXEL };
    const answer = await ask(it.model(), [user({ text: "look" }, { inlineData })]);
    assert.equal(answer.text, `${ANSWER}look I saw 1: image image/png of ${pairs.PIXEL_BYTES} bytes`);
  },

  async image_url(it) {
    const fileData = { mimeType: "image/png", fileUri: pairs.IMAGE_URL };
    const answer = await ask(it.model(), [user({ text: "look" }, { fileData })]);
    return pairs.sawAddress(answer.text);
  },

  async json_schema(it) {
    const config = { responseMimeType: "application/json", responseJsonSchema: pairs.PERSON };
    const person = JSON.parse((await ask(it.model(), "hello", config)).text);
    assert.deepEqual([typeof person.name, typeof person.age], ["string", "number"]);
  },

  async thinking(it) {
    const answer = await ask(it.model("", it.thinker()), "hello", THINKING);
    assert.equal(answer.text, `${ANSWER}hello`);
    checkUsage(answer.usageMetadata, await it.bill("", it.thinker()));
    return shown(parts([answer]));
  },

  async thinking_tools(it) {
    return shown(parts([await roundTrip(it.model("", it.thinker()), BOTH, NAMES, THINKING)]));
  },

  wrong_key: (it) => fails([400, 401], () => ask(it.model(), "hello", {}, client("tg-wrong"))),

  unknown_model: () => fails(404, () => ask("unheard-of")),

  malformed: (it) => fails(400, () => ask(it.model(), [{ role: "nobody", parts: [{ text: "a" }] }])),

  rate_limited: (it) => fails(429, () => ask(it.model("-error-429"))),

  provider_failed: (it) => fails([500, 502, 503], () => ask(it.model("-error-500"))),

  stream_cut: (it) => broken(it, "-cut"),

  stream_error_event: (it) => broken(it, "-error-event"),

  async cancel(it) {
    const leaving = new AbortController();
    const stream = await askStream(it.model("-stall"), "hello", { abortSignal: leaving.signal });
    for await (const _ of stream) break;
    leaving.abort();
    assert.equal((await it.bill("-stall")).complete, false);
  },

  async count_tokens(it) {
    const { totalTokens } = await SDK.models.countTokens({ model: it.model(), contents: "hello" });
    assert.ok(totalTokens > 0);
    if (it.behind === "openai") return "estimated"; // counted by the gateway
    assert.equal(totalTokens, (await ask(it.model("-whole"))).usageMetadata.promptTokenCount);
  },

  async embeddings(it) {
    const contents = [user({ text: "one" }), user({ text: "two" })];
    const { embeddings } = await SDK.models.embedContent({ model: it.model(), contents });
    assert.equal(embeddings.length, 2);
    assert.ok(embeddings[0].values.length > 0);
  },

  async models() {
    const names = (await all(SDK.models.list())).map((it) => it.name);
    assert.ok(names.length > 0 && names.every((it) => it.startsWith("models/")), names.join());
  },
};

await pairs.run("gemini", CASES);
