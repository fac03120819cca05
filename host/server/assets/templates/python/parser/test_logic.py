import unittest

from logic import paragraphs


class Paragraphs(unittest.TestCase):
    def test_groups_of_lines(self):
        self.assertEqual(paragraphs("one\r\ntwo\r\n\r\n\r\nthree\n"), ["one\ntwo", "three"])
