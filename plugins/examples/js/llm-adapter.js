// Stands in for a language model where none may be asked: says the last message again, word by word.
import { lastQuestion, words } from "./parrot.js";

export const manifest = {
  describe() {
    return {
      name: "example/js-parrot",
      version: "0.1.0",
      summary: "Stands in for a language model: says the last message again.",
      configSchema: JSON.stringify({
        type: "object",
        additionalProperties: false,
        properties: { prefix: { type: "string", maxLength: 100, default: "" } },
      }),
      accepts: [],
      fields: [],
    };
  },
};

export const llmAdapter = {
  complete(request, sink, config) {
    const question = lastQuestion(request.messages);
    if (question === undefined) {
      throw { kind: "invalid-input", code: "no-question", message: "There is no message of the user to answer.", retryAfterMs: null };
    }
    const answer = JSON.parse(config).prefix + question;
    const pieces = words(answer);
    // What `push` throws means that nobody reads any more.
    if (sink) for (const piece of pieces) sink.push({ tag: "text", val: piece });
    return {
      content: [{ tag: "text", val: answer }],
      finish: "stop",
      model: request.model,
      usage: { input: words(question).length, cachedInput: 0, output: pieces.length, reasoning: 0 },
    };
  },
};
