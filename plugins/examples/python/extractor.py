"""Finds international bank account numbers: ibans[0], ibans[1], … each with the exact place where it stands."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.manifest import Description, FieldSpec
from wit_world.imports.types import Citation, Error, ErrorKind, Field, TextUnit, Value_Text

import iban


class Manifest(exports.Manifest):
    def describe(self) -> Description:
        schema = {
            "type": "object",
            "additionalProperties": False,
            "properties": {"limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}},
        }
        return Description(
            name="example/py-ibans",
            version="0.1.0",
            summary="Finds bank account numbers with their places.",
            config_schema=json.dumps(schema),
            accepts=[],
            fields=[FieldSpec("ibans", "text", "All numbers, in the document's order.")],
        )


class Extractor(exports.Extractor):
    def extract(self, inputs, config: str) -> list[Field]:
        limit = json.loads(config or "{}").get("limit", 100)
        reading = inputs.main()
        if reading is None:
            raise Err(Error(ErrorKind.INVALID_INPUT, "no-document", "Let a parser run before this step.", None))
        fields = []
        for page in range(reading.page_count()):
            text = reading.text(page)
            for start, end in iban.find(text)[: limit - len(fields)]:
                # Python counts code points; the host turns them into bytes.
                span = reading.span(page, start, end, TextUnit.CODE_POINT)
                citation = Citation(reading.id(), page, span.range, text[start:end], [])
                value = Value_Text(iban.compact(text[start:end]))
                fields.append(Field(f"ibans[{len(fields)}]", value, text[start:end], 0.99, [citation]))
        return fields
