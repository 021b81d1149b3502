"""Tests of compare_perftest.py: what perftest prints is read, and the figures are the sums that docs/benchmarks.md says."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import compare_perftest as compare

READ_LATENCY = """
 local address: LID 0000 QPN 0x0022 PSN 0x156fa5 OUT 0x80 RKey 0x0013ac VAddr 0x00555bd35fa000
---------------------------------------------------------------------------------------
 #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec] 
 4096    500          123.93         3838.41      173.53   	       197.98      	193.47 		1276.40 		3838.41
---------------------------------------------------------------------------------------
"""
READ_BANDWIDTH = """
 #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]
 4096       1000             21.25              20.75 		     0.005312
"""


def latency(name, usec, parts=(), facts=None):
    floor = [{"name": what, "count": count, "latency": {"t_median": value}} for what, count, value in parts]
    return {"name": name, "figure_usec": usec, "floor": floor, "facts": facts or {}}


def bandwidth(name, value, floor):
    return {"name": name, "bandwidth": {"BW_median": value}, "floor": {"BW_median": floor}, "floor_name": "READs"}


def reports():
    return {
        "merino-fetch-lat": {"benchmark": "merino-fetch-lat", "series": [
            latency("first fetch", 390, [("READ of 4096 bytes", 1, 90), ("page fault: x", 1, 100), ("READ of 8 bytes", 1, 10)]),
            latency("refetch", 240, [("READ of 4096 bytes", 1, 90), ("page fault: x", 1, 100)])]},
        "merino-fetch-bw": {"benchmark": "merino-fetch-bw", "series": [
            bandwidth("read-ahead, cold", 16, 10), bandwidth("read-ahead, again", 18, 10), bandwidth("prefetch", 19, 10)]},
        "merino-lock-lat": {"benchmark": "merino-lock-lat", "series": [
            latency("acquire", 60, [("swap", 1, 50)]), latency("acquire and release", 99, [("swap", 1, 50), ("write", 1, 40)]),
            latency("hand-over", 300, [("WRITE", 1, 50), ("fault", 0.5, 200)])]},
        "merino-barrier-lat": {"benchmark": "merino-barrier-lat", "series": [latency("barrier", 50)]},
        "merino-atomic-lat": {"benchmark": "merino-atomic-lat", "series": [
            latency("fetch-and-add", 30), latency("compare-and-swap", 60), latency("load", 60)]},
        "merino-release-lat": {"benchmark": "merino-release-lat", "series": [
            latency("c", 450, [("WRITEs", 1, 200), ("memcmp", 1, 90), ("mprotect", 1, 10)], {"pattern": "contiguous", "pages": 1000}),
            latency("s", 900, [("WRITEs", 1, 200)], {"pattern": "scattered", "pages": 1000})]},
    }


PERFTEST = {
    "ib_read_lat -s 4096": 100.0, "ib_read_lat -s 8": 60.0, "ib_write_lat -s 64": 25.0, "ib_atomic_lat": 20.0,
    "ib_read_bw -s 4096": 20.0,
}


class Parsing(unittest.TestCase):
    def test_a_latency_is_read_by_its_column(self):
        self.assertEqual(compare.perftest_value(READ_LATENCY, "t_typical[usec]"), 173.53)
        self.assertEqual(compare.perftest_value(READ_LATENCY, "t_min[usec]"), 123.93)

    def test_a_bandwidth_is_read_by_its_column(self):
        self.assertEqual(compare.perftest_value(READ_BANDWIDTH, "BW average[MB/sec]"), 20.75)

    def test_anything_else_is_refused(self):
        with self.assertRaisesRegex(compare.Unusable, "no table: Couldn't connect"):
            compare.perftest_value("Couldn't connect to 127.0.0.1:18515", "t_typical[usec]")
        with self.assertRaisesRegex(compare.Unusable, "no column"):
            compare.perftest_value(READ_BANDWIDTH, "t_typical[usec]")


class Arithmetic(unittest.TestCase):
    def ratios(self, perftest, changed=None):
        rows = compare.figures(perftest, changed or reports())
        return {one["name"]: one["ratio"] for one in rows}

    def test_the_figures_are_those_of_the_documentation(self):
        expected = {
            "fetch": 240 / (100 + 100), "first-fetch": 390 / (100 + 100 + 60), "lock-acquire": 60 / 50, "lock-cycle": 99 / 90,
            "lock-handover": 300 / 150, "barrier": 50 / 25, "read-ahead": 16 / 20, "prefetch": 19 / 20, "release": 450 / 300,
        }
        found = self.ratios(PERFTEST)
        for name, value in expected.items():
            self.assertAlmostEqual(found[name], value, msg=name)

    def test_without_perftest_the_floors_of_the_reports_count(self):
        found = self.ratios({})
        self.assertAlmostEqual(found["fetch"], 240 / 190)
        self.assertAlmostEqual(found["first-fetch"], 390 / 200)
        self.assertAlmostEqual(found["read-ahead"], 1.6)
        self.assertIsNone(found["barrier"])

    def test_ratios_to_bare_perftest(self):
        bare = {one["name"]: one["bare"] for one in compare.figures(PERFTEST, reports())}
        self.assertAlmostEqual(bare["fetch"], 2.4)
        self.assertAlmostEqual(bare["lock-acquire"], 3.0)
        self.assertIsNone(bare["release"])

    def test_a_ratio_is_the_median_of_the_rounds_ratios(self):
        rounds = []
        # perftest and Merino rise together from round to round; only the first round is out of step.
        for read, fetch in [(100.0, 900), (200.0, 360), (300.0, 480)]:
            changed = reports()
            compare.series(changed["merino-fetch-lat"], "refetch")["figure_usec"] = fetch
            rounds.append(compare.figures(dict(PERFTEST, **{"ib_read_lat -s 4096": read}), changed))
        row = compare.summary(rounds)[0]
        self.assertAlmostEqual(row["ratio"], 1.2)
        self.assertEqual(row["merino"], 480)
        self.assertEqual(compare.spread(row), "1.20-4.50")
        self.assertEqual(row["perftest"], ("ib_read_lat -s 4096", 200.0))
        self.assertEqual(row["floor"], [("ib_read_lat -s 4096", 200.0), ("page fault", 100)])

    def test_a_figure_that_only_some_rounds_have_is_the_median_of_those(self):
        some = reports()
        del some["merino-atomic-lat"]
        some["merino-release-lat"]["series"].pop()
        rows = compare.summary([compare.figures(PERFTEST, some), compare.figures(PERFTEST, reports())])
        found = {one["name"]: one["ratios"] for one in rows}
        self.assertEqual(len(found["release"]), 2)
        self.assertEqual(len(found["release scattered"]), 1)
        self.assertEqual(len(found["atomic load"]), 1)

    def test_the_lines_come_in_order_and_say_what_is_missing(self):
        lines = compare.ratio_lines(compare.summary([compare.figures(PERFTEST, reports())]))
        self.assertEqual([line.split()[1] for line in lines], compare.NAMES)
        self.assertEqual(lines[0], "ratio fetch 1.200")
        lines = compare.ratio_lines(compare.summary([compare.figures({}, reports())]))
        self.assertIn("ratio barrier none", lines)

    def test_the_table_has_every_figure(self):
        rows = compare.summary([compare.figures(PERFTEST, reports())])
        text = "\n".join(compare.table(rows))
        for one in rows:
            self.assertIn(one["name"], text)
        self.assertIn("ib_read_lat -s 8", text)

    def test_a_report_without_a_series_is_refused(self):
        changed = reports()
        changed["merino-lock-lat"]["series"] = []
        with self.assertRaisesRegex(compare.Unusable, "merino-lock-lat reported no series"):
            self.ratios(PERFTEST, changed)

    def test_medians(self):
        self.assertEqual(compare.median([3, 1, 2]), 2)
        self.assertEqual(compare.median([4, 1, 2, 3]), 2.5)


unittest.main(verbosity=0)
