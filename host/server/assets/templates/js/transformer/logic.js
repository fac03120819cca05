/** Found values by path, and the paths that were looked for in vain. */
export function summary(fields) {
  const found = fields.filter((field) => field.value);
  return {
    found: Object.fromEntries(found.map((field) => [field.path, field.value.val])),
    missing: fields.filter((field) => !field.value).map((field) => field.path),
  };
}
