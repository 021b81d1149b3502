"""Tests of compare_threads.py: what a kernel prints is read, a wrong result is refused, and ratios are those of the rounds."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import compare_threads as compare


def line(side, nodes, threads, seconds, failed=0, checks=2):
    return {"kernel": "lu", "side": side, "nodes": nodes, "threads": threads, "seconds": seconds,
            "processor": seconds / 2, "checks": checks, "failed": failed, "locks": 7}


def one_round(threads_one, nodes_one, threads_many, nodes_many):
    return {
        "threads one": line("threads", 1, 1, threads_one), "nodes one": line("nodes", 1, 1, nodes_one),
        "threads many": line("threads", 1, 2, threads_many), "nodes many": line("nodes", 2, 1, nodes_many)}


class Results(unittest.TestCase):
    def test_the_last_line_is_read(self):
        text = "something\n" + json.dumps(line("nodes", 2, 1, 0.5)) + "\n"
        self.assertEqual(compare.result(text, "nodes", 2, 1)["seconds"], 0.5)

    def test_what_is_no_result_is_refused(self):
        wrong = [line("nodes", 2, 1, 0.5, failed=1), line("nodes", 2, 1, 0.5, checks=0), line("nodes", 1, 1, 0.5),
                 line("threads", 2, 1, 0.5), line("nodes", 2, 1, 0), dict(line("nodes", 2, 1, 1), processor=0)]
        for text in [""] + ["{"] + [json.dumps(one) for one in wrong]:
            with self.assertRaises(compare.Unusable):
                compare.result(text, "nodes", 2, 1)


class Figures(unittest.TestCase):
    def setUp(self):
        rounds = [one_round(1, 1.5, 0.5, 1), one_round(2, 6, 0.5, 2), one_round(1, 2, 0.5, 4)]
        self.rows = [compare.summary(compare.KERNELS[0], rounds)]

    def test_a_ratio_is_the_median_of_the_rounds(self):
        self.assertEqual(self.rows[0]["ratios"]["one"], {"median": 2, "from": 1.5, "to": 3, "processor": 2})
        self.assertEqual(self.rows[0]["ratios"]["speed"], {"median": 0.25, "from": 0.125, "to": 0.5, "processor": 0.25})

    def test_lines_of_ratios(self):
        self.assertEqual(compare.ratio_lines(self.rows, 2, 2), ["ratio lu/one 2.000", "ratio lu/speed-2x2 0.250"])

    def test_the_table_has_the_model(self):
        title, row = compare.table(self.rows, 2, 1)
        self.assertIn("n=2/P=2", title)
        self.assertEqual(row.split(), "lu 1.000 2.000 2.00 1.50-3.00 2.00 0.97 0.500 2.000 0.25 0.12-0.50 0.25 0.16".split())

    def test_models_ran_on_two_nodes(self):
        title, row = compare.table(self.rows, 4, 1)
        self.assertIn("n=4/P=4", title)
        self.assertTrue(row.endswith(" -"), row)

    def test_counters(self):
        self.assertEqual(compare.counter_lines(self.rows), ["counters lu 1x1 locks=7", "counters lu 2x1 locks=7"])


class Choice(unittest.TestCase):
    def test_kernels_by_name(self):
        self.assertEqual([kernel.name for kernel in compare.chosen(["tiles", "lu"])], ["lu", "tiles"])
        self.assertEqual(compare.chosen([]), compare.KERNELS)
        with self.assertRaises(compare.Unusable):
            compare.chosen(["fft"])


if __name__ == "__main__":
    unittest.main()
