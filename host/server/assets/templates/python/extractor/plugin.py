"""Finds the value behind a label: "Order: 42" gives the field "order" with the place where it stands."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.manifest import Description, FieldSpec
from wit_world.imports.types import Citation, Error, ErrorKind, Field, TextUnit, Value_Text

from logic import value_behind

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"label": {"type": "string", "minLength": 1, "default": "Order:"}},
}


class Manifest(exports.Manifest):
    def describe(self) -> Description:
        return Description(
            name="{{namespace}}/{{name}}",
            version="0.1.0",
            summary="Finds the value behind a label.",
            config_schema=json.dumps(SCHEMA),
            accepts=[],
            fields=[FieldSpec("order", "text", "What stands behind the label, to the end of its line.")],
        )


class Extractor(exports.Extractor):
    def extract(self, inputs, config: str) -> list[Field]:
        label = json.loads(config or "{}").get("label", "Order:")
        reading = inputs.main()
        if reading is None:
            raise Err(Error(ErrorKind.INVALID_INPUT, "no-document", "Let a parser run before this step.", None))
        for page in range(reading.page_count()):
            text = reading.text(page)
            found = value_behind(text, label)
            if found is None:
                continue
            start, end = found
            span = reading.span(page, start, end, TextUnit.CODE_POINT)
            value = text[start:end]
            citation = Citation(reading.id(), page, span.range, value, [])
            return [Field("order", Value_Text(value), value, 0.9, [citation])]
        return [Field("order", None, None, None, [])]
