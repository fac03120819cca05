// Answers by repeating the last message. Put your provider in its place.
import type { LlmAdapter } from "docmill:plugin/llm-adapter@0.1.0";
import type { Manifest } from "docmill:plugin/manifest@0.1.0";
import type { PluginError } from "docmill:plugin/types@0.1.0";
import { lastQuestion, words } from "./logic.js";

export const manifest: Manifest = {
  describe: () => ({
    name: "{{namespace}}/{{name}}",
    version: "0.1.0",
    summary: "Answers by repeating the last message.",
    configSchema: JSON.stringify({ type: "object", additionalProperties: false }),
    accepts: [],
    fields: [],
  }),
};

export const llmAdapter: LlmAdapter = {
  complete(request, sink) {
    const answer = lastQuestion(request.messages);
    if (answer === undefined) {
      throw {
        kind: "invalid-input",
        code: "no-question",
        message: "There is no message of the user to answer.",
        retryAfterMs: null,
      } satisfies PluginError;
    }
    const pieces = words(answer);
    // Piece by piece, as it arrives. What `push` throws means that nobody reads any more.
    if (sink) for (const piece of pieces) sink.push({ tag: "text", val: piece });
    return {
      content: [{ tag: "text", val: answer }],
      finish: "stop",
      model: request.model ?? "",
      usage: { input: pieces.length, cachedInput: 0, output: pieces.length, reasoning: 0 },
    };
  },
};
