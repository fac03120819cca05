import type { Message } from "docmill:plugin/llm-types@0.1.0";

/** The text of the user's last message; nothing if there is none. */
export function lastQuestion(messages: Message[]): string | undefined {
  const asked = messages.findLast(({ role }) => role === "user");
  return asked?.content.flatMap((part) => (part.tag === "text" ? [part.val] : [])).join("");
}

/** A text cut behind its blanks, so that the pieces give it again. */
export function words(text: string): string[] {
  return (text.match(/\S*\s*/gu) ?? []).filter(Boolean);
}
