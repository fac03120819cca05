/** The text of the user's last message; nothing if there is none. */
export function lastQuestion(messages) {
  const asked = messages.findLast(({ role }) => role === "user");
  const texts = asked?.content.filter(({ tag }) => tag === "text").map(({ val }) => val);
  return texts?.join("");
}

/** A text cut behind its blanks, so that the pieces give it again. */
export function words(text) {
  return text.match(/\S*\s*/gu).filter(Boolean);
}
