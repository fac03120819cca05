// Judges that every e-mail address belongs to an allowed domain.

export const manifest = {
  describe() {
    return {
      name: "example/js-domains",
      version: "0.1.0",
      summary: "Checks that e-mail addresses belong to allowed domains.",
      configSchema: JSON.stringify({
        type: "object",
        additionalProperties: false,
        required: ["domains"],
        properties: { domains: { type: "array", minItems: 1, items: { type: "string" } } },
      }),
      accepts: [],
      fields: [],
    };
  },
};

export const validator = {
  validate(inputs, config) {
    const allowed = JSON.parse(config).domains.map((domain) => domain.toLowerCase());
    const emails = inputs.fields().filter((field) => /^emails\[\d+\]$/.test(field.path) && field.value);
    if (emails.length === 0) {
      return [check("undecided", "There is no e-mail address to judge.", [])];
    }
    const foreign = emails.filter((field) => !allowed.includes(field.value.val.split("@").pop().toLowerCase()));
    return foreign.length === 0
      ? [check("pass", `All ${emails.length} addresses belong to ${allowed.join(", ")}.`, emails)]
      : [check("fail", `${foreign.length} of ${emails.length} addresses belong to other domains.`, foreign)];
  },
};

function check(outcome, reason, fields) {
  return {
    code: "emails-of-known-domains",
    outcome,
    severity: "error",
    reason,
    fields: fields.map((field) => field.path),
    citations: fields.flatMap((field) => field.citations.slice(0, 1)),
  };
}
