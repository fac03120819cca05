"""Checks that fields were found."""

import json

from wit_world import exports
from wit_world.exports.manifest import Description
from wit_world.imports.types import Check, Outcome, Severity

from logic import code_of

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["fields"],
    "properties": {"fields": {"type": "array", "items": {"type": "string"}}},
}


class Manifest(exports.Manifest):
    def describe(self) -> Description:
        return Description(
            name="{{namespace}}/{{name}}",
            version="0.1.0",
            summary="Checks that fields were found.",
            config_schema=json.dumps(SCHEMA),
            accepts=[],
            fields=[],
        )


class Validator(exports.Validator):
    def validate(self, inputs, config: str) -> list[Check]:
        found = {field.path: field for field in inputs.fields() if field.value is not None}
        return [judge(path, found.get(path)) for path in json.loads(config)["fields"]]


def judge(path: str, field) -> Check:
    outcome = Outcome.FAIL if field is None else Outcome.PASS
    reason = f"The field {path} was {'not ' if field is None else ''}found."
    citations = [] if field is None else field.citations
    return Check(code_of(path), outcome, Severity.ERROR, reason, [path], citations)
