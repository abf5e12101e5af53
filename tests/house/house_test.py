"""Shows that house.py can fail: small trees, each with one planted breach, and one without any."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import cpp_source
import house

HEAD = "// What lives here.\n"
GOOD = {
    "apportion.cpp": HEAD + '#include "coordinator/plan.h"\n#include "worker/worker.h"\n',
    "coordinator/plan.h": HEAD + '#include "shared/link/link.h"\n',
    "shared/base/error.h": HEAD + "#include <string>\n",
    "shared/data/text.h": HEAD + '#include <unicode/uchar.h>\n\n#include "shared/base/error.h"\n',
    "shared/link/link.h": HEAD + "struct Progress {\n  struct Task {};\n};\nclass Later;\n",
    "shared/link/link_mpi.cpp": HEAD + "#include <mpi.h>\n",
    "shared/store/file.cpp": HEAD + "#include <hdf5.h>\n",
    "worker/device.h": HEAD + "#include <ATen/ATen.h>\n",
    "worker/device_cuda.cpp": HEAD + "#include <c10/cuda/CUDAGuard.h>\n",
    "worker/worker.h": HEAD + '#include "worker/device.h"\n',
    "worker/train/step.h": HEAD + '#include "worker/device.h"\n',
    "worker/sample/draw.h": HEAD + "class Later;\nstruct Draw {\n  struct Task {};\n};\n",
    "tests/unit/shared/data/text_test.cpp": HEAD + '#include "shared/data/text.h"\n',
}


def long_function(lines):
    return HEAD + "int f(int x) {\n" + "  ++x;\n" * (lines - 2) + "}\n"


# (what is planted, where, what the report must say)
PLANTED = [
    (HEAD + '#include "worker/worker.h"\n', "coordinator/bad.cpp", "coordinator may include"),
    (HEAD + '#include "coordinator/plan.h"\n', "worker/train/bad.cpp", "worker may include"),
    (HEAD + '#include "coordinator/plan.h"\n', "shared/link/bad.cpp", "shared may include"),
    (HEAD + '#include "shared/data/text.h"\n', "shared/base/bad.cpp", "shared/base may not include shared/data"),
    (HEAD + '#include "shared/link/link.h"\n', "shared/store/bad.cpp", "shared/store may not include shared/link"),
    (HEAD + '#include "worker/train/step.h"\n', "worker/sample/bad.cpp", "worker/sample may not include worker/train"),
    (HEAD + '#include "worker/train/step.h"\n', "worker/device_bad.cpp", "worker/device may not include"),
    (HEAD + '#include "shared/base/error.h"\n', "shared/misc/bad.cpp", "not a part that the rules know"),
    (HEAD + '#include "tests/unit/shared/data/text_test.cpp"\n', "worker/bad.cpp", "nothing but a test"),
    (HEAD + '#include "worker/worker.h"\n', "tests/unit/shared/data/text_test.cpp", "a test of shared"),
    (HEAD + '#include "error.h"\n', "shared/base/bad.cpp", "root-relative"),
    (HEAD + "#include <mpi.h>\n", "worker/train/bad.cpp", "door to MPI"),
    (HEAD + "  #  include <mpi.h>\n", "coordinator/bad.cpp", "door to MPI"),
    (HEAD + "#include <hdf5.h>\n", "worker/train/bad.cpp", "door to HDF5"),
    (HEAD + "#include <H5Cpp.h>\n", "coordinator/bad.cpp", "door to HDF5"),
    (HEAD + "#include <boost/program_options.hpp>\n", "shared/data/bad.cpp", "door to Boost"),
    (HEAD + "#include <boost/math/distributions/gamma.hpp>\n", "shared/measure/bad.cpp", "door to Boost"),
    (HEAD + "#include <ATen/ATen.h>\n", "shared/model/bad.cpp", "door to Torch"),
    (HEAD + "#include <torch/torch.h>\n", "coordinator/bad.cpp", "door to Torch"),
    (HEAD + "#include <unicode/ustring.h>\n", "shared/store/bad.cpp", "door to ICU"),
    (HEAD + "#include <nccl.h>\n", "worker/parallel/bad.cpp", "door to NCCL"),
    (HEAD + "#include <c10/cuda/CUDAStream.h>\n", "worker/parallel/bad.cpp", "door to CUDA"),
    (HEAD + "void f() { MPI_Finalize(); }\n", "shared/link/link_mpi.cpp", "MPI starts and ends"),
    (HEAD + "\n" * 500, "shared/base/bad.cpp", "501 lines"),
    (long_function(61), "shared/base/bad.cpp", "f has 61 lines"),
    (HEAD + "class C {\n  int g() const {\n" + ";\n" * 60 + "  }\n};\n", "shared/base/bad.h", "g has 62 lines"),
    ("#pragma once\n", "shared/base/bad.h", "no comment at its head"),
    ("import sys\n", "tests/system/bad.py", "no comment at its head"),
    (HEAD + "class Progress final : public Base {\n};\n", "worker/train/bad.h", "Progress is a type of shared/link/link.h"),
    (HEAD + "using Progress = int;\n", "worker/train/bad.h", "Progress is a type of shared/link/link.h"),
    (HEAD, "tests/unit/shared/data/gone_test.cpp", "there is no shared/data/gone.h"),
]


class HouseTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for path, text in GOOD.items():
            self.write(path, text)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def test_a_good_tree_passes(self):
        self.assertEqual(list(house.breaches(self.root)), [])
        self.assertEqual(house.main(self.root), 0)

    def test_each_planted_breach_is_reported_and_nothing_else(self):
        for text, path, expected in PLANTED:
            with self.subTest(path=path, expected=expected):
                before = (self.root / path).read_text() if (self.root / path).exists() else None
                self.write(path, text)
                found = list(house.breaches(self.root))
                self.assertEqual(len(found), 1, found)
                self.assertIn(path, found[0])
                self.assertIn(expected, found[0])
                self.assertEqual(house.main(self.root), 1)
                self.write(path, before) if before is not None else (self.root / path).unlink()

    def test_a_full_folder_is_reported(self):
        for i in range(14):
            self.write(f"shared/base/noun{i}.h", HEAD)
            self.write(f"shared/base/noun{i}.cpp", HEAD)
        self.assertEqual(list(house.breaches(self.root)), [])
        self.write("shared/base/sixteenth.h", HEAD)
        self.assertEqual(list(house.breaches(self.root)), ["shared/base: 16 nouns, at most 15"])

    def test_limits_are_inclusive(self):
        self.write("shared/base/edge.cpp", long_function(60))
        self.write("shared/base/edge2.cpp", HEAD + "\n" * 499)
        self.assertEqual(list(house.breaches(self.root)), [])

    def test_an_empty_root_fails(self):
        with tempfile.TemporaryDirectory() as empty:
            self.assertEqual(house.main(empty), 1)


class FunctionsTest(unittest.TestCase):
    def names(self, text):
        return [(name, lines) for _, name, lines in cpp_source.functions(text)]

    def test_shapes_of_functions(self):
        self.assertEqual(self.names("A::A(int x) : x_{x}, y_(2) {\n}\n"), [("A::A", 2)])
        self.assertEqual(self.names("struct S {\n int f() const { return 1; }\n};\n"), [("f", 1)])
        self.assertEqual(self.names("template <typename T>\nauto f(T x) -> int {\n return x;\n}\n"), [("f", 4)])
        self.assertEqual(self.names("TEST(A, B) {\n auto l = [](int x) {\n return x; };\n}\n"), [("TEST", 4)])
        self.assertEqual(self.names("namespace a {\nnamespace {\nvoid g() noexcept {}\n}\n}\n"), [("g", 1)])

    def test_what_is_no_function(self):
        self.assertEqual(self.names("const std::vector<int> table = {\n f(1),\n};\n"), [])
        self.assertEqual(self.names("enum class E { a, b };\nstruct S { int x = f(2); };\n"), [])
        self.assertEqual(self.names("// void f() {\nint x{0};\n"), [])

    def test_braces_in_literals_do_not_count(self):
        self.assertEqual(self.names("void f() {\n char c = '{';\n auto s = \"}\\\"{\";\n}\nvoid g() {}\n"),
                         [("f", 4), ("g", 1)])
        self.assertEqual(self.names("void f() {\n auto s = R\"(}}{{\n)\";\n int x = 1'000;\n}\n"), [("f", 5)])

    def test_commented_includes_do_not_count(self):
        self.assertEqual(cpp_source.includes("// #include <mpi.h>\n/*\n#include <mpi.h>\n*/\n#include <a>\n"),
                         [(5, "a", False)])


if __name__ == "__main__":
    unittest.main(buffer=True)
