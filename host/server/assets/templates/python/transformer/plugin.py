"""Sums up what was found as JSON."""

import json

from wit_world import exports
from wit_world.exports.manifest import Description
from wit_world.exports.transformer import Output_Json

from logic import summary


class Manifest(exports.Manifest):
    def describe(self) -> Description:
        return Description(
            name="{{namespace}}/{{name}}",
            version="0.1.0",
            summary="Sums up the fields of a run.",
            config_schema=json.dumps({"type": "object", "additionalProperties": False}),
            accepts=[],
            fields=[],
        )


class Transformer(exports.Transformer):
    def transform(self, inputs, config: str) -> Output_Json:
        fields = [(field.path, field.raw) for field in inputs.fields()]
        return Output_Json(json.dumps(summary(fields), ensure_ascii=False))
