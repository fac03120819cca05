"""Judges the check digits of international bank account numbers."""

import json

from wit_world import exports
from wit_world.exports.manifest import Description
from wit_world.imports.types import Check, Outcome, Severity, Value_Text

import iban


class Manifest(exports.Manifest):
    def describe(self) -> Description:
        return Description(
            name="example/py-iban-digits",
            version="0.1.0",
            summary="Checks the check digits of bank account numbers.",
            config_schema=json.dumps({"type": "object", "additionalProperties": False}),
            accepts=[],
            fields=[],
        )


class Validator(exports.Validator):
    def validate(self, inputs, config: str) -> list[Check]:
        found = [field for field in inputs.fields() if field.path.startswith("ibans[")]
        numbers = [field for field in found if isinstance(field.value, Value_Text)]
        if not numbers:
            return [check(Outcome.UNDECIDED, "There is no account number to judge.", [])]
        wrong = [field for field in numbers if not iban.is_valid(field.value.value)]
        if wrong:
            return [check(Outcome.FAIL, f"{len(wrong)} of {len(numbers)} account numbers have wrong check digits.", wrong)]
        return [check(Outcome.PASS, f"The check digits of {len(numbers)} account numbers are right.", numbers)]


def check(outcome: Outcome, reason: str, fields) -> Check:
    citations = [citation for field in fields for citation in field.citations]
    return Check("iban-check-digits", outcome, Severity.ERROR, reason, [field.path for field in fields], citations)
