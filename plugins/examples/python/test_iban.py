"""`python3 -m unittest`: the plain functions, without a host."""

import unittest

import iban


class Iban(unittest.TestCase):
    def test_numbers_and_their_places(self):
        text = "😀 Шот: KZ75 125K ZT20 6910 0100, GB82WEST12345698765432. XKZ751 12"
        found = [text[start:end] for start, end in iban.find(text)]
        self.assertEqual(found, ["KZ75 125K ZT20 6910 0100", "GB82WEST12345698765432"])

    def test_check_digits(self):
        self.assertTrue(iban.is_valid("KZ75 125K ZT20 6910 0100"))
        self.assertTrue(iban.is_valid("GB82WEST12345698765432"))
        self.assertFalse(iban.is_valid("GB82WEST12345698765433"))
        for wrong in ["", "GB82", "gb82west12345698765432", "GB82WEST1234569876543²"]:
            self.assertFalse(iban.is_valid(wrong), wrong)


if __name__ == "__main__":
    unittest.main()
