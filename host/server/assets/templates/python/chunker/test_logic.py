import unittest

from logic import paragraphs


class Paragraphs(unittest.TestCase):
    def test_paragraphs_and_their_places(self):
        text = "\n😀 one\ntwo \n \n\nthree\n"
        self.assertEqual([text[start:end] for start, end in paragraphs(text)], ["😀 one\ntwo", "three"])
        self.assertEqual(paragraphs(" \n \n"), [])
