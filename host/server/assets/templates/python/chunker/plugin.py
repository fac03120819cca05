"""Makes a chunk of every paragraph."""

import json

from wit_world import exports
from wit_world.exports.manifest import Description
from wit_world.exports.chunker import Chunk
from wit_world.imports.types import TextUnit

from logic import paragraphs


class Manifest(exports.Manifest):
    def describe(self) -> Description:
        return Description(
            name="{{namespace}}/{{name}}",
            version="0.1.0",
            summary="Makes a chunk of every paragraph.",
            config_schema=json.dumps({"type": "object", "additionalProperties": False}),
            accepts=[],
            fields=[],
        )


class Chunker(exports.Chunker):
    def split(self, reading, config: str) -> list[Chunk]:
        chunks = []
        for page in range(reading.page_count()):
            for start, end in paragraphs(reading.text(page)):
                # The text is that of the spans; the host joins it.
                chunks.append(Chunk("", [reading.span(page, start, end, TextUnit.CODE_POINT)], [], None))
        return chunks
