"""Reads a text file: every group of lines becomes a paragraph."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.manifest import Description
from wit_world.imports.documents import ReadingBuilder
from wit_world.imports.types import Block, BlockKind_Paragraph, Error, ErrorKind, PageInfo, TextOrigin

from logic import paragraphs


class Manifest(exports.Manifest):
    def describe(self) -> Description:
        return Description(
            name="{{namespace}}/{{name}}",
            version="0.1.0",
            summary="Reads text files.",
            config_schema=json.dumps({"type": "object", "additionalProperties": False}),
            accepts=["text/plain"],
            fields=[],
        )


class Parser(exports.Parser):
    def parse(self, source, config: str) -> ReadingBuilder:
        try:
            text = source.read(0, source.size()).decode("utf-8")
        except UnicodeDecodeError:
            message = "The file is not UTF-8 text; convert it first."
            raise Err(Error(ErrorKind.INVALID_INPUT, "not-utf-8", message, None)) from None
        reading = ReadingBuilder()
        blocks = [Block(BlockKind_Paragraph(), text, [], None, None, None, None, None) for text in paragraphs(text)]
        reading.add_page(PageInfo(None, None, TextOrigin.DIGITAL, []), blocks)
        return reading
