import unittest

from logic import value_behind


class ValueBehind(unittest.TestCase):
    def test_a_value_with_its_place(self):
        text = "😀 Счёт\nOrder:  42-А \nend"
        start, end = value_behind(text, "Order:")
        self.assertEqual(text[start:end], "42-А")

    def test_nothing_there(self):
        self.assertIsNone(value_behind("nothing", "Order:"))
        self.assertIsNone(value_behind("Order:  \n5", "Order:"))
