import unittest

from logic import word_lengths


class WordLengths(unittest.TestCase):
    def test_lengths_of_words(self):
        self.assertEqual(word_lengths("Жол, бар!", 4), [0, 0, 1, 0])
        self.assertEqual(word_lengths("", 2), [0, 0])
