import unittest

from logic import code_of


class CodeOf(unittest.TestCase):
    def test_codes_are_lower_case_with_dashes(self):
        self.assertEqual(code_of("seller.tax_id"), "has-seller-tax-id")
