import unittest

from logic import summary


class Summary(unittest.TestCase):
    def test_found_and_missing(self):
        self.assertEqual(summary([("total", "5"), ("date", None)]), {"found": {"total": "5"}, "missing": ["date"]})
