import unittest

from logic import words


class Words(unittest.TestCase):
    def test_they_give_the_text_again(self):
        self.assertEqual(words("Сәлем,  әлем!"), ["Сәлем,  ", "әлем!"])
        self.assertEqual(words(""), [])
