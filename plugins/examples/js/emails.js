// What the extractor knows about e-mail addresses, apart from docmill so that Node can test it.

const ADDRESS = /[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/gu;

/** Every address of a text: {address, start, end}, in UTF-16 units as JavaScript counts. */
export function findEmails(text) {
  return Array.from(text.matchAll(ADDRESS), (match) => {
    const address = match[0].replace(/[.-]+$/, "");
    return { address, start: match.index, end: match.index + address.length };
  });
}
